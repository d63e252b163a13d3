/** Pure: the argv and environment of an instance, out of what the release says and the app wishes. */
import { delimiter, dirname, join } from 'node:path';
import type { AppFolders, InstanceFolders } from './app-folders.ts';
import type { LaunchSpec } from './driver.ts';
import type { InstanceRecord } from './instance-record.ts';
import type { ProcessPlan } from './model.ts';

export interface LaunchInput {
  readonly app: string;
  readonly instance: string;
  readonly release: string;
  readonly releaseFolder: string;
  readonly dataFolder: string;
  /** The instance's own; they exist. */
  readonly folders: Pick<InstanceFolders, 'base' | 'home' | 'tmp' | 'socketFolder'>;
  readonly process: ProcessPlan;
  /** Absolute path of the node binary. */
  readonly node: string;
  readonly runners: string;
  /** Absent for workers and one-off commands. */
  readonly port: number | undefined;
  readonly socket: string | undefined;
  /** Where its mounted folders are, by name. */
  readonly shared: Readonly<Record<string, string>>;
  /** The app's plain settings and opened secrets; they win over what the release says. */
  readonly env: Readonly<Record<string, string>>;
}

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `{node}`, `{runners}` and `{release}` are replaced wherever they stand. */
export function fillCommand(command: readonly string[], input: LaunchInput): string[] {
  return command.map((part) =>
    part
      .replaceAll('{node}', input.node)
      .replaceAll('{runners}', input.runners)
      .replaceAll('{release}', input.releaseFolder),
  );
}

/**
 * Nothing of the agent's own environment gets through. What Moln sets about identity and address cannot be
 * overridden; everything else can.
 */
export function launchEnvironment(input: LaunchInput): Record<string, string> {
  const inside = ['node_modules/.bin', '.venv/bin', 'vendor/bin'].map((each) =>
    join(input.releaseFolder, each),
  );
  return {
    PATH: [...inside, dirname(input.node), SYSTEM_PATH].join(delimiter),
    LANG: 'C.UTF-8',
    NODE_ENV: 'production',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    ...input.process.env,
    ...input.env,
    HOME: input.folders.home,
    TMPDIR: input.folders.tmp,
    ...(input.port === undefined ? {} : { PORT: String(input.port) }),
    ...(input.socket === undefined ? {} : { LISTEN_SOCKET: input.socket }),
    MOLN_APP: input.app,
    MOLN_INSTANCE: input.instance,
    MOLN_RELEASE: input.release,
    MOLN_DATA_DIR: input.dataFolder,
    ...Object.fromEntries(
      Object.entries(input.shared).map(([name, path]) => [
        `MOLN_FOLDER_${name.toUpperCase()}`,
        path,
      ]),
    ),
  };
}

/** Everything a driver has to know. `uid`: the app's. */
export function launchSpec(input: LaunchInput, uid: number): LaunchSpec {
  const { folders, releaseFolder } = input;
  return {
    instance: input.instance,
    uid,
    command: fillCommand(input.process.command, input),
    cwd: releaseFolder,
    env: launchEnvironment(input),
    tmpFolder: folders.tmp,
    readable: [releaseFolder],
    writable: [input.dataFolder, folders.base, folders.socketFolder],
    shared: Object.values(input.shared),
  };
}

/** What a start needs beside the record; asked for at each start, so that secrets lie nowhere. */
export interface LaunchParts {
  readonly process: ProcessPlan;
  readonly releaseFolder: string;
  /** Plain settings and opened secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Places of mounted folders, by name. */
  readonly folders: Readonly<Record<string, string>>;
}

/** The same for an instance as its record says. */
export function instanceSpec(
  parts: LaunchParts,
  {
    record,
    folders,
    node,
    runners,
  }: Pick<LaunchInput, 'node' | 'runners'> & {
    readonly record: InstanceRecord;
    readonly folders: AppFolders;
  },
): LaunchSpec {
  const { app, id: instance } = record;
  const own = folders.instance(app, instance);
  const isHttp = record.kind === 'http';
  const input = {
    ...parts,
    app,
    instance,
    release: record.release,
    dataFolder: folders.data(app),
    folders: own,
    node,
    runners,
    port: isHttp ? record.port : undefined,
    socket: isHttp ? own.listen : undefined,
    shared: sharedPaths(parts.folders, folders, app),
  };
  return launchSpec(input, record.uid);
}

/** Where mounted folders are, by name. */
export function sharedPaths(
  places: Readonly<Record<string, string>>,
  folders: AppFolders,
  app: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(places).map(([name, place]) => [name, folders.sharedFolder(app, place)]),
  );
}
