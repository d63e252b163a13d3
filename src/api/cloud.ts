/**
 * What the API needs of the node below it. The composition root (`src/node.ts`) implements it out of the parts;
 * the API checks scopes and shapes and knows nothing else.
 */
import type { Readable } from 'node:stream';
import type { AddressCloud } from './address-model.ts';
import type { CacheCloud } from './cache-model.ts';
import type { CertificateCloud } from './certificate-model.ts';
import type { ClusterCloud } from './cluster-cloud.ts';
import type { DatabaseCloud } from './database-model.ts';
import type {
  AppDetail,
  AppSummary,
  LiveSample,
  LogLine,
  Progress,
  RunOutput,
  Scope,
  Status,
  TokenDetail,
} from './model.ts';
import type { RouteCloud } from './route-model.ts';
import type { StorageCloud } from './storage-model.ts';

/** Who asks: a token's name, `console` or `local`. */
export interface Caller {
  readonly name: string;
  readonly scope: Scope;
}

export interface DeployRequest {
  readonly app: string;
  /** The folder as a tar stream, uncompressed; paths relative to its root. */
  readonly tar: Readable;
  /** Added to the app's domains when given. */
  readonly domains: readonly string[];
  readonly by: string;
}

export interface LogQuery {
  readonly app: string;
  /** Lines from the past before following. */
  readonly tail: number;
  readonly follow: boolean;
  readonly process: string | undefined;
  readonly instance: string | undefined;
}

export interface RunRequest {
  readonly app: string;
  readonly command: readonly string[];
  /** With an instance id: inside that running instance (`exec`). Without: a fresh one-off (`run`). */
  readonly instance: string | undefined;
  readonly stdin: Readable | undefined;
}

export interface EnvChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
  readonly setSecrets?: Readonly<Record<string, string>>;
  readonly unsetSecrets?: readonly string[];
}

/** Every method throws `MolnError` for expected failures; streams end with a last item that says so instead. */
export interface Cloud
  extends
    AddressCloud,
    ClusterCloud,
    CacheCloud,
    CertificateCloud,
    DatabaseCloud,
    RouteCloud,
    StorageCloud {
  status(): Promise<Status>;
  listApps(): Promise<readonly AppSummary[]>;
  /** Throws `APPS_NOT_FOUND` with the nearest name. */
  showApp(app: string): Promise<AppDetail>;
  deploy(request: DeployRequest, signal: AbortSignal): AsyncIterable<Progress>;
  /** Without a release: the one before the current. */
  rollback(app: string, release: string | undefined, by: string): AsyncIterable<Progress>;
  scale(app: string, counts: Readonly<Record<string, number>>): AsyncIterable<Progress>;
  restart(app: string): AsyncIterable<Progress>;
  start(app: string): AsyncIterable<Progress>;
  stop(app: string): Promise<void>;
  remove(app: string): Promise<void>;
  /** Applies the change and restarts the app's instances one by one when something changed. */
  changeEnv(app: string, change: EnvChange): AsyncIterable<Progress>;
  setDomains(app: string, domains: readonly string[]): Promise<void>;
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  run(request: RunRequest, signal: AbortSignal): AsyncIterable<RunOutput>;

  listTokens(): Promise<readonly TokenDetail[]>;
  /** The secret is in the answer and nowhere else, ever again. */
  createToken(options: {
    readonly name: string;
    readonly scope: Scope;
    readonly ttlMs: number | undefined;
  }): Promise<{ readonly token: string; readonly detail: TokenDetail }>;
  revokeToken(id: string): Promise<void>;
  /** Undefined when unknown, revoked or expired. */
  verifyToken(token: string): Promise<Caller | undefined>;
  /** A link that logs one browser in once, good for 15 minutes. */
  createLoginLink(): Promise<{ readonly url: string; readonly expiresAt: number }>;
  /** Trades the link's code for a session; undefined when used, unknown or expired. */
  redeemLogin(
    code: string,
  ): Promise<{ readonly session: string; readonly maxAgeMs: number } | undefined>;
  verifySession(session: string): Promise<Caller | undefined>;
  endSession(session: string): Promise<void>;

  /** The last samples, oldest first, at most 600 (one a second). */
  history(): Promise<readonly LiveSample[]>;
  /** One sample a second until the signal aborts. */
  live(signal: AbortSignal): AsyncIterable<LiveSample>;
  /** Prometheus text of the whole node. */
  metricsText(): Promise<string>;
  /** Stops the node, its gateways and instances; resolves before it begins. */
  shutdown(): Promise<void>;
}
