/**
 * Hrana over HTTP, versions 2 and 3, as a function from a request to an answer. Knows no server: paths are those below the
 * database, and bodies come and go through functions.
 */
import type { ClientPresence } from './client-presence.ts';
import type { Authenticate, Caller } from './database.ts';
import { cursorEntries } from './cursor.ts';
import { JSON_ENCODING, PROTOBUF_ENCODING, type Encoded, type Encoding } from './encodings.ts';
import { HranaError, statusOf, wireError } from './errors.ts';
import { Budget, execute, readySteps, type ReadyRequest } from './execute.ts';
import { answerLone, loneStatement, type LoneOptions } from './lone-statement.ts';
import type { StreamRequest, StreamResponse, StreamResult } from './model.ts';
import type { StoredSql } from './stored-sql.ts';
import type { HeldStream, StreamTable } from './stream-table.ts';

export interface HranaRequest {
  readonly method: string;
  /** Below the database, without a first slash or a query: `v3/pipeline`. */
  readonly path: string;
  /** The field of that name. */
  readonly authorization: string | undefined;
  /** The whole body; throws or rejects with `HRANA_BODY_TOO_LARGE` before more than that is held. */
  readBody(bytesMax: number): Uint8Array | Promise<Uint8Array>;
  readonly client: ClientPresence;
}

/** Resolves when the client is ready for more; rejects when it has left. */
export type Write = (piece: Encoded) => Promise<void>;

