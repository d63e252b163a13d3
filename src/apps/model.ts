/**
 * The nouns of apps: what the registry stores and what the other files of this part talk about.
 * Registry keys: `/apps/<app>` (App), `/releases/<app>/<release>` (Release).
 */

export const APP_NAME: RegExp = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
export const APP_NAME_MEANS =
  'lower-case letters, digits and -, starting with a letter, at most 40 characters';

/** One app as it is wished to be. */
export interface App {
  readonly format: 1;
  readonly name: string;
  /** Further host names beside `<name>.localhost` and `<name>.<cluster>.internal`. */
  readonly domains: readonly string[];
  /** The release that serves; undefined until the first deploy succeeded. */
  readonly release: string | undefined;
  /**
   * Another one with each decision that replaces the instances (deploy, rollback, restart, settings). An instance belongs to
   * the generation that it was started for, and only those of this one get requests.
   */
  readonly generation: string;
  /** Newest first, at most `RELEASES_KEPT`. */
  readonly history: readonly Deployment[];
  /** Wished number of instances per process type; absent means 1. */
  readonly scale: Readonly<Record<string, number>>;
  /** Plain settings, shown to anybody who may read. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of write-only secrets; the sealed values lie under `/secrets/<app>/<NAME>`. */
  readonly secretNames: readonly string[];
  /** False after `moln app NAME stop`. */
  readonly running: boolean;
  readonly createdAt: number;
  /** Unix uid and gid of the app's processes under the drivers that isolate. Stable for the app's life. */
  readonly uid: number;
}

export interface Deployment {
  readonly release: string;
  readonly at: number;
  /** Who: token name, `console` or `local`. */
  readonly by: string;
  readonly kind: 'deploy' | 'rollback';
}

/** An immutable, content-addressed tree. */
export interface Release {
  readonly format: 1;
  /** First 12 hex digits of the tree's SHA-256. */
  readonly id: string;
  readonly treeHash: string;
  /** Of the tree as it was sealed, build results included: what a copy on another node is checked by. */
  readonly sealedHash: string;
  readonly files: number;
  readonly bytes: number;
  readonly createdAt: number;
  readonly plan: LaunchPlan;
}

/** How a release runs; found by detection, kept with the release. */
export interface LaunchPlan {
  /** What was recognised: shown to people. */
  readonly kind: 'static' | 'node' | 'python' | 'php' | 'procfile';
  /** One sentence: "Python WSGI app app:app, served by the standard library (gunicorn is not installed)". */
  readonly explanation: string;
  /** Commands run once in the release folder before it is sealed. */
  readonly build: readonly BuildStep[];
  /** Static sites have no processes. */
  readonly processes: Readonly<Record<string, ProcessPlan>>;
  readonly staticRoot: string | undefined;
  readonly fallback: string | undefined;
  readonly notFound: string | undefined;
  readonly health: HealthPlan;
  readonly placement: PlacementPlan;
  /** Answers are stored as they allow it; unless this is false. */
  readonly cache?: boolean | undefined;
  /** `BUCKET` or `BUCKET/FOLDER` by name: mounted where an instance runs, which finds `MOLN_FOLDER_<NAME>`. */
  readonly folders?: Readonly<Record<string, string>> | undefined;
}

/** On which nodes instances may be, and what becomes of them when theirs is lost. */
export interface PlacementPlan {
  readonly restart: 'elsewhere' | 'wait' | 'never';
  /** The app's own clock; the cluster's when left out. */
  readonly lostAfterMs?: number | undefined;
  /** What one instance is counted with. */
  readonly memoryMiB: number;
  /** That the node must have. */
  readonly labels: Readonly<Record<string, string>>;
  /** Process types of which there is never more than one instance. */
  readonly singletons: readonly string[];
}

export interface BuildStep {
  readonly label: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

export interface ProcessPlan {
  /** argv; `{node}`, `{runners}` and `{release}` are replaced at launch. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `http` answers requests; `worker` only has to stay up. */
  readonly kind: 'http' | 'worker';
}

export interface HealthPlan {
  readonly path: string;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** One running process of a release on this node. */
export interface Instance {
  /** `<app>-<process>-<random>`; also the upstream id. */
  readonly id: string;
  readonly app: string;
  readonly release: string;
  readonly process: string;
  readonly generation: string;
  readonly state: InstanceState;
  readonly pid: number | undefined;
  readonly driver: DriverName;
  /** Where it answers, once known. */
  readonly address: InstanceAddress | undefined;
  readonly startedAt: number;
  readonly restarts: number;
  /** Why it is in this state: "exited with code 1, restarts in 4 s". */
  readonly reason: string;
}

export type InstanceAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export type InstanceState =
  | 'starting'
  | 'healthy'
  | 'unhealthy'
  | 'draining'
  | 'backoff'
  | 'stopped';
export type DriverName = 'unshare' | 'plain';

export const RELEASES_KEPT = 10;
