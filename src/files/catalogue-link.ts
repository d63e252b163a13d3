/**
 * The catalogue's database, asked in Hrana (version 3, JSON) over the unix socket of this node's database process, which leads on to
 * wherever the stripe is. Reads that wait go together. https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
 */
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { catalogueAway } from './errors.ts';
import { type JsonAnswer, JsonDoor } from './json-door.ts';
import {
  BUSY_TRIES_MAX,
  CATALOGUE,
  CATALOGUE_AGAIN_MS,
  CATALOGUE_ANSWER_MS,
  CATALOGUE_IDLE_MS,
  CATALOGUE_WAIT_MS,
  READS_AT_A_TIME,
  READS_TOGETHER_MAX,
} from './limits.ts';

/** A number is an INTEGER; the catalogue has no others. */
export type Value = null | number | string | Uint8Array;
export type Row = readonly Value[];

export interface Statement {
  readonly sql: string;
  readonly args?: readonly Value[];
}

export interface Decision<T> {
  /** Empty: nothing is to change. */
  readonly writes: readonly Statement[];
  readonly result: T;
}

interface Waiting {
  readonly statements: readonly Statement[];
  readonly resolve: (rows: readonly (readonly Row[])[]) => void;
  readonly reject: (error: unknown) => void;
}

interface WireError {
  readonly message: string;
  readonly code?: string | null;
}

interface WireResult {
  readonly rows: readonly (readonly WireValue[])[];
}

interface BatchResult {
  readonly step_results: readonly (WireResult | null)[];
  readonly step_errors: readonly (WireError | null)[];
}

interface PipelineAnswer {
  readonly baton: string | null;
  readonly results: readonly (
    | { readonly type: 'ok'; readonly response: { readonly result: BatchResult } }
    | { readonly type: 'error'; readonly error: WireError }
  )[];
}

type WireValue =
  | { readonly type: 'null' }
  | { readonly type: 'integer' | 'text'; readonly value: string }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'blob'; readonly base64: string };

/** Nothing of it has happened: it can be done again. */
const NOT_DONE: ReadonlySet<string> = new Set([
  'BATON_INVALID',
  'DATABASES_NOT_FOUND',
  'DATABASES_NOT_READY',
  'STREAM_EXPIRED',
  'TRANSACTION_TIMEOUT',
]);
/** It may have happened: whoever decides again must see whether it has. */
const UNKNOWN = 'DATABASE_OUTCOME_UNKNOWN';
const ANSWER_BYTES_MAX: number = 64 * 1024 * 1024;

