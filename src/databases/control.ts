/**
 * What agent and database process tell each other, as JSON over a unix socket that only the node's own user can open. Both are of one
 * release: a process that runs other code is replaced.
 */
import type { KnownToken } from '../accounts/accounts.ts';
import type { ObjectPlace } from '../net/net.ts';
import type { EtcdTls } from '../registry/registry.ts';
import type { SqlFigures } from '../sql/sql.ts';
import type { SplitRecord } from './records.ts';

/** Where the logs of the databases are. */
export type LogPlace =
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'etcd';
      readonly endpoints: readonly string[];
      /** Of the logs; not that of the registry. */
      readonly prefix: string;
      /** Names this node to etcd. */
      readonly client: string;
      /** Grows when another machine has taken the registry over. */
      readonly epoch: number;
      readonly tls: EtcdTls | undefined;
      /** The oldest node: it was alone once, and moves what it had. */
      readonly isFounder: boolean;
      /** This node's id. */
      readonly node: string;
      /** This node has the only member of etcd. */
      readonly isHolder: boolean;
      /**
       * Of the registry in that etcd, where it stands who keeps a copy of the logs; undefined when nobody has to: etcd has several members,
       * or somebody else looks after it.
       */
      readonly standbyPrefix: string | undefined;
    };

/** Another node, as its database process is reached: through its gateways' door. */
export interface PeerPlace {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

/** What it takes to call other nodes. */
export interface PeerAccess {
  readonly clusterId: string;
  readonly cert: string;
  readonly key: string;
  readonly authority: string;
  readonly nodes: readonly PeerPlace[];
}

/** One database as the process is to serve it. */
export interface DatabaseConfig {
  readonly name: string;
  readonly id: string;
  readonly stripes: number;
  readonly splits: readonly SplitRecord[];
  /** Ids of the nodes that have a copy, by stripe; the one that should lead comes first. */
  readonly places: readonly (readonly string[])[];
  readonly copies: number;
  readonly regions: readonly string[];
  /** base64. */
  readonly tokenKey: string;
}

/** All that the process has to know; it works on with the last one while there is no agent. */
export interface DatabasesConfig {
  /** This node's id. */
  readonly node: string;
  readonly log: LogPlace;
  /** Undefined while the node is alone. */
  readonly peers: PeerAccess | undefined;
  readonly databases: readonly DatabaseConfig[];
  /** Where the file store keeps snapshots; undefined while there is none. */
  readonly vault?: ObjectPlace | undefined;
  /** Ids: what is here of them is removed. */
  readonly dropped: readonly string[];
  readonly tokens: readonly KnownToken[];
}

/** The oldest and the newest noted moment that can be gone back to, in milliseconds since the epoch. */
export interface Restorable {
  readonly from: number;
  readonly to: number;
}

/** Where the newest snapshot of a stripe lies. */
export interface SnapshotState {
  /** The last entry that it contains. */
  readonly index: number;
  readonly bytes: number;
  /** Ids of the nodes that keep it. */
  readonly nodes: readonly string[];
  /** It lies in the file store, too; undefined: that is not known here, or there is none. */
  readonly isStored: boolean | undefined;
  /** Files of a stripe that is led here which are to be in the file store and are not yet: older snapshots and pieces of the log among them. */
  readonly lacking: number;
}

/** One stripe as this node's process sees it. */
export interface StripeState {
  readonly number: number;
  readonly role: 'primary' | 'mirror';
  /** The node that leads it, by id; undefined while nobody does. */
  readonly primary: string | undefined;
  /** Why that one leads. */
  readonly why: string | undefined;
  /** The last entry that this copy has, and that of the log. */
  readonly applied: number;
  readonly head: number;
  /** Entries that the log still has. */
  readonly logEntries: number;
  readonly fileBytes: number;
  /** The newest one; undefined: there is none yet. */
  readonly snapshot: SnapshotState | undefined;
  /** Of this process, as primary, since it began to lead. */
  readonly transactions: number;
  readonly groups: number;
  readonly appendMs: number;
  readonly logBytes: number;
  /** Why the copy was put aside and built anew last, and when, in milliseconds since the epoch. */
  readonly rebuilt: string | undefined;
  readonly rebuiltAt: number | undefined;
  /** Told where the copies were compared last: where the stripe was led then. */
  readonly scrub: ScrubState | undefined;
}

/** The comparing of a stripe's copies. */
export interface ScrubState {
  readonly step: 'waiting' | 'running' | 'done';
  /** When this was so first, in milliseconds since the epoch; of what several nodes say the newest counts. */
  readonly toldAt: number;
  /** When all could be compared last, in milliseconds since the epoch; undefined: not yet. */
  readonly at: number | undefined;
  /** As far as it is, each compared with the one that leads, which is among them only if it was wrong itself. */
  readonly copies: readonly ScrubbedCopy[];
}

export interface ScrubbedCopy {
  /** Id of its node. */
  readonly node: string;
  /** `rebuilt`: it was not what the log says, and is now. `failed`: it could not be compared, or not be built anew. */
  readonly result: 'equal' | 'rebuilt' | 'failed';
  readonly why?: string;
}

/** A statement that runs now, or ran long. */
export interface QueryState {
  readonly id: string;
  readonly sql: string;
  readonly caller: string;
  readonly startedAt: number;
  readonly ms: number;
}

/** A split that is not done yet. */
export interface SplitState extends SplitRecord {
  /** Undefined before the new stripe has joined. */
  readonly slotsLeft: number | undefined;
  /** Since this process does it: rows that have moved, and how long clients waited at most. */
  readonly rows: number;
  readonly pauseMsMax: number;
  /** What keeps it from going on. */
  readonly why: string | undefined;
}

export interface DatabaseState {
  readonly name: string;
  readonly id: string;
  readonly state: 'opening' | 'open' | 'failed';
  /** What is wrong, in words. */
  readonly why: string | undefined;
  /** Ids of the nodes that lead, by stripe; null while none does, or while the log cannot be reached. */
  readonly primaries: readonly (string | null)[];
  readonly stripes: readonly StripeState[];
  /** What keeps snapshots of the stripes that are led here from the file store. */
  readonly vaultWhy: string | undefined;
  /** Why a copy here that is filled beside is not yet, and is tried again. */
  readonly fillWhy: string | undefined;
  /** Told by the node that leads stripe 0. */
  readonly restorable: Restorable | undefined;
  /** Told by the same node. */
  readonly split: SplitState | undefined;
  /** How many of the slots each stripe has, as this node knows it. */
  readonly slots: readonly number[];
  /** Of the map that `slots` is of: a higher one is newer. Undefined where an older program says it. */
  readonly slotsVersion: number | undefined;
  readonly connections: number;
  readonly streams: number;
  readonly queries: readonly QueryState[];
  /** The newest last. */
  readonly slow: readonly QueryState[];
  /** Of this node's engine; undefined while it is being opened. */
  readonly figures: SqlFigures | undefined;
}

export interface ProcessState {
  readonly pid: number;
  /** Why the newest config is not in use yet. */
  readonly why?: string | undefined;
  readonly memoryBytes: number;
  /** Where apps of this machine reach databases, on loopback. */
  readonly port: number;
  readonly databases: readonly DatabaseState[];
}

/** A stripe that is led here is to be led by another node. */
export interface MoveRequest {
  /** Name of the database. */
  readonly database: string;
  readonly stripe: number;
  /** Id of the node. */
  readonly to: string;
  /** For people. */
  readonly why: string;
}

export interface Moved {
  /** So long writes waited. */
  readonly pauseMs: number;
}

/** What a database had at a time becomes the beginning of another one. */
export interface RestoreRequest {
  /** Name of the database. */
  readonly database: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Id of the new one. */
  readonly id: string;
}

/** `id` becomes a database with what the snapshots of the lost one `from` have. */
export interface RestoreLostRequest {
  readonly from: string;
  readonly id: string;
}

export interface Restored {
  /** The noted moment that it was taken from: not after the one that was asked for. */
  readonly at: number;
  /** Stripes that the database had then. */
  readonly stripes: number;
}

/** Paths of the control socket. What begins otherwise is `/db/NAME/…`, as clients ask it. */
export const CONTROL = {
  config: '/control/config',
  /** Whether it turns, at once. */
  ping: '/control/ping',
  state: '/control/state',
  kill: '/control/kill',
  explain: '/control/explain',
  move: '/control/move',
  /** Hands over what is led here to whoever has everything. */
  leave: '/control/leave',
  restore: '/control/restore',
  restoreLost: '/control/restore-lost',
  /** Compares the copies of what is led here, soon; says of which stripes. */
  scrub: '/control/scrub',
  /** Of the standby: answers when its copy of the logs has all that they have now. */
  caughtUp: '/control/caught-up',
  /** Of the standby: at which revision its copy is true. */
  mirrored: '/control/mirrored',
  /** Never answered: it ends with the process. */
  watch: '/control/watch',
} as const;

/** On requests of the API: they came over its unix socket, so whoever asks may do everything. */
export const LOCAL_HEADER = 'x-moln-local';
