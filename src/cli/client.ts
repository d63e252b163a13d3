/** The API as functions: one method an endpoint, nothing else. Paths are those of `src/api`. */
import { Readable } from 'node:stream';
import type {
  AppDetail,
  AppSummary,
  AuthorityStatus,
  EventDetail,
  InviteDetail,
  InviteRole,
  LogLine,
  ManagerStatus,
  NodeDetail,
  Progress,
  RegionDetail,
  RunOutput,
  Scope,
  SlotDetail,
  Status,
  TokenDetail,
} from '../api/model.ts';
import type {
  AcmeRequest,
  AddressRequest,
  AddressRow,
  CacheExplanations,
  CacheStatus,
  CertificateList,
  CertificateRow,
  ClusterSlow,
  ClusterTop,
  DatabaseDetail,
  DatabaseSummary,
  LostDatabaseSummary,
  RestoredDatabase,
  StripeDetail,
  ListenerDetail,
  QueryPlan,
  PurgeAnswer,
  PurgeRequest,
  RouteAnswer,
  RouteDetail,
} from '../api/api.ts';
import type { Written } from '../routes/routes.ts';
import { DatabaseStream } from './db-client.ts';
import { FilesClient } from './files-client.ts';
import type { Transport } from './transport.ts';

export interface EnvChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
  readonly setSecrets?: Readonly<Record<string, string>>;
  readonly unsetSecrets?: readonly string[];
}

/** What a gateway's file has a list of. */
export type RecordWord = 'route' | 'listener';

interface RecordDetails {
  readonly route: RouteDetail;
  readonly listener: ListenerDetail;
}

export interface LogsWanted {
  readonly tail: number;
  readonly follow: boolean;
  readonly process: string | undefined;
  readonly instance: string | undefined;
}

export interface RunWanted {
  readonly command: readonly string[];
  readonly instance: string | undefined;
  readonly stdin: Readable | undefined;
}

