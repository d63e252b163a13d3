/**
 * What the API says and takes, as plain data: shared by the server, the CLI and the console.
 * Times are epoch milliseconds, sizes bytes, rates per second.
 */
export type * from './address-model.ts';
export type { ClusterTop } from './cache-model.ts';
export type * from './certificate-model.ts';
export type { ListenerDetail, RouteAnswer, RouteDetail } from './route-model.ts';
export type {
  DatabaseDetail,
  DatabaseSummary,
  QueryDetail,
  StripeDetail,
} from './database-model.ts';
export type { BucketRow, StorageDetail, StoragePlace } from './storage-model.ts';
import type { ErrorBody } from '../base/errors.ts';

export type Scope = 'admin' | 'deploy' | 'read';

export interface Status {
  /** One plain sentence: "All good: 2 apps on 1 node". */
  readonly sentence: string;
  readonly version: string;
  readonly cluster: {
    readonly id: string;
    readonly name: string;
    /** Lower-case hex SHA-256 of the certificate authority: what `--pin` takes. */
    readonly fingerprint: string;
  };
  /** Name of the node that says this. */
  readonly self: string;
  /** Name of the node that leads; empty while nobody does. */
  readonly leader: string;
  /** What the loss of a machine would mean. */
  readonly managers: string;
  /** What will be noticed before long if nobody does anything: a sentence each. */
  readonly warnings: readonly string[];
  readonly nodes: readonly NodeStatus[];
  readonly apps: readonly AppSummary[];
  readonly gateway: GatewayStatus;
  readonly console: { readonly url: string };
  /** `isLive`: false while no manager answers, and what is shown may be old. */
  readonly registry: {
    readonly engine: string;
    readonly revision: number;
    readonly isLive: boolean;
  };
  /** How apps are kept apart on this node, and why so. */
  readonly driver: { readonly name: string; readonly why: string; readonly isolated: boolean };
  readonly workers: readonly WorkerStatus[];
}

export interface NodeStatus {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'ready' | 'starting' | 'stopping' | 'draining' | 'suspect' | 'lost';
  readonly address: string;
  readonly port: number;
  readonly dataFolder: string;
  /** Of Moln; empty while the node has not said it. */
  readonly version: string;
  /** 0 while the node has not said it. */
  readonly startedAt: number;
  readonly cpu: { readonly cores: number; readonly usedRatio: number };
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number };
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number };
  /** Its member of etcd; `none`: it holds no registry, or has not said it. */
  readonly etcd: 'none' | 'runs' | 'away';
}

/** What `moln nodes` shows beside the figures. */
export interface NodeDetail extends NodeStatus {
  /** The words for its state: "It was not heard for 2 s". */
  readonly reason: string;
  readonly isManager: boolean;
  readonly isLeader: boolean;
  /** Since its last check-in; 0 when it was just heard. */
  readonly silentMs: number;
  readonly joinedAt: number;
  readonly certificateEndsAt: number;
  /** Ids of the instances that run there. */
  readonly instances: readonly string[];
}

export interface RegionDetail {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly ready: number;
}

export type InviteRole = 'worker' | 'manager';

/** An invite without its secret. */
export interface InviteDetail {
  readonly id: string;
  readonly role: InviteRole;
  readonly region: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly uses: number;
  readonly usesLeft: number;
}

/** Who holds the registry, who leads, and what the loss of a machine would mean. */
export interface ManagerStatus {
  readonly sentence: string;
  readonly engine: string;
  /** False while no manager answers: what is shown may be old. */
  readonly isLive: boolean;
  readonly leader: string | undefined;
  readonly leaderWhy: string;
  readonly managers: readonly string[];
  readonly mode: 'automatic' | 'pinned';
  /** The node that keeps a complete copy of registry and databases while one machine holds them. */
  readonly standby: { readonly node: string; readonly isInSync: boolean } | undefined;
  readonly endpoints: readonly string[];
}

/** The cluster's certificate authority, and the rotation that is under way. Times are epoch milliseconds. */
export interface AuthorityStatus {
  readonly sentence: string;
  /** SHA-256 of the certificate of the one that signs on the node that was asked. */
  readonly fingerprint: string;
  /** What clients are to pin now. */
  readonly pin: string;
  readonly since: number;
  readonly until: number;
  /** From when on it is rotated without being asked. */
  readonly rotatesAt: number;
  readonly rotation:
    | {
        readonly step: 'asked' | 'trust' | 'renew' | 'drop' | 'done';
        readonly why: string;
        readonly startedAt: number;
        /** What holds the step up, one entry a node. */
        readonly waitsFor: readonly {
          readonly node: string;
          readonly isAway: boolean;
          readonly what: 'trust' | 'key' | 'etcd' | 'certificate' | 'drop';
          readonly sentence: string;
        }[];
      }
    | undefined;
}