export class CatalogueLink implements Disposable {
  readonly #clock: Clock;
  readonly #door: JsonDoor;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(options: { readonly socketPath: string; readonly clock: Clock }) {
    this.#clock = options.clock;
    this.#door = new JsonDoor({
      socketPath: options.socketPath,
      path: `/db/${CATALOGUE}/v3/pipeline`,
      fields: 'x-moln-local: 1\r\n',
      answerBytesMax: ANSWER_BYTES_MAX,
      silentMs: CATALOGUE_ANSWER_MS,
      idleMs: CATALOGUE_IDLE_MS,
    });
  }

  [Symbol.dispose](): void {
    this.#door[Symbol.dispose]();
  }

  /** Rows of each statement. Each sees all that was acknowledged before; together they are no snapshot. */
  async read(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly (readonly Row[])[]>();
    this.#waiting.push({ statements, resolve, reject });
    this.#next();
    return await promise;
  }

  async one(sql: string, args: readonly Value[]): Promise<Row | undefined> {
    return (await this.read([{ sql, args }]))[0]?.[0];
  }

  async all(sql: string, args: readonly Value[]): Promise<readonly Row[]> {
    return (await this.read([{ sql, args }]))[0] ?? [];
  }

  /**
   * Reads and writes in one transaction. `decide` gets the rows of each statement that reads, and what it throws rolls back. It may be
   * called again, after a try whose end is unknown too: it must recognize what it has already done.
   */
  async transaction<T>(
    reads: readonly Statement[],
    decide: (rows: readonly (readonly Row[])[]) => Decision<T>,
  ): Promise<T> {
    return await this.#again(async () => {
      const begun = await this.#batch(null, [{ sql: 'BEGIN IMMEDIATE' }, ...reads], true);
      const { baton } = begun;
      let decision: Decision<T>;
      try {
        decision = decide(begun.rows.slice(1));
      } catch (error) {
        await this.#batch(baton, [{ sql: 'ROLLBACK' }], false);
        throw error;
      }
      const { writes, result } = decision;
      const last = writes.length === 0 ? 'ROLLBACK' : 'COMMIT';
      await this.#batch(baton, [...writes, { sql: last }], false);
      return result;
    });
  }

  /** All that `work` reads is of one moment. It is not tried again, for it may have given on what it read. */
  async moment<T>(
    work: (
      read: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>,
    ) => Promise<T>,
  ): Promise<T> {
    let { baton } = await this.#batch(null, [{ sql: 'BEGIN TRANSACTION READONLY' }], true);
    try {
      return await work(async (statements) => {
        const { rows, baton: next } = await this.#batch(baton, statements, true);
        baton = next;
        return rows;
      });
    } finally {
      // Also when a statement failed, and with it the stream has ended.
      await this.#batch(baton, [{ sql: 'ROLLBACK' }], false).catch(() => undefined);
    }
  }

  /** Statements that need no reading before, in one transaction; for definitions of tables too. */
  async run(statements: readonly Statement[]): Promise<void> {
    const all = [{ sql: 'BEGIN IMMEDIATE' }, ...statements, { sql: 'COMMIT' }];
    await this.#again(() => this.#batch(null, all, false));
  }

  #next(): void {
    if (this.#underWay >= READS_AT_A_TIME || this.#waiting.length === 0) return;
    const taken = this.#waiting.splice(0, READS_TOGETHER_MAX);
    this.#underWay += 1;
    void this.#readTogether(taken).finally(() => {
      this.#underWay -= 1;
      this.#next();
    });
  }

  async #readTogether(taken: readonly Waiting[]): Promise<void> {
    try {
      const statements = taken.flatMap((one) => one.statements);
      const { rows } = await this.#again(() => this.#batch(null, statements, false));
      let from = 0;
      for (const one of taken) one.resolve(rows.slice(from, (from += one.statements.length)));
    } catch (error) {
      for (const one of taken) one.reject(error);
    }
  }

  async #again<T>(work: () => Promise<T>): Promise<T> {
    const deadlineMs = this.#clock.monotonicMs() + CATALOGUE_WAIT_MS;
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        const isBusy = isMolnError(error) && error.code.startsWith('SQLITE_BUSY');
        if (isBusy ? tries >= BUSY_TRIES_MAX : !isPassing(error)) throw error;
        if (this.#clock.monotonicMs() > deadlineMs) throw error;
        await this.#clock.sleep(CATALOGUE_AGAIN_MS);
      }
    }
  }

  /** All up to the first that fails, which is thrown, and whatever was open is rolled back then. */
  async #batch(
    baton: string | null,
    statements: readonly Statement[],
    stays: boolean,
  ): Promise<{ readonly baton: string | null; readonly rows: readonly (readonly Row[])[] }> {
    const steps: object[] = statements.map((one, index) => ({
      stmt: wireStatement(one),
      ...(index === 0 ? {} : { condition: { type: 'ok', step: index - 1 } }),
    }));
    const requests: object[] = [{ type: 'batch', batch: { steps } }];
    if (!stays) requests.push({ type: 'close' });
    const answer = await this.#post({ baton, requests });
    const [first] = answer.results;
    if (first === undefined) throw catalogueAway('it gave no result');
    if (first.type === 'error') throw errorOf(first.error);
    const { step_errors: errors, step_results: results } = first.response.result;
    const failed = errors.find((error) => error !== null);
    if (failed === undefined || failed === null)
      return {
        baton: answer.baton,
        rows: results.map((one) => (one?.rows ?? []).map((row) => row.map(fromWire))),
      };
    // Closing the stream rolls back what is open.
    if (stays && answer.baton !== null)
      await this.#post({ baton: answer.baton, requests: [{ type: 'close' }] });
    throw errorOf(failed);
  }

  async #post(body: object): Promise<PipelineAnswer> {
    let answer: JsonAnswer;
    try {
      answer = await this.#door.ask(body);
    } catch (error) {
      throw catalogueAway(messageOf(error));
    }
    if (answer.status === 200) return answer.value as PipelineAnswer;
    throw errorOf(answer.value as WireError);
  }
}

function isPassing(error: unknown): boolean {
  if (!isMolnError(error)) return false;
  return (
    error.code === 'FILES_CATALOGUE_AWAY' || error.code === UNKNOWN || NOT_DONE.has(error.code)
  );
}

function errorOf({ message, code }: WireError): MolnError {
  return new MolnError(code ?? 'SQLITE_ERROR', message);
}

function wireStatement({ sql, args = [] }: Statement): object {
  return { sql, ...(args.length === 0 ? {} : { args: args.map(toWire) }) };
}

function toWire(value: Value): object {
  if (value === null) return { type: 'null' };
  if (typeof value === 'number') return { type: 'integer', value: String(value) };
  if (typeof value === 'string') return { type: 'text', value };
  const { buffer, byteOffset, length } = value;
  return { type: 'blob', base64: Buffer.from(buffer, byteOffset, length).toString('base64') };
}

function fromWire(value: WireValue): Value {
  switch (value.type) {
    case 'null':
      return null;
    case 'integer':
      return Number(value.value);
    case 'text':
    case 'float':
      return value.value;
    case 'blob':
      return Buffer.from(value.base64, 'base64');
  }
}