/** Methods throw the node's own `MolnError`, or `CLI_NO_NODE` and its like when there is no answer. */
export class MolnClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  status(): Promise<Status> {
    return this.#transport.json({ method: 'GET', path: '/api/status' });
  }

  apps(): Promise<readonly AppSummary[]> {
    return this.#transport.json({ method: 'GET', path: '/api/apps' });
  }

  app(name: string): Promise<AppDetail> {
    return this.#transport.json({ method: 'GET', path: appPath(name) });
  }

  /** `tar`: the folder, uncompressed. */
  deploy(app: string, tar: Readable, domains: readonly string[]): AsyncIterable<Progress> {
    const query = new URLSearchParams(domains.map((domain) => ['domain', domain]));
    return this.#transport.lines({
      method: 'POST',
      path: `${appPath(app)}/deploy${query.size === 0 ? '' : `?${query}`}`,
      body: { type: 'application/x-tar', stream: tar },
    });
  }

  rollback(app: string, release: string | undefined): AsyncIterable<Progress> {
    return this.#change(app, 'rollback', release === undefined ? {} : { release });
  }

  scale(app: string, counts: Readonly<Record<string, number>>): AsyncIterable<Progress> {
    return this.#change(app, 'scale', { counts });
  }

  restart(app: string): AsyncIterable<Progress> {
    return this.#change(app, 'restart', {});
  }

  start(app: string): AsyncIterable<Progress> {
    return this.#change(app, 'start', {});
  }

  stop(app: string): Promise<void> {
    return this.#transport.json({ method: 'POST', path: `${appPath(app)}/stop`, json: {} });
  }

  remove(app: string): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: appPath(app) });
  }

  changeEnv(app: string, change: EnvChange): AsyncIterable<Progress> {
    const path = `${appPath(app)}/env`;
    return this.#transport.lines({ method: 'PATCH', path, json: change });
  }

  setDomains(app: string, domains: readonly string[]): Promise<void> {
    return this.#transport.json({
      method: 'PUT',
      path: `${appPath(app)}/domains`,
      json: { domains },
    });
  }

  logs(app: string, wanted: LogsWanted): AsyncIterable<LogLine> {
    const query = new URLSearchParams({ tail: String(wanted.tail) });
    if (wanted.follow) query.set('follow', 'true');
    if (wanted.process !== undefined) query.set('process', wanted.process);
    if (wanted.instance !== undefined) query.set('instance', wanted.instance);
    return this.#transport.lines({ method: 'GET', path: `${appPath(app)}/logs?${query}` });
  }

  /** With an instance: inside it (`exec`). Without: a fresh one-off. */
  run(app: string, wanted: RunWanted): AsyncIterable<RunOutput> {
    const query = new URLSearchParams(wanted.command.map((word) => ['command', word]));
    if (wanted.instance !== undefined) query.set('instance', wanted.instance);
    const body = { type: 'application/octet-stream', stream: wanted.stdin ?? Readable.from([]) };
    return this.#transport.lines({
      method: 'POST',
      path: `${appPath(app)}/run?${query}`,
      body,
    });
  }

  tokens(): Promise<readonly TokenDetail[]> {
    return this.#transport.json({ method: 'GET', path: '/api/tokens' });
  }

  createToken(wanted: {
    readonly name: string;
    readonly scope: Scope;
    readonly ttlMs?: number;
  }): Promise<{ readonly token: string; readonly detail: TokenDetail }> {
    return this.#transport.json({ method: 'POST', path: '/api/tokens', json: wanted });
  }

  revokeToken(id: string): Promise<void> {
    return this.#transport.json({
      method: 'DELETE',
      path: `/api/tokens/${encodeURIComponent(id)}`,
    });
  }

  /** A link that logs one browser in, once. */
  loginLink(): Promise<{ readonly url: string; readonly expiresAt: number }> {
    return this.#transport.json({ method: 'POST', path: '/api/login-links', json: {} });
  }

  createInvite(wanted: {
    readonly role?: InviteRole;
    readonly region?: string;
    readonly ttlMs?: number;
    readonly uses?: number;
  }): Promise<{ readonly invite: string; readonly detail: InviteDetail }> {
    return this.#transport.json({ method: 'POST', path: '/api/invites', json: wanted });
  }

  invites(): Promise<readonly InviteDetail[]> {
    return this.#transport.json({ method: 'GET', path: '/api/invites' });
  }

  revokeInvite(id: string): Promise<void> {
    return this.#transport.json({
      method: 'DELETE',
      path: `/api/invites/${encodeURIComponent(id)}`,
    });
  }

  nodes(): Promise<readonly NodeDetail[]> {
    return this.#transport.json({ method: 'GET', path: '/api/nodes' });
  }

  node(name: string): Promise<NodeDetail> {
    return this.#transport.json({ method: 'GET', path: nodePath(name) });
  }

  /** `drain` or `undrain`. */
  changeNode(name: string, verb: 'drain' | 'undrain'): Promise<void> {
    return this.#transport.json({ method: 'POST', path: `${nodePath(name)}/${verb}`, json: {} });
  }

  forgetNode(name: string): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: nodePath(name) });
  }

  labelNode(
    name: string,
    change: { readonly set: Readonly<Record<string, string>>; readonly unset: readonly string[] },
  ): Promise<void> {
    return this.#transport.json({
      method: 'PATCH',
      path: `${nodePath(name)}/labels`,
      json: change,
    });
  }

  regions(): Promise<readonly RegionDetail[]> {
    return this.#transport.json({ method: 'GET', path: '/api/regions' });
  }

  manager(): Promise<ManagerStatus> {
    return this.#transport.json({ method: 'GET', path: '/api/manager' });
  }

  /** Undefined: automatic. */
  setManagers(names: readonly string[] | undefined): Promise<void> {
    const json = names === undefined ? { automatic: true } : { names };
    return this.#transport.json({ method: 'PUT', path: '/api/manager', json });
  }

  takeover(options: { readonly force: boolean }): Promise<void> {
    const path = '/api/manager/takeover';
    return this.#transport.json({ method: 'POST', path, json: options });
  }

  authority(): Promise<AuthorityStatus> {
    return this.#transport.json({ method: 'GET', path: '/api/authority' });
  }

  rotateAuthority(): Promise<void> {
    return this.#transport.json({ method: 'POST', path: '/api/authority/rotate', json: {} });
  }

  events(): Promise<readonly EventDetail[]> {
    return this.#transport.json({ method: 'GET', path: '/api/events' });
  }

  followEvents(): AsyncIterable<EventDetail> {
    return this.#transport.lines({ method: 'GET', path: '/api/events/follow' });
  }

  whyApp(app: string): Promise<readonly SlotDetail[]> {
    return this.#transport.json({ method: 'GET', path: `${appPath(app)}/why` });
  }

  cache(): Promise<CacheStatus> {
    return this.#transport.json({ method: 'GET', path: '/api/cache' });
  }

  purgeCache(purge: PurgeRequest): Promise<PurgeAnswer> {
    return this.#transport.json({ method: 'POST', path: '/api/cache/purge', json: purge });
  }

  /** `fields`: lines of the request. */
  explainCache(url: string, fields: readonly string[]): Promise<CacheExplanations> {
    const query = new URLSearchParams([['url', url], ...fields.map((line) => ['field', line])]);
    return this.#transport.json({ method: 'GET', path: `/api/cache/explain?${query}` });
  }

  gatewaySlow(url: string): Promise<ClusterSlow> {
    const query = new URLSearchParams([['url', url]]);
    return this.#transport.json({ method: 'GET', path: `/api/gateway/slow?${query}` });
  }

  gatewayTop(seconds: number): Promise<ClusterTop> {
    return this.#transport.json({ method: 'GET', path: `/api/gateway/top?seconds=${seconds}` });
  }

  certificates(): Promise<CertificateList> {
    return this.#transport.json({ method: 'GET', path: '/api/certificates' });
  }

  certificate(host: string): Promise<CertificateRow> {
    return this.#transport.json({ method: 'GET', path: certificatePath(host) });
  }

  /** PEM. */
  addCertificate(
    host: string,
    pair: { readonly cert: string; readonly key: string },
  ): Promise<CertificateRow> {
    return this.#transport.json({ method: 'PUT', path: certificatePath(host), json: pair });
  }

  removeCertificate(host: string): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: certificatePath(host) });
  }

  orderCertificate(host: string): Promise<void> {
    const path = `${certificatePath(host)}/order`;
    return this.#transport.json({ method: 'POST', path, json: {} });
  }

  setAcme(wish: Partial<AcmeRequest>): Promise<void> {
    return this.#transport.json({ method: 'PUT', path: '/api/acme', json: wish });
  }

  unsetAcme(): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: '/api/acme' });
  }

  /** Routes or listeners. */
  records<Kind extends RecordWord>(kind: Kind): Promise<readonly RecordDetails[Kind][]> {
    return this.#transport.json({ method: 'GET', path: `/api/${kind}s` });
  }

  record<Kind extends RecordWord>(kind: Kind, name: string): Promise<RecordDetails[Kind]> {
    return this.#transport.json({ method: 'GET', path: recordPath(kind, name) });
  }

  /** What it would be. */
  checkRecord(
    kind: RecordWord,
    name: string,
    written: Written,
  ): Promise<{ readonly written: Written }> {
    const path = `${recordPath(kind, name)}/check`;
    return this.#transport.json({ method: 'POST', path, json: { written } });
  }

  /** `revision`: what it was made of; 0: of nothing. */
  setRecord(
    kind: RecordWord,
    name: string,
    change: { readonly written: Written; readonly revision?: number },
  ): Promise<RouteAnswer> {
    return this.#transport.json({ method: 'PUT', path: recordPath(kind, name), json: change });
  }

  removeRecord(kind: RecordWord, name: string): Promise<RouteAnswer> {
    return this.#transport.json({ method: 'DELETE', path: recordPath(kind, name) });
  }

  addresses(): Promise<readonly AddressRow[]> {
    return this.#transport.json({ method: 'GET', path: '/api/addresses' });
  }

  addAddress(request: AddressRequest): Promise<AddressRow> {
    return this.#transport.json({ method: 'POST', path: '/api/addresses', json: request });
  }

  removeAddress(address: string): Promise<void> {
    const path = `/api/addresses/${encodeURIComponent(address)}`;
    return this.#transport.json({ method: 'DELETE', path });
  }

  databases(): Promise<readonly DatabaseSummary[]> {
    return this.#transport.json({ method: 'GET', path: '/api/databases' });
  }

  database(name: string): Promise<DatabaseDetail> {
    return this.#transport.json({ method: 'GET', path: databasePath(name) });
  }

  createDatabase(
    name: string,
    wish: {
      readonly stripes?: number;
      readonly copies?: number;
      readonly regions?: readonly string[];
    },
  ): Promise<DatabaseDetail> {
    return this.#transport.json({ method: 'PUT', path: databasePath(name), json: wish });
  }

  restoreDatabase(
    name: string,
    wish: { readonly at: number; readonly as: string },
  ): Promise<RestoredDatabase> {
    const path = `${databasePath(name)}/restores`;
    return this.#transport.json({ method: 'POST', path, json: wish });
  }

  lostDatabases(): Promise<readonly LostDatabaseSummary[]> {
    return this.#transport.json({ method: 'GET', path: LOST_DATABASES });
  }

  restoreLostDatabase(lost: string, wish: { readonly as: string }): Promise<RestoredDatabase> {
    const path = `${LOST_DATABASES}/${encodeURIComponent(lost)}/restores`;
    return this.#transport.json({ method: 'POST', path, json: wish });
  }

  forgetLostDatabase(lost: string): Promise<void> {
    const path = `${LOST_DATABASES}/${encodeURIComponent(lost)}`;
    return this.#transport.json({ method: 'DELETE', path });
  }

  moveStripe(
    name: string,
    move: { readonly stripe: number; readonly node: string },
  ): Promise<StripeDetail> {
    const path = `${databasePath(name)}/moves`;
    return this.#transport.json({ method: 'POST', path, json: move });
  }

  splitStripe(name: string, stripe: number): Promise<StripeDetail> {
    const path = `${databasePath(name)}/splits`;
    return this.#transport.json({ method: 'POST', path, json: { stripe } });
  }

  scrubDatabase(name: string): Promise<{ readonly stripes: readonly number[] }> {
    return this.#transport.json({ method: 'POST', path: `${databasePath(name)}/scrubs` });
  }

  dropDatabase(name: string): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: databasePath(name) });
  }

  createDatabaseToken(
    name: string,
    wish: { readonly for: string; readonly readOnly: boolean; readonly ttlMs?: number },
  ): Promise<{ readonly token: string }> {
    const path = `${databasePath(name)}/tokens`;
    return this.#transport.json({ method: 'POST', path, json: wish });
  }

  revokeDatabaseTokens(name: string): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: `${databasePath(name)}/tokens` });
  }

  killQuery(name: string, query: string): Promise<void> {
    const path = `${databasePath(name)}/queries/${encodeURIComponent(query)}`;
    return this.#transport.json({ method: 'DELETE', path });
  }

  explainQuery(name: string, sql: string): Promise<QueryPlan> {
    const path = `${databasePath(name)}/explain`;
    return this.#transport.json({ method: 'POST', path, json: { sql } });
  }

  /** A connection to a database; opening it does nothing yet. */
  sql(database: string): DatabaseStream {
    return new DatabaseStream(this.#transport, database);
  }

  /** Buckets and files; opening it does nothing yet. */
  files(): FilesClient {
    return new FilesClient(this.#transport);
  }

  shutdown(): Promise<void> {
    return this.#transport.json({ method: 'POST', path: '/api/shutdown', json: {} });
  }

  #change(app: string, verb: string, json: unknown): AsyncIterable<Progress> {
    return this.#transport.lines({ method: 'POST', path: `${appPath(app)}/${verb}`, json });
  }
}

function appPath(name: string): string {
  return `/api/apps/${encodeURIComponent(name)}`;
}

const LOST_DATABASES = '/api/lost-databases';

function databasePath(name: string): string {
  return `/api/databases/${encodeURIComponent(name)}`;
}

function certificatePath(host: string): string {
  return `/api/certificates/${encodeURIComponent(host)}`;
}

function recordPath(kind: RecordWord, name: string): string {
  return `/api/${kind}s/${encodeURIComponent(name)}`;
}

function nodePath(name: string): string {
  return `/api/nodes/${encodeURIComponent(name)}`;
}
