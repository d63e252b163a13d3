/** What agent and file process tell each other, as JSON over a unix socket that only the node's own user can open. Both are of one release. */
import type { KnownToken } from '../accounts/accounts.ts';

/** A node as policies and readers see it. */
export interface FilesNode {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  /** Words that policies may use. */
  readonly labels: readonly string[];
  readonly state: 'ready' | 'suspect' | 'lost' | 'draining';
  readonly host: string;
  /** Where its gateways answer other nodes. */
  readonly port: number;
}

/** What it takes to call other nodes. */
export interface FilesAccess {
  readonly clusterId: string;
  readonly cert: string;
  readonly key: string;
  readonly authority: string;
}

/** All that the process has to know; it works on with the last one while there is no agent. */
export interface FilesConfig {
  /** This node's id. */
  readonly node: string;
  /** This one included. */
  readonly nodes: readonly FilesNode[];
  /** Undefined while the node is alone. */
  readonly access: FilesAccess | undefined;
  /** base64, 32 bytes, of the cluster: seals the secrets of access keys and signs tickets. */
  readonly key: string;
  readonly tokens: readonly KnownToken[];
  /** Of the database process. */
  readonly databaseSocket: string;
  /** Where this node keeps files unless it was told otherwise. */
  readonly ownStorage: string;
  /** Where the faces listen. */
  readonly address: string;
  readonly ports: Readonly<Record<'s3' | 'webdav', number>>;
  /** Where the gateways of this node ask for websites. */
  readonly websiteSocket: string;
}

export interface FilesState {
  readonly pid: number;
  readonly memoryBytes: number;
  /** By name, where this machine reaches those that listen: `http://HOST:PORT`. All have been tried once it serves. */
  readonly faces: Readonly<Record<string, string>>;
  /** Why it does not serve yet. */
  readonly why?: string | undefined;
}

/** What goes wrong with files, in parts of a sentence. */
export interface FilesTroubles {
  readonly troubles: readonly string[];
  /** What will be noticed when a disk fails: sentences. */
  readonly warnings: readonly string[];
}

/** As the database process has them (`src/databases/control.ts`): one supervisor asks both. */
export const CONTROL = {
  config: '/control/config',
  ping: '/control/ping',
  state: '/control/state',
  /** What the agent, and the database process, keep in the system's buckets (`system-objects.ts`). */
  objects: '/control/objects',
  storage: '/control/storage',
  troubles: '/control/troubles',
  /** Never answered: it ends with the process. */
  watch: '/control/watch',
} as const;

/** On requests that came over the API's unix socket: whoever asks may do everything. */
export const LOCAL_HEADER = 'x-moln-local';
export const CONTROL_BYTES_MAX: number = 16 * 1024 * 1024;
