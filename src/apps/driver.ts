/**
 * What keeps an app's processes apart from everything else. A driver only says *how* to start, signal and measure;
 * `instance-supervisor.ts` decides when. Drivers hold no state, so that any agent can control what another started.
 */
import type { ProcessId } from '../base/process-id.ts';
import type { DriverName } from './model.ts';
import type { ProcessRow } from './process-table.ts';

/** One process to be started for an app. All folders are absolute and exist. */
export interface LaunchSpec {
  /** The value of MOLN_INSTANCE. */
  readonly instance: string;
  /** Unix uid and gid of the app; used when the agent is root. */
  readonly uid: number;
  /** argv; the first is looked up in the PATH of `env`. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Becomes /tmp where the driver can do that. */
  readonly tmpFolder: string;
  /** What the app needs of the data folder, the rest of which is hidden from it where the driver can. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Its mounted folders; a driver hides those of other apps where it can. */
  readonly shared: readonly string[];
}

/** Arguments of `child_process.spawn`; always with `detached: true`. */
export interface SpawnPlan {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
}

export interface ProcessStats {
  /** Resident memory of all its processes; shared pages count once per process. */
  readonly memoryBytes: number;
  readonly processes: number;
}

export interface Driver {
  readonly name: DriverName;
  /** True when apps cannot see or touch each other. */
  readonly isolated: boolean;
  /** True when an app's processes run under the app's own uid. */
  readonly ownUid: boolean;
  /** One sentence for people: why this driver was chosen, or what it does not protect from. */
  readonly why: string;
  /** How to start a process of the app in a sandbox of its own. */
  command(spec: LaunchSpec): SpawnPlan;
  /** How to start a process inside the sandbox of a running instance. */
  commandInside(spec: LaunchSpec, root: ProcessId): SpawnPlan;
  /** Asks the app to stop (SIGTERM to its main process); false when it is gone. */
  terminate(root: ProcessId): boolean;
  /** Ends every process of the instance, also those that left its process group. */
  kill(root: ProcessId, instance: string): void;
  /** Out of a look at all processes that the caller took. */
  stats(root: ProcessId, table: readonly ProcessRow[]): ProcessStats;
}

/** The drivers of this node: one for new instances, all for those that are running. */
export interface Drivers {
  readonly chosen: Driver;
  readonly byName: Readonly<Record<DriverName, Driver>>;
}