export interface HranaAnswer {
  readonly status: number;
  readonly type: string;
  /** A whole body, or what writes one piece by piece and never rejects for a reason that the client should know. */
  readonly body: Encoded | ((write: Write) => Promise<void>);
  /** Beside the type. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpEndpointsOptions extends LoneOptions {
  readonly authenticate: Authenticate;
  readonly streams: StreamTable;
}

type Post = (
  request: HranaRequest,
  encoding: Encoding,
  options: HttpEndpointsOptions,
) => Promise<HranaAnswer>;

const POSTS: Readonly<Record<string, readonly [Post, Encoding]>> = {
  'v2/pipeline': [pipeline, JSON_ENCODING],
  'v3/pipeline': [pipeline, JSON_ENCODING],
  'v3/cursor': [cursor, JSON_ENCODING],
  'v3-protobuf/pipeline': [pipeline, PROTOBUF_ENCODING],
  'v3-protobuf/cursor': [cursor, PROTOBUF_ENCODING],
};

/** What clients ask to learn what is spoken here, and whether it is there at all. */
const GETS: ReadonlySet<string> = new Set(['', 'health', 'v2', 'v3', 'v3-protobuf']);

/** Never rejects: whatever happens becomes an answer. */
export async function answerHttp(
  request: HranaRequest,
  options: HttpEndpointsOptions,
): Promise<HranaAnswer> {
  const [post, encoding] = (Object.hasOwn(POSTS, request.path) && POSTS[request.path]) || [
    undefined,
    JSON_ENCODING,
  ];
  try {
    if (post !== undefined) {
      if (request.method === 'POST') return await post(request, encoding, options);
      throw wrongMethod(request, 'POST');
    }
    if (!GETS.has(request.path)) {
      throw new HranaError(
        'HRANA_NOT_FOUND',
        `There is no "${request.path.slice(0, 100)}" here: ask v2/pipeline, v3/pipeline or v3/cursor`,
        { status: 404 },
      );
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') throw wrongMethod(request, 'GET');
    return { status: 200, type: 'text/plain', body: 'ok\n' };
  } catch (error) {
    const status = statusOf(error);
    const body = encoding.encodeError(wireError(error, options.log));
    const headers = status === 401 ? { headers: { 'www-authenticate': 'Bearer' } } : {};
    return { status, type: encoding.type, body, ...headers };
  }
}

function wrongMethod({ method, path }: HranaRequest, wanted: string): HranaError {
  return new HranaError('HRANA_METHOD', `"${path}" takes ${wanted}, not ${method.slice(0, 20)}`, {
    status: 405,
  });
}

function authenticate(
  request: HranaRequest,
  options: HttpEndpointsOptions,
): Caller | Promise<Caller> {
  const { authorization } = request;
  if (authorization === undefined) return options.authenticate(undefined);
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token !== undefined) return options.authenticate(token);
  throw new HranaError(
    'AUTH_HTTP_HEADER_INVALID',
    'The field Authorization is not of the form "Bearer TOKEN"',
    { status: 401 },
  );
}

async function pipeline(
  request: HranaRequest,
  encoding: Encoding,
  options: HttpEndpointsOptions,
): Promise<HranaAnswer> {
  const { limits, streams } = options;
  const known = authenticate(request, options);
  const caller = known instanceof Promise ? await known : known;
  const body = request.readBody(limits.bodyBytesMax);
  const bytes = body instanceof Promise ? await body : body;
  const asked = encoding.decodePipeline(bytes, limits);
  const lone = loneStatement(asked);
  const answered = lone && (await answerLone(lone, caller, options));
  if (answered !== undefined) {
    const text = encoding.encodePipeline({ baton: undefined, results: answered });
    return { status: 200, type: encoding.type, body: text };
  }
  const { baton, requests } = asked;
  const held = streams.take(caller, baton);
  request.client.onLeft(() => held.stream.interrupt());
  const budget = new Budget(limits.answerBytesMax);
  const results: StreamResult[] = [];
  for (const one of requests) {
    // Nobody can go on with the stream: its next baton is not going to be read.
    if (request.client.hasLeft) break;
    results.push(await answerOne(one, held, budget, options));
  }
  if (request.client.hasLeft) await held.stream.close();
  const text = encoding.encodePipeline({ baton: streams.release(held), results });
  return { status: 200, type: encoding.type, body: text };
}

async function answerOne(
  request: StreamRequest,
  { stream, stored }: HeldStream,
  budget: Budget,
  { limits, log }: HttpEndpointsOptions,
): Promise<StreamResult> {
  try {
    const ready = readyRequest(request, stored);
    if (!('response' in ready)) {
      const response = await stream.run((session) =>
        execute(ready, session, { stream, limits, log, budget }),
      );
      return { type: 'ok', response };
    }
    if (request.type === 'close') await stream.close();
    return { type: 'ok', response: ready.response };
  } catch (error) {
    return { type: 'error', error: wireError(error, log) };
  }
}

/** What the session is needed for; the rest is answered at once. */
function readyRequest(
  request: StreamRequest,
  stored: StoredSql,
): ReadyRequest | { readonly response: StreamResponse } {
  switch (request.type) {
    case 'execute': {
      const { statement } = request;
      return { type: 'execute', sql: stored.text(statement.text), statement };
    }
    case 'batch':
      return { type: 'batch', steps: readySteps(request.batch, stored) };
    case 'sequence':
    case 'describe':
      return { type: request.type, sql: stored.text(request.text) };
    case 'get_autocommit':
      return request;
    case 'store_sql':
      stored.store(request.sqlId, request.sql);
      return { response: { type: 'store_sql' } };
    case 'close_sql':
      stored.close(request.sqlId);
      return { response: { type: 'close_sql' } };
    case 'close':
      return { response: { type: 'close' } };
  }
}

async function cursor(
  request: HranaRequest,
  encoding: Encoding,
  options: HttpEndpointsOptions,
): Promise<HranaAnswer> {
  const { limits, streams, log } = options;
  const caller = await authenticate(request, options);
  const bytes = await request.readBody(limits.bodyBytesMax);
  const { baton, batch } = encoding.decodeCursor(bytes, limits);
  const held = streams.take(caller, baton);
  const { stream, stored } = held;
  request.client.onLeft(() => stream.interrupt());
  const steps = readySteps(batch, stored);
  const body = async (write: Write): Promise<void> => {
    try {
      await stream.run(async (session) => {
        // The baton goes out first; whoever shows it before the end waits for this.
        await write(encoding.encodeCursorHead(streams.release(held)));
        for await (const entries of cursorEntries(session, steps, { stream, limits, log })) {
          await write(encoding.encodeEntries(entries));
        }
      });
    } catch (error) {
      await stream.close();
      if (request.client.hasLeft) return;
      if (held.secret === undefined) await write(encoding.encodeCursorHead(undefined));
      await write(encoding.encodeEntries([{ type: 'error', error: wireError(error, log) }]));
    }
  };
  return { status: 200, type: encoding.cursorType, body };
}
