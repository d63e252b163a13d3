/**
 * One database asked in Hrana (version 3, JSON over HTTP), the same way as the CLI asks the API. Shape of what is sent:
 * https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
 */
import { isMolnError, MolnError } from '../base/errors.ts';
import type { SqlRow } from '../hrana/hrana.ts';
import { fromWire, toWire, type WireValue } from './db-values.ts';
import type { Transport } from './transport.ts';

export interface SqlStatement {
  readonly sql: string;
  readonly args?: SqlRow;
}

export interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly SqlRow[];
  /** Rows that an INSERT, UPDATE or DELETE changed. */
  readonly changes: number;
}

/** What comes of statements whose rows are read as they are found. */
export type Event =
  | { readonly kind: 'begin'; readonly step: number; readonly columns: readonly string[] }
  | { readonly kind: 'row'; readonly row: SqlRow }
  | { readonly kind: 'end'; readonly changes: number };

/** The statement of a batch that failed; the batch has changed nothing. */
export interface Failure {
  readonly index: number;
  readonly error: MolnError;
}

interface WireColumn {
  readonly name: string | null;
}

interface WireError {
  readonly message: string;
  readonly code?: string | null;
}

interface WireResult {
  readonly cols: readonly WireColumn[];
  readonly rows: readonly (readonly WireValue[])[];
  readonly affected_row_count: number;
}

interface WireResponse {
  readonly result?: WireResult;
  readonly is_autocommit?: boolean;
}

interface PipelineAnswer {
  readonly baton: string | null;
  readonly results: readonly (
    | { readonly type: 'ok'; readonly response: WireResponse }
    | { readonly type: 'error'; readonly error: WireError }
  )[];
}

interface BatchResult {
  readonly step_errors: readonly (WireError | null)[];
}

type CursorLine =
  | { readonly type?: undefined; readonly baton: string | null }
  | { readonly type: 'step_begin'; readonly step: number; readonly cols: readonly WireColumn[] }
  | { readonly type: 'row'; readonly row: readonly WireValue[] }
  | { readonly type: 'step_end'; readonly affected_row_count: number }
  | { readonly type: 'step_error' | 'error'; readonly error: WireError };

/** A row with all its values in one line. */
const ROW_BYTES_MAX: number = 1024 * 1024 * 1024;
const BUSY_TRIES_MAX = 8;
const KEYS_OFF = 'PRAGMA foreign_keys = OFF';
/** The stream is no more; nothing of the request was executed. */
const GONE: ReadonlySet<string> = new Set(['STREAM_EXPIRED', 'STREAM_CLOSED', 'BATON_INVALID']);

