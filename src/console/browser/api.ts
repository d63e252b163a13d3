/** The API as the console uses it: one function per call, failures as `MolnError`. */
import type { ErrorBody } from '../../base/errors.ts';
import type {
  AddressRow,
  AppDetail,
  CertificateList,
  ClusterTop,
  DatabaseDetail,
  DatabaseSummary,
  EventDetail,
  InviteDetail,
  InviteRole,
  LiveSample,
  LogLine,
  ManagerStatus,
  NodeDetail,
  ListenerDetail,
  Progress,
  RouteAnswer,
  RouteDetail,
  Scope,
  SlotDetail,
  Status,
  StorageDetail,
  TokenDetail,
} from '../../api/model.ts';
import { MolnError } from '../../base/errors.ts';
import { type DatabaseRow, type PipelineAnswer, rowsOf } from './database-rows.ts';
import { mediaTypeOf } from '../../http/media-type.ts';
import { readItems } from './ndjson.ts';

/** The session has ended; only `moln console` helps. */
export const LOGGED_OUT = 'CONSOLE_LOGGED_OUT';
/** No answer at all: the node stops, restarts or is away. */
export const UNREACHABLE = 'CONSOLE_UNREACHABLE';
/** Longer than one statement may wait, not much. */
const READ_TOKEN_MS = 60_000;

/** What may change in an app's settings; secrets go in and never come out. */
export interface EnvChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
  readonly setSecrets?: Readonly<Record<string, string>>;
  readonly unsetSecrets?: readonly string[];
}

export interface CreatedToken {
  readonly token: string;
  readonly detail?: TokenDetail;
}

export interface InviteWish {
  readonly role: InviteRole;
  /** Undefined: the joining machine says it, or has the default. */
  readonly region: string | undefined;
  readonly ttlMs: number;
  readonly uses: number;
}

/** `invite` is the line for `moln join`, which no later answer has. */
export interface CreatedInvite {
  readonly invite: string;
  readonly detail: InviteDetail;
}

export interface LabelChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
}

interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  /** Of a database. */
  readonly token?: string;
  readonly signal?: AbortSignal;
}

export interface FileRow {
  readonly key: string;
  readonly size: number;
  readonly modifiedAt: number;
}

export interface FilePage {
  readonly bucket: { readonly policy: string; readonly bytes: number; readonly objects: number };
  readonly objects: readonly FileRow[];
  readonly prefixes: readonly string[];
  readonly next?: { readonly key: string };
}

async function failureOf(response: Response): Promise<MolnError> {
  if (response.status === 401) {
    return new MolnError(LOGGED_OUT, 'This browser is not logged in', {
      hint: 'Run moln console on a machine of this cluster',
    });
  }
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { error?: ErrorBody } & Partial<ErrorBody>;
    const error = body.error ?? body;
    if (typeof error.message === 'string' && typeof error.code === 'string') {
      return MolnError.from({ ...error, retryable: error.retryable ?? false } as ErrorBody);
    }
  } catch {
    // Not JSON: something between the node and the browser answered; its status is all we know.
    return new MolnError(UNREACHABLE, `The node answered ${response.status} and no reason`);
  }
  return new MolnError(UNREACHABLE, `The node answered ${response.status}`);
}