/** Something that happened in the cluster. */
export interface EventDetail {
  readonly id: string;
  readonly at: number;
  readonly kind: string;
  readonly text: string;
  readonly node: string | undefined;
  readonly app: string | undefined;
}

/** One wished instance of an app, and why it is where it is. */
export interface SlotDetail {
  readonly process: string;
  readonly slot: number;
  /** Name of the node; undefined while it has none. */
  readonly node: string | undefined;
  /** Where it still runs until the new one is healthy. */
  readonly leaving: string | undefined;
  readonly reason: string;
}

export interface GatewayStatus {
  /** `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string;
  readonly httpsUrl: string;
  readonly workers: readonly {
    readonly pid: number;
    readonly connections: number;
    readonly memoryBytes: number;
    readonly state: 'serving' | 'starting' | 'away';
  }[];
}

export interface WorkerStatus {
  readonly name: string;
  readonly status: string;
  readonly state: string;
  readonly errors: number;
  readonly lastError: string | undefined;
}

export type AppState =
  | 'healthy'
  | 'degraded'
  | 'failing'
  | 'starting'
  | 'deploying'
  | 'stopped'
  | 'empty';

export interface AppSummary {
  readonly name: string;
  readonly kind: string;
  readonly state: AppState;
  readonly release: string | undefined;
  readonly urls: readonly string[];
  readonly instances: { readonly healthy: number; readonly wanted: number };
  readonly deployedAt: number | undefined;
}

export interface AppDetail extends AppSummary {
  readonly explanation: string;
  readonly domains: readonly string[];
  readonly scale: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string>>;
  readonly secretNames: readonly string[];
  readonly instanceList: readonly InstanceDetail[];
  readonly releases: readonly ReleaseDetail[];
  readonly history: readonly DeploymentDetail[];
}

export interface InstanceDetail {
  readonly id: string;
  readonly process: string;
  readonly release: string;
  readonly node: string;
  readonly state: string;
  readonly reason: string;
  readonly pid: number | undefined;
  readonly driver: string;
  readonly address: string | undefined;
  readonly startedAt: number;
  readonly restarts: number;
  readonly memoryBytes: number | undefined;
  readonly requestsNow: number;
}

export interface ReleaseDetail {
  readonly id: string;
  readonly files: number;
  readonly bytes: number;
  readonly createdAt: number;
  readonly kind: string;
  readonly current: boolean;
  /** It is in the file store too; undefined while there is no file store. */
  readonly isStored: boolean | undefined;
}

export interface DeploymentDetail {
  readonly release: string;
  readonly at: number;
  readonly by: string;
  readonly kind: string;
}

/** Lines of a deploy, rollback, scale or restart, as they happen; the last is `done` or `failed`. NDJSON. */
export type Progress =
  | { readonly kind: 'step'; readonly at: number; readonly message: string }
  | { readonly kind: 'output'; readonly at: number; readonly line: string }
  | { readonly kind: 'done'; readonly app: string; readonly release: string; readonly url: string }
  | { readonly kind: 'failed'; readonly error: ErrorBody; readonly logTail: readonly string[] };

export interface LogLine {
  readonly at: number;
  readonly instance: string;
  readonly process: string;
  readonly text: string;
}

/** Output of `run` and `exec`: base64 chunks, then the exit. NDJSON. */
export type RunOutput =
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly base64: string }
  | { readonly kind: 'exit'; readonly code: number | null; readonly signal: string | null };

export interface TokenDetail {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly lastUsedAt: number | undefined;
}

/** One second of this node, for charts; `apps` of all nodes that answer. Latencies in milliseconds. */
export interface LiveSample {
  readonly at: number;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly bytesOutPerSecond: number;
  readonly cpuRatio: number;
  readonly memoryBytes: number;
  readonly connections: number;
  /** By app name, over all nodes. */
  readonly apps: Readonly<
    Record<string, { readonly requestsPerSecond: number; readonly errorsPerSecond: number }>
  >;
}