/** One connection to the database, with its transaction. Calls must not overlap. */
export class DatabaseStream implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #path: string;
  #baton: string | null = null;
  #isAutocommit = true;
  #keysAreOff = false;

  constructor(transport: Transport, database: string) {
    this.#transport = transport;
    this.#path = `/db/${encodeURIComponent(database)}/v3`;
  }

  /** False in a transaction, as far as the last answer told. */
  get isAutocommit(): boolean {
    return this.#isAutocommit;
  }

  async execute({ sql, args }: SqlStatement): Promise<Answer> {
    const answer = await this.#pipeline<WireResponse>({
      type: 'execute',
      stmt: statement({ sql, ...(args === undefined ? {} : { args }) }),
    });
    const {
      cols,
      rows,
      affected_row_count: changes,
    } = answer.result ?? { cols: [], rows: [], affected_row_count: 0 };
    return { columns: names(cols), rows: rows.map((row) => row.map(fromWire)), changes };
  }

  /** All or nothing, in a transaction of its own. */
  async together(statements: readonly SqlStatement[]): Promise<Failure | undefined> {
    for (let tries = 1; ; tries += 1) {
      const failure = await this.#together(statements);
      const isBusy = failure?.error.code.startsWith('SQLITE_BUSY') === true;
      if (!isBusy || tries >= BUSY_TRIES_MAX) return failure;
    }
  }

  /**
   * Statements one after the other, up to the first that fails, which is thrown. Rows come as they are found; leaving early,
   * or aborting `signal`, ends the statement and its transaction.
   */
  async *cursor(
    statements: readonly SqlStatement[],
    signal?: AbortSignal,
  ): AsyncGenerator<Event, void, void> {
    const steps = statements.map((one, index) => ({
      stmt: statement(one),
      ...(index === 0 ? {} : { condition: { type: 'ok', step: index - 1 } }),
    }));
    const before = this.#baton;
    this.#baton = null;
    let failure: MolnError | undefined;
    let isDone = false;
    try {
      for await (const line of this.#lines(before, steps, signal)) {
        if (line.type === undefined) this.#baton = line.baton;
        else if (line.type === 'step_begin')
          yield { kind: 'begin', step: line.step, columns: names(line.cols) };
        else if (line.type === 'row') yield { kind: 'row', row: line.row.map(fromWire) };
        else if (line.type === 'step_end') yield { kind: 'end', changes: line.affected_row_count };
        else failure ??= errorOf(line.error);
      }
      isDone = true;
    } finally {
      if (!isDone) this.#lose();
    }
    if (failure !== undefined) throw failure;
  }

  /** From now on foreign keys are not looked at, also when the stream has to be replaced by another one. */
  async ignoreForeignKeys(): Promise<void> {
    if (this.#baton !== null) await this.execute({ sql: KEYS_OFF });
    this.#keysAreOff = true;
  }

  /** Asks whether a transaction is open. */
  async refresh(): Promise<void> {
    if (this.#baton !== null) await this.#pipeline({ type: 'get_autocommit' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#baton !== null) await this.#pipeline({ type: 'close' }).catch(ignoreGone);
    this.#lose();
  }

  #lose(): void {
    this.#baton = null;
    this.#isAutocommit = true;
  }

  /** A stream that was given up while nothing was open is silently replaced. */
  async *#lines(
    baton: string | null,
    steps: readonly object[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<CursorLine> {
    const call = (mine: string | null): AsyncGenerator<CursorLine> =>
      this.#transport.lines<CursorLine>({
        method: 'POST',
        path: `${this.#path}/cursor`,
        json: { baton: mine, batch: { steps } },
        lineBytesMax: ROW_BYTES_MAX,
        errorsAreLines: true,
        ...(signal === undefined ? {} : { signal }),
      });
    const wasAutocommit = this.#isAutocommit;
    try {
      yield* call(baton);
    } catch (error) {
      if (baton === null || this.#baton !== null || !wasAutocommit || !isGone(error)) throw error;
      yield* call(null);
    }
  }

  async #together(statements: readonly SqlStatement[]): Promise<Failure | undefined> {
    const all = [{ sql: 'BEGIN IMMEDIATE' }, ...statements, { sql: 'COMMIT' }];
    const steps: object[] = all.map((one, index) => ({
      stmt: statement(one),
      ...(index === 0 ? {} : { condition: { type: 'ok', step: index - 1 } }),
    }));
    const open = { type: 'not', cond: { type: 'is_autocommit' } };
    steps.push({ stmt: statement({ sql: 'ROLLBACK' }), condition: open });
    const { result } = await this.#pipeline<{ readonly result: BatchResult }>({
      type: 'batch',
      batch: { steps },
    });
    const index = result.step_errors.findIndex((error) => error !== null);
    const error = result.step_errors[index];
    return error === undefined || error === null
      ? undefined
      : { index: index - 1, error: errorOf(error) };
  }

  async #pipeline<T>(request: object): Promise<T> {
    const baton = this.#baton;
    this.#baton = null;
    const first = this.#keysAreOff ? [{ type: 'execute', stmt: statement({ sql: KEYS_OFF }) }] : [];
    const post = (mine: string | null): Promise<PipelineAnswer> =>
      this.#transport.json({
        method: 'POST',
        path: `${this.#path}/pipeline`,
        json: {
          baton: mine,
          requests: [...(mine === null ? first : []), request, { type: 'get_autocommit' }],
        },
      });
    let answer: PipelineAnswer;
    try {
      answer = await post(baton).catch((error: unknown) => {
        if (baton === null || !this.#isAutocommit || !isGone(error)) throw error;
        return post(null);
      });
    } catch (error) {
      this.#lose();
      throw error;
    }
    this.#baton = answer.baton;
    const [own, state] = answer.results.slice(-2);
    this.#isAutocommit = state?.type !== 'ok' || state.response.is_autocommit !== false;
    const failed = answer.results.find((result) => result.type === 'error');
    if (own?.type === 'ok' && failed === undefined) return own.response as T;
    throw errorOf(failed?.error ?? { message: 'The node gave no result' });
  }
}

function statement({ sql, args = [] }: SqlStatement): object {
  return { sql, ...(args.length === 0 ? {} : { args: args.map(toWire) }) };
}

function names(columns: readonly WireColumn[]): readonly string[] {
  return columns.map(({ name }) => name ?? '');
}

function errorOf({ message, code }: WireError): MolnError {
  return new MolnError(code ?? 'SQLITE_ERROR', message);
}

function isGone(error: unknown): boolean {
  return isMolnError(error) && GONE.has(error.code);
}

function ignoreGone(error: unknown): void {
  if (!isMolnError(error)) throw error;
}
