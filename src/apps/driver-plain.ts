/**
 * Driver `plain`: a process of its own session and process group, nothing more. For agents without root, and
 * for root where namespaces do not work (then at least under the app's own uid, when it can reach its folders).
 */
import { isRunning, type ProcessId, signalProcess } from '../base/process-id.ts';
import type { Driver, LaunchSpec, ProcessStats, SpawnPlan } from './driver.ts';
import { descendants, processesOfInstance, type ProcessRow } from './process-table.ts';

/** What the console and `moln doctor` show while this driver is in use. */
export const PLAIN_BANNER = 'Apps on this node are not isolated from each other';

export class PlainDriver implements Driver {
  readonly name = 'plain';
  readonly isolated = false;
  readonly ownUid: boolean;
  readonly why: string;

  constructor(options: { readonly why: string; readonly ownUid: boolean }) {
    this.why = `${PLAIN_BANNER}: ${options.why}`;
    this.ownUid = options.ownUid;
  }

  command(spec: LaunchSpec): SpawnPlan {
    return {
      file: spec.command[0] ?? '',
      args: spec.command.slice(1),
      cwd: spec.cwd,
      env: spec.env,
      ...(this.ownUid ? { uid: spec.uid, gid: spec.uid } : {}),
    };
  }

  commandInside(spec: LaunchSpec, _root: ProcessId): SpawnPlan {
    return this.command(spec);
  }

  terminate(root: ProcessId): boolean {
    return signalProcess(root, 'SIGTERM', true);
  }

  kill(root: ProcessId, instance: string): void {
    // The group can be signalled by number only while its leader proves that the number is still ours.
    if (isRunning(root)) signalProcess(root, 'SIGKILL', true);
    for (const row of processesOfInstance(instance)) signalProcess(row, 'SIGKILL');
  }

  stats(root: ProcessId, table: readonly ProcessRow[]): ProcessStats {
    return treeStats(root, table);
  }
}

/** Memory and number of a process with all its descendants; zeros when it is gone. */
export function treeStats(root: ProcessId, table: readonly ProcessRow[]): ProcessStats {
  const rows = descendants(table, root);
  return {
    memoryBytes: rows.reduce((sum, each) => sum + each.memoryBytes, 0),
    processes: rows.length,
  };
}
