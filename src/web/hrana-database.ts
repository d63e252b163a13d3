/**
 * The database of a deployed app: a database of the cluster over Hrana 3 (libSQL's protocol) in JSON. A statement by itself is
 * one request; a transaction is a stream, tied together by batons. Nothing is tried again: an unknown outcome is said.
 */
import { Agent, request, type RequestOptions } from 'node:http';
import { MolnError } from '../base/errors.ts';
import type { Connection, Database, SqlResult, SqlRow, SqlValue, Statement } from './sql.ts';

/** A statement that takes longer has lost its server. */
const ANSWER_WITHIN_MS = 30_000;

type WireValue =
  | { readonly type: 'null' }
  | { readonly type: 'integer'; readonly value: string }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'blob'; readonly base64: string };

interface WireRows {
  readonly cols: readonly { readonly name: string | null }[];
  readonly rows: readonly (readonly WireValue[])[];
  readonly affected_row_count: number;
  readonly last_insert_rowid: string | null;
}

interface WireError {
  readonly message: string;
  readonly code?: string | null;
}

type WireRequest =
  | {
      readonly type: 'execute';
      readonly stmt: { readonly sql: string; readonly args: readonly WireValue[] };
    }
  | { readonly type: 'sequence'; readonly sql: string }
  | { readonly type: 'close' };

type WireAnswer =
  | {
      readonly type: 'ok';
      readonly response: { readonly type: string; readonly result?: WireRows };
    }
  | { readonly type: 'error'; readonly error: WireError };

interface WirePipeline {
  readonly baton: string | null;
  readonly base_url: string | null;
  readonly results: readonly WireAnswer[];
}

/** An error of the database with SQLite's extended code, such as `SQLITE_CONSTRAINT_UNIQUE`. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Answered {
  readonly isOk: boolean;
  readonly status: number;
  readonly text: string;
}

type Post = (body: string, headers: Readonly<Record<string, string>>) => Promise<Answered>;

export class HranaDatabase implements Database {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  #post: Post;

  /** `url`: as DATABASE_URL has it, `http://HOST:PORT/db/NAME/?authToken=TOKEN`; `socket`: as DATABASE_SOCKET, where the same costs less. */
  constructor(url: string, socket?: string) {
    if (!URL.canParse(url)) {
      throw new MolnError('WEB_DATABASE_URL', 'DATABASE_URL is not a URL', {
        hint: 'It looks like http://HOST:7420/db/NAME/?authToken=TOKEN',
      });
    }
    const parsed = new URL(url);
    const token = parsed.searchParams.get('authToken');
    this.#headers = {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    parsed.search = '';
    if (!parsed.pathname.endsWith('/')) parsed.pathname += '/';
    const endpoint = new URL('v3/pipeline', parsed);
    const overNetwork: Post = (body, headers) => fetched(endpoint.href, body, headers);
    this.#post = overNetwork;
    if (socket === undefined) return;
    this.#post = async (body, headers) => {
      try {
        const place = { socketPath: socket, path: endpoint.pathname, agent: this.#agent };
        return await posted(place, body, headers);
      } catch (error) {
        // Nobody was reached there, nor will be.
        if (!isNoWay(error)) throw error;
        this.#post = overNetwork;
        return await overNetwork(body, headers);
      }
    };
  }

  async run(statement: Statement): Promise<SqlResult> {
    const { results } = await this.#ask(null, [execute(statement), { type: 'close' }]);
    return resultOf(results[0]);
  }

  async script(text: string): Promise<void> {
    const { results } = await this.#ask(null, [{ type: 'sequence', sql: text }, { type: 'close' }]);
    answered(results[0]);
  }

  async transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const stream = new Stream(async (baton, requests) => await this.#ask(baton, requests));
    await stream.run({ sql: 'BEGIN IMMEDIATE', args: [] });
    try {
      const result = await work(stream);
      await stream.end('COMMIT');
      return result;
    } catch (error) {
      await stream.abandon();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    return Promise.resolve();
  }

  async #ask(baton: string | null, requests: readonly WireRequest[]): Promise<WirePipeline> {
    let answer: Answered;
    try {
      answer = await this.#post(JSON.stringify({ baton, requests }), this.#headers);
    } catch (error) {
      throw new MolnError('WEB_DATABASE_AWAY', 'The database did not answer', {
        retryable: true,
        hint: 'See "moln db list" and "moln status"',
        cause: error,
      });
    }
    const body = JSON.parse(answer.text) as WirePipeline & WireError;
    if (!answer.isOk) throw new SqlError(body.code ?? `HTTP_${answer.status}`, body.message);
    return body;
  }
}

