/** Pure: the argv and environment of an instance, out of what the release says and the app wishes. */
import { delimiter, dirname, join } from 'node:path';
import type { InstanceFolders } from './app-folders.ts';
import type { LaunchSpec } from './driver.ts';
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
  };
}
