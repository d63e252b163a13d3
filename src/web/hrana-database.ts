/**
 * The database of a deployed app: a database of the cluster over Hrana 3 (libSQL's protocol) in JSON. A statement by itself is
 * one request; a transaction is a stream, tied together by batons. Nothing is tried again: an unknown outcome is said.
 */
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

/** `url`: as DATABASE_URL has it, `http://HOST:PORT/db/NAME/?authToken=TOKEN`. */
export class HranaDatabase implements Database {
  readonly #endpoint: string;
  readonly #token: string | undefined;

  constructor(url: string) {
    if (!URL.canParse(url)) {
      throw new MolnError('WEB_DATABASE_URL', 'DATABASE_URL is not a URL', {
        hint: 'It looks like http://HOST:7420/db/NAME/?authToken=TOKEN',
      });
    }
    const parsed = new URL(url);
    this.#token = parsed.searchParams.get('authToken') ?? undefined;
    parsed.search = '';
    if (!parsed.pathname.endsWith('/')) parsed.pathname += '/';
    this.#endpoint = new URL('v3/pipeline', parsed).href;
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

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held between statements.
  }

  async #ask(baton: string | null, requests: readonly WireRequest[]): Promise<WirePipeline> {
    let response: Response;
    try {
      response = await fetch(this.#endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        },
        body: JSON.stringify({ baton, requests }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch (error) {
      throw new MolnError('WEB_DATABASE_AWAY', 'The database did not answer', {
        retryable: true,
        hint: 'See "moln db list" and "moln status"',
        cause: error,
      });
    }
    const body = (await response.json()) as WirePipeline & WireError;
    if (!response.ok) throw new SqlError(body.code ?? `HTTP_${response.status}`, body.message);
    return body;
  }
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