async function fetched(
  endpoint: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const response = await fetch(endpoint, { method: 'POST', headers, body, signal });
  return { isOk: response.ok, status: response.status, text: await response.text() };
}

/** `fetch` knows no unix sockets. */
function posted(
  place: RequestOptions,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...place,
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      timeout: ANSWER_WITHIN_MS,
    });
    asked.on('timeout', () => asked.destroy(new Error(`No answer within ${ANSWER_WITHIN_MS} ms`)));
    asked.on('error', reject);
    asked.on('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const isOk = status >= 200 && status < 300;
        resolve({ isOk, status, text: Buffer.concat(pieces).toString() });
      });
    });
    asked.end(body);
  });
}

function isNoWay(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'EACCES';
}

/** The statements of one transaction, one after the other. */
class Stream implements Connection {
  readonly #ask: (baton: string | null, requests: readonly WireRequest[]) => Promise<WirePipeline>;
  #baton: string | null = null;
  #isOpen = true;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    ask: (baton: string | null, requests: readonly WireRequest[]) => Promise<WirePipeline>,
  ) {
    this.#ask = ask;
  }

  async run(statement: Statement): Promise<SqlResult> {
    return resultOf((await this.#send([execute(statement)]))[0]);
  }

  async script(text: string): Promise<void> {
    answered((await this.#send([{ type: 'sequence', sql: text }]))[0]);
  }

  async end(sql: 'COMMIT'): Promise<void> {
    const [done] = await this.#send([execute({ sql, args: [] }), { type: 'close' }]);
    this.#isOpen = false;
    answered(done);
  }

  /** Rolls back; a stream that is closed does that by itself. */
  async abandon(): Promise<void> {
    if (!this.#isOpen || this.#baton === null) return;
    this.#isOpen = false;
    // A server that cannot be reached any more rolls back all the same; the error of the work is the one to tell.
    await this.#send([{ type: 'close' }]).catch(() => undefined);
  }

  /** A baton is good for one request, so they wait for each other. */
  async #send(requests: readonly WireRequest[]): Promise<readonly WireAnswer[]> {
    const next = this.#turn.then(async () => {
      const { baton, results } = await this.#ask(this.#baton, requests);
      this.#baton = baton;
      return results;
    });
    this.#turn = next.catch(() => undefined);
    return await next;
  }
}

function execute({ sql, args }: Statement): WireRequest {
  return { type: 'execute', stmt: { sql, args: args.map(toWire) } };
}

function answered(answer: WireAnswer | undefined): WireRows | undefined {
  if (answer === undefined)
    throw new SqlError('HRANA_PROTO_ERROR', 'The database left an answer out');
  if (answer.type === 'error')
    throw new SqlError(answer.error.code ?? 'SQLITE_ERROR', answer.error.message);
  return answer.response.result;
}

function resultOf(answer: WireAnswer | undefined): SqlResult {
  const result = answered(answer);
  if (result === undefined) return { rows: [], changes: 0, lastId: 0 };
  const names = result.cols.map(({ name }) => name ?? '');
  return {
    rows: result.rows.map((row): SqlRow =>
      Object.fromEntries(row.map((value, at) => [names[at] ?? '', fromWire(value)])),
    ),
    changes: result.affected_row_count,
    lastId: Number(result.last_insert_rowid ?? 0),
  };
}

function toWire(value: SqlValue): WireValue {
  if (value === null) return { type: 'null' };
  if (typeof value === 'string') return { type: 'text', value };
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) {
    return { type: 'integer', value: String(value) };
  }
  if (typeof value === 'number') return { type: 'float', value };
  return { type: 'blob', base64: Buffer.from(value).toString('base64') };
}

function fromWire(value: WireValue): SqlValue {
  switch (value.type) {
    case 'null':
      return null;
    case 'integer': {
      const number = Number(value.value);
      return Number.isSafeInteger(number) ? number : BigInt(value.value);
    }
    case 'float':
    case 'text':
      return value.value;
    case 'blob':
      return new Uint8Array(Buffer.from(value.base64, 'base64'));
  }
}
