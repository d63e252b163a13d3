/** What the app did lately, for the dashboard of `moln dev`: its requests, each with its statements. In memory. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { isoTime, systemClock } from '../base/time.ts';
import type { Connection, Database, SqlResult, Statement } from '../web/web.ts';

const REQUESTS_MAX = 100;
/** Of one request. */
const QUERIES_MAX = 500;

export interface QueryRecord extends Statement {
  readonly ms: number;
  /** Undefined when it failed. */
  readonly rows: number | undefined;
}

export interface RequestRecord {
  /** That of the log and of `X-Request-Id`. */
  readonly id: string;
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  readonly queries: readonly QueryRecord[];
}

export class DevRecorder {
  #requests: readonly RequestRecord[] = [];
  readonly #inRequest = new AsyncLocalStorage<QueryRecord[]>();

  /** The newest first. */
  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  /** Answers a request, and remembers it when it was the app that answered, not a file. */
  async record(request: Request, answer: () => Response | Promise<Response>): Promise<Response> {
    const queries: QueryRecord[] = [];
    const startedMs = systemClock.monotonicMs();
    const at = isoTime(systemClock.now());
    const response = await this.#inRequest.run(queries, answer);
    const id = response.headers.get('x-request-id');
    if (id === null) return response;
    const { pathname, search } = new URL(request.url);
    const one: RequestRecord = {
      id,
      at,
      method: request.method,
      path: pathname + search,
      status: response.status,
      ms: systemClock.monotonicMs() - startedMs,
      queries,
    };
    this.#requests = [one, ...this.#requests].slice(0, REQUESTS_MAX);
    return response;
  }

  /** The same database, whose statements are remembered with the request that asks. */
  watched(database: Database): Database {
    return {
      ...this.#connection(database),
      transaction: (work) => database.transaction((inside) => work(this.#connection(inside))),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  }

  #connection(connection: Connection): Connection {
    return {
      run: (statement) => this.#timed(statement, () => connection.run(statement)),
      script: (text) => connection.script(text),
    };
  }

  async #timed(statement: Statement, run: () => Promise<SqlResult>): Promise<SqlResult> {
    const queries = this.#inRequest.getStore();
    if (queries === undefined || queries.length >= QUERIES_MAX) return await run();
    const startedMs = systemClock.monotonicMs();
    let rows: number | undefined;
    try {
      const result = await run();
      const isRead = /^\s*(?:SELECT|WITH)\b/i.test(statement.sql);
      rows = isRead ? result.rows.length : result.changes;
      return result;
    } finally {
      queries.push({ ...statement, ms: systemClock.monotonicMs() - startedMs, rows });
    }
  }
}