async function send(path: string, call: Call = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: call.method ?? 'GET',
      credentials: 'same-origin',
      cache: 'no-store',
      headers: {
        accept: 'application/json, application/x-ndjson',
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  } catch (error) {
    if (call.signal?.aborted === true) throw error;
    throw new MolnError(UNREACHABLE, 'The node does not answer', { retryable: true, cause: error });
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

/** `onSent` is told how many bytes are on their way, which `fetch` does not say. */
async function sendFile(path: string, file: File, onSent: (bytes: number) => void): Promise<void> {
  const request = new XMLHttpRequest();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  request.open('PUT', path);
  request.setRequestHeader('accept', 'application/json');
  request.setRequestHeader('content-type', mediaTypeOf(file.name));
  request.upload.onprogress = ({ loaded }): void => onSent(loaded);
  request.onloadend = (): void => resolve();
  request.send(file);
  await ended;
  const { status, responseText } = request;
  if (status === 0)
    throw new MolnError(UNREACHABLE, 'The node does not answer', { retryable: true });
  if (status >= 300) throw await failureOf(new Response(responseText, { status }));
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send(path, signal === undefined ? {} : { signal });
  return (await response.json()) as T;
}

async function* stream<T>(path: string, call: Call): AsyncGenerator<T, void> {
  const response = await send(path, call);
  const lines = response.headers.get('content-type')?.includes('ndjson') ?? false;
  if (!lines || response.body === null) return;
  for await (const item of readItems<T | LateFailure>(response.body)) {
    if (isLateFailure(item)) throw MolnError.from(item.error);
    yield item;
  }
}

/** How a stream ends that broke after its status had been sent; progress has its own `failed` instead. */
interface LateFailure {
  readonly error: ErrorBody;
}

function isLateFailure(item: unknown): item is LateFailure {
  return typeof item === 'object' && item !== null && 'error' in item && !('kind' in item);
}

/** What a gateway's file has a list of. */
export type RecordKind = 'route' | 'listener';

interface RecordDetails {
  readonly route: RouteDetail;
  readonly listener: ListenerDetail;
}

/** In keys and values or as text, made of that revision. */
export interface RecordChange {
  readonly written?: RouteDetail['written'];
  readonly yaml?: string;
  readonly revision?: number;
}

function recordUrl(kind: RecordKind, name: string): string {
  return `/api/${kind}s/${encodeURIComponent(name)}`;
}

function app(name: string): string {
  return `/api/apps/${encodeURIComponent(name)}`;
}

function node(name: string): string {
  return `/api/nodes/${encodeURIComponent(name)}`;
}

export type AppAction = 'rollback' | 'scale' | 'restart' | 'start' | 'stop';

/** An object, or its bucket. Slashes are escaped, too: browsers would take `..` between them away, and mean another object. */
export function fileUrl(bucket: string, key?: string): string {
  const path = `/files/${encodeURIComponent(bucket)}`;
  return key === undefined ? path : `${path}/${encodeURIComponent(key)}`;
}

function databaseUrl(name: string): string {
  return `/api/databases/${encodeURIComponent(name)}`;
}

/** For statements that only read; ends by itself. */
async function readToken(database: string): Promise<string> {
  const body = { for: 'console', readOnly: true, ttlMs: READ_TOKEN_MS };
  const response = await send(`${databaseUrl(database)}/tokens`, { method: 'POST', body });
  return ((await response.json()) as CreatedToken).token;
}

export const api = {
  status: (signal?: AbortSignal): Promise<Status> => get('/api/status', signal),
  app: (name: string, signal?: AbortSignal): Promise<AppDetail> => get(app(name), signal),
  history: (signal?: AbortSignal): Promise<readonly LiveSample[]> => get('/api/history', signal),
  live: (signal: AbortSignal): AsyncGenerator<LiveSample, void> => stream('/api/live', { signal }),
  act: (name: string, action: AppAction, body: unknown = {}): AsyncGenerator<Progress, void> =>
    stream(`${app(name)}/${action}`, { method: 'POST', body }),
  changeEnv: (name: string, change: EnvChange): AsyncGenerator<Progress, void> =>
    stream(`${app(name)}/env`, { method: 'PATCH', body: change }),
  /** All of them, anew. */
  setDomains: (name: string, domains: readonly string[]): AsyncGenerator<Progress, void> =>
    stream(`${app(name)}/domains`, { method: 'PUT', body: { domains } }),
  remove: (name: string): AsyncGenerator<Progress, void> => stream(app(name), { method: 'DELETE' }),
  logs: (name: string, tail: number, signal: AbortSignal): AsyncGenerator<LogLine, void> =>
    stream(`${app(name)}/logs?tail=${tail}&follow=1`, { signal }),
  why: (name: string, signal?: AbortSignal): Promise<readonly SlotDetail[]> =>
    get(`${app(name)}/why`, signal),
  nodes: (signal?: AbortSignal): Promise<readonly NodeDetail[]> => get('/api/nodes', signal),
  node: (name: string, signal?: AbortSignal): Promise<NodeDetail> => get(node(name), signal),
  changeNode: (name: string, verb: 'drain' | 'undrain'): AsyncGenerator<Progress, void> =>
    stream(`${node(name)}/${verb}`, { method: 'POST', body: {} }),
  labelNode: (name: string, change: LabelChange): AsyncGenerator<Progress, void> =>
    stream(`${node(name)}/labels`, { method: 'PATCH', body: change }),
  forgetNode: (name: string): AsyncGenerator<Progress, void> =>
    stream(node(name), { method: 'DELETE' }),
  manager: (signal?: AbortSignal): Promise<ManagerStatus> => get('/api/manager', signal),
  certificates: (signal?: AbortSignal): Promise<CertificateList> =>
    get('/api/certificates', signal),
  events: (signal?: AbortSignal): Promise<readonly EventDetail[]> => get('/api/events', signal),
  /** Those from now on. */
  followEvents: (signal: AbortSignal): AsyncGenerator<EventDetail, void> =>
    stream('/api/events/follow', { signal }),
  invites: (signal?: AbortSignal): Promise<readonly InviteDetail[]> => get('/api/invites', signal),
  createInvite: async (wish: InviteWish): Promise<CreatedInvite> => {
    const response = await send('/api/invites', { method: 'POST', body: wish });
    return (await response.json()) as CreatedInvite;
  },
  revokeInvite: async (id: string): Promise<void> => {
    await send(`/api/invites/${encodeURIComponent(id)}`, { method: 'DELETE' });
  },
  records: <Kind extends RecordKind>(
    kind: Kind,
    signal?: AbortSignal,
  ): Promise<readonly RecordDetails[Kind][]> => get(`/api/${kind}s`, signal),
  record: <Kind extends RecordKind>(
    kind: Kind,
    name: string,
    signal?: AbortSignal,
  ): Promise<RecordDetails[Kind]> => get(recordUrl(kind, name), signal),
  /** What it would be, in keys and values. */
  checkRecord: async (
    kind: RecordKind,
    name: string,
    change: RecordChange,
  ): Promise<{ readonly written: RouteDetail['written'] }> => {
    const path = `${recordUrl(kind, name === '' ? 'new' : name)}/check`;
    const response = await send(path, { method: 'POST', body: change });
    return (await response.json()) as { readonly written: RouteDetail['written'] };
  },
  setRecord: async (kind: RecordKind, name: string, change: RecordChange): Promise<RouteAnswer> => {
    const response = await send(recordUrl(kind, name), { method: 'PUT', body: change });
    return (await response.json()) as RouteAnswer;
  },
  removeRecord: (kind: RecordKind, name: string): AsyncGenerator<Progress, void> =>
    stream(recordUrl(kind, name), { method: 'DELETE' }),
  addresses: (signal?: AbortSignal): Promise<readonly AddressRow[]> =>
    get('/api/addresses', signal),
  /** Answers when a node holds it. */
  addAddress: async (address: string): Promise<AddressRow> => {
    const response = await send('/api/addresses', { method: 'POST', body: { address } });
    return (await response.json()) as AddressRow;
  },
  removeAddress: async (address: string): Promise<void> => {
    await send(`/api/addresses/${encodeURIComponent(address)}`, { method: 'DELETE' });
  },
  /** What comes within so many seconds, which is as long as the answer takes. */
  gatewayTop: (seconds: number, signal?: AbortSignal): Promise<ClusterTop> =>
    get(`/api/gateway/top?seconds=${seconds}`, signal),
  databases: (signal?: AbortSignal): Promise<readonly DatabaseSummary[]> =>
    get('/api/databases', signal),
  database: (name: string, signal?: AbortSignal): Promise<DatabaseDetail> =>
    get(databaseUrl(name), signal),
  /** Rows of a statement that reads, as the database's own wire has them (Hrana 3 over HTTP). */
  rows: async (name: string, sql: string, signal: AbortSignal): Promise<readonly DatabaseRow[]> => {
    const token = await readToken(name);
    const body = { requests: [{ type: 'execute', stmt: { sql } }, { type: 'close' }] };
    const path = `/db/${encodeURIComponent(name)}/v3/pipeline`;
    const response = await send(path, { method: 'POST', body, token, signal });
    return rowsOf((await response.json()) as PipelineAnswer);
  },
  storage: (signal?: AbortSignal): Promise<StorageDetail> => get('/api/storage', signal),
  /** A page of a folder of a bucket, behind a key. */
  files: (
    bucket: string,
    { prefix, after }: { readonly prefix: string; readonly after?: string | undefined },
    signal?: AbortSignal,
  ): Promise<FilePage> => {
    const query = new URLSearchParams({ prefix, delimiter: '/', limit: '200' });
    if (after !== undefined) query.set('after', after);
    return get(`${fileUrl(bucket)}?${query.toString()}`, signal);
  },
  whyFile: (bucket: string, key: string): Promise<{ readonly sentence: string }> =>
    get(`${fileUrl(bucket, key)}?why`),
  putFile: (
    bucket: string,
    key: string,
    file: File,
    onSent: (bytes: number) => void,
  ): Promise<void> => sendFile(fileUrl(bucket, key), file, onSent),
  removeFile: async (bucket: string, key: string): Promise<void> => {
    await send(fileUrl(bucket, key), { method: 'DELETE' });
  },
  killQuery: async (name: string, query: string): Promise<void> => {
    const path = `${databaseUrl(name)}/queries/${encodeURIComponent(query)}`;
    await send(path, { method: 'DELETE' });
  },
  tokens: async (): Promise<readonly TokenDetail[]> => {
    const answer = await get<readonly TokenDetail[] | { tokens: readonly TokenDetail[] }>(
      '/api/tokens',
    );
    return 'tokens' in answer ? answer.tokens : answer;
  },
  createToken: async (name: string, scope: Scope): Promise<CreatedToken> => {
    const response = await send('/api/tokens', { method: 'POST', body: { name, scope } });
    return (await response.json()) as CreatedToken;
  },
  revokeToken: async (id: string): Promise<void> => {
    await send(`/api/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' });
  },
  logOut: async (): Promise<void> => {
    await send('/logout', { method: 'POST', body: {} });
  },
} as const;
