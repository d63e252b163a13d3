/**
 * Driver `unshare`: own pid, mount, ipc and uts namespaces and an own uid without capabilities, made with the tools of
 * util-linux; needs root. The started process is `unshare` itself, whose one child is PID 1 inside. It guards
 * against mistakes and one compromised app, not against hostile tenants: network and kernel are shared.
 */
import { isRunning, type ProcessId, signalProcess } from '../base/process-id.ts';
import type { Driver, LaunchSpec, ProcessStats, SpawnPlan } from './driver.ts';
import { treeStats } from './driver-plain.ts';
import {
  catchesSignal,
  type ProcessRow,
  processesOfInstance,
  processTable,
} from './process-table.ts';
import { insideScript, type SandboxView, sandboxScript, scriptCommand } from './sandbox-script.ts';

export const UNSHARE_ARGS: readonly string[] = [
  '--pid',
  '--fork',
  '--kill-child',
  '--mount',
  '--mount-proc',
  '--ipc',
  '--uts',
  '--',
];

const SIGTERM = 15;

export class UnshareDriver implements Driver {
  readonly name = 'unshare';
  readonly isolated = true;
  readonly ownUid = true;
  readonly why: string;
  readonly #view: SandboxView;

  constructor(options: { readonly why: string; readonly view: SandboxView }) {
    this.why = options.why;
    this.#view = options.view;
  }

  command(spec: LaunchSpec): SpawnPlan {
    const { argv, env } = scriptCommand(spec, sandboxScript(spec, this.#view));
    return { file: 'unshare', args: [...UNSHARE_ARGS, ...argv], cwd: '/', env };
  }

  commandInside(spec: LaunchSpec, root: ProcessId): SpawnPlan {
    const target = innerProcess(root)?.pid ?? root.pid;
    const enter = [`--target=${target}`, '--pid', '--mount', '--ipc', '--uts', '--'];
    const { argv, env } = scriptCommand(spec, insideScript(spec));
    return { file: 'nsenter', args: [...enter, ...argv], cwd: '/', env };
  }

  terminate(root: ProcessId): boolean {
    const inner = innerProcess(root);
    if (inner === undefined) return false;
    // A PID 1 that has no handler ignores the signal: then the app has not been started yet.
    return signalProcess(inner, catchesSignal(inner.pid, SIGTERM) ? 'SIGTERM' : 'SIGKILL');
  }

  kill(root: ProcessId, instance: string): void {
    const inner = innerProcess(root);
    // The end of PID 1 ends its whole namespace; `unshare` follows by itself.
    if (inner !== undefined) signalProcess(inner, 'SIGKILL');
    else if (isRunning(root)) signalProcess(root, 'SIGKILL', true);
    for (const row of processesOfInstance(instance)) signalProcess(row, 'SIGKILL');
  }

  stats(root: ProcessId, table: readonly ProcessRow[]): ProcessStats {
    return treeStats(root, table);
  }
}

/** PID 1 of the sandbox, by its pid outside. `unshare --fork` does not forward signals to it. */
function innerProcess(root: ProcessId): ProcessRow | undefined {
  if (!isRunning(root)) return undefined;
  return processTable().find((row) => row.parent === root.pid);
}
