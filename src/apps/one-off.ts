/** Builds the sandboxes of `run` and `exec` commands and cleans up after them. */
import type { Readable } from 'node:stream';
import { randomId } from '../base/ids.ts';
import { processId, signalProcess } from '../base/process-id.ts';
import type { LaunchSpec } from './driver.ts';
import type { InstanceContext, SupervisedInstance } from './instance.ts';
import { bootId, type InstanceRecord, writeRecord } from './instance-record.ts';
import { launchSpec, sharedPaths } from './launch-plan.ts';
import { runCommand, type RunOutput } from './command-stream.ts';
import { COMMAND_TAG, processesOfCommand } from './process-table.ts';
import type { Blueprint } from './rollout.ts';
import { instanceNotFound, wishInvalid } from './run-errors.ts';
import { wishedFolders } from './shared-folders.ts';

export interface RunRequest {
  readonly app: string;
  readonly command: readonly string[];
  /** With an instance id: inside that running instance. */
  readonly instance: string | undefined;
  readonly stdin: Readable | undefined;
}

export type OneOffContext = Omit<InstanceContext, 'changed' | 'guard' | 'logs' | 'silentRestarts'>;

/** A fresh sandbox with the current release, settings and secrets, and a folder of its own for its time. */
export async function* runOneOff(
  context: OneOffContext,
  request: RunRequest,
  { app, release, releaseFolder, env }: Blueprint,
  signal: AbortSignal,
): AsyncGenerator<RunOutput, void, undefined> {
  const { folders, node, runners, clock } = context;
  const driver = context.drivers.chosen;
  const instance = `${app.name}-run-${randomId(8)}`;
  const own = folders.instance(app.name, instance);
  const places = release.plan.folders ?? {};
  const input = {
    app: app.name,
    instance,
    release: release.id,
    releaseFolder,
    dataFolder: folders.data(app.name),
    folders: own,
    process: {
      command: checked(request.command),
      // Settings that a release gives to its processes hold for commands as well.
      env: Object.values(release.plan.processes)[0]?.env ?? {},
      kind: 'worker',
    },
    node,
    runners,
    port: undefined,
    socket: undefined,
    shared: sharedPaths(places, folders, app.name),
    env,
  } as const;
  const spec = launchSpec(input, app.uid);
  await folders.prepareApp(app.name, app.uid);
  await folders.prepareInstance(own, app.uid);
  const record: InstanceRecord = {
    format: 1,
    id: instance,
    app: app.name,
    purpose: 'run',
    release: release.id,
    process: 'run',
    generation: app.generation,
    kind: 'worker',
    health: release.plan.health,
    uid: app.uid,
    driver: driver.name,
    processId: undefined,
    bootId: bootId(),
    port: 0,
    address: undefined,
    healthy: false,
    startedAt: clock.now(),
    restarts: 0,
    drainingSince: undefined,
    folders: wishedFolders(places),
  };
  await writeRecord(own.record, record);
  try {
    await context.sharedFolders.ready(record);
    // Mounting takes its time, and a record that stays would keep the folders mounted.
    signal.throwIfAborted();
  } catch (error) {
    await folders.removeInstance(own);
    throw error;
  }
  yield* runCommand({
    plan: driver.command(spec),
    stdin: request.stdin,
    signal,
    clock,
    started: (root) => writeRecord(own.record, { ...record, processId: root }),
    terminate: (root) => void driver.terminate(root),
    cleanUp: async (root) => {
      if (root !== undefined) driver.kill(root, instance);
      await folders.removeInstance(own);
    },
  });
}

/** Inside the namespaces of a running instance, with its environment. */
export async function* execInside(
  context: OneOffContext,
  request: RunRequest,
  instances: readonly SupervisedInstance[],
  signal: AbortSignal,
): AsyncGenerator<RunOutput, void, undefined> {
  const instance = instances.find((each) => each.id === request.instance);
  const inside = await instance?.inside();
  if (inside === undefined) {
    const known = instances.map(({ id }) => id);
    throw instanceNotFound(request.app, request.instance ?? '', known);
  }
  const { root, driver } = inside;
  // A tag of its own: what the command leaves behind is ended with it, and the instance is not.
  const tag = `${request.app}-exec-${randomId(8)}`;
  const command = checked(request.command).map((part) => part.replaceAll('{node}', context.node));
  const spec: LaunchSpec = {
    ...inside.spec,
    command,
    env: { ...inside.spec.env, [COMMAND_TAG]: tag },
  };
  yield* runCommand({
    plan: driver.commandInside(spec, root),
    stdin: request.stdin,
    signal,
    clock: context.clock,
    started: async () => {},
    terminate: (own) => void signalProcess(own, 'SIGTERM', true),
    cleanUp: async (own) => endTagged(own?.pid, tag),
  });
}

function endTagged(pid: number | undefined, tag: string): void {
  const own = pid === undefined ? undefined : processId(pid);
  if (own !== undefined) signalProcess(own, 'SIGKILL', true);
  for (const row of processesOfCommand(tag)) signalProcess(row, 'SIGKILL');
}

function checked(command: readonly string[]): readonly string[] {
  if (command.length > 0 && command[0] !== '') return command;
  throw wishInvalid('There is no command', 'Write it after "--", such as: -- node script.js');
}
