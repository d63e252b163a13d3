/** One client's connection to a database: its transaction, its read level, and one statement after the other. */
import { messageOf } from '../base/errors.ts';
import type { ReadLevel } from '../database/database.ts';
import {
  type AnswerRoom,
  type BoundStatement,
  type Caller,
  type Column,
  type Description,
  type Outcome,
  responseTooLarge,
  type RowStream,
  type Session,
  type SqlRow,
  type StatementResult,
  valueBytes,
} from '../hrana/hrana.ts';
import { scanStatement } from '../sqlite/sqlite.ts';
import type { Connection, Explanation, Result, StripeSession } from '../planner/planner.ts';
import type { Engine } from './engine.ts';
import { errorPosition } from './error-position.ts';
import {
  endsTransaction,
  interrupted,
  isPassing,
  isOfSchema,
  isSchemaMoved,
  OutOfOrder,
  toClient,
} from './errors.ts';
import { REPLAN_PAUSE_MS, RETRY_PAUSE_MS } from './limits.ts';
import { askOwnPragma, ownPragma } from './own-pragma.ts';
import { type Level, SeenEntries } from './read-level.ts';
import { ReadSession } from './read-session.ts';
import { StreamedRows } from './streamed-rows.ts';
import { asksForSchema, isReadOnlyText, isSelect, scriptTexts, startsReadOnly } from './texts.ts';
import { type BatchOptions, mayBeWhole, runWhole } from './whole-batch.ts';
import { WriteSession } from './write-session.ts';

/** A schema that changes faster than a statement can be planned. */
const REPLANS_MAX = 20;

export class SqlSession implements Session {
  readonly #engine: Engine;
  readonly #caller: Caller;
  readonly #connection: Connection;
  readonly #onClose: () => void;
  /** What this client has seen. */
  readonly seen: SeenEntries = new SeenEntries();
  level: Level;
  /** Of the statement that runs. */
  #stop: AbortController | undefined;
  #write: WriteSession | undefined;
  /** Of a statement that begins again. */
  #stripes: ReadonlySet<number> = new Set();
  #beginsReadOnly = false;
  #room = ANY_ROOM;

  constructor(engine: Engine, caller: Caller, level: Level, onClose: () => void) {
    this.#engine = engine;
    this.#caller = caller;
    this.#onClose = onClose;
    this.level = level;
    this.#connection = engine.planner.connect({
      begin: (mode) => Promise.resolve(this.#begin(mode)),
    });
  }

  get isAutocommit(): boolean {
    return !this.#connection.inTransaction;
  }

  async execute(bound: BoundStatement, room: AnswerRoom): Promise<StatementResult> {
    const began = this.#engine.options.clock.monotonicMs();
    const given = bound.wantRows ? room : ANY_ROOM;
    const result = await this.#run(bound.sql, bound.values, given);
    requireRoom(result.rows, given);
    return {
      columns: columnsOf(result),
      rows: bound.wantRows ? result.rows : [],
      ...this.#outcome(result, began),
    };
  }

  async transaction(
    statements: readonly BoundStatement[],
    room: AnswerRoom,
  ): Promise<readonly StatementResult[] | undefined> {
    const { counts, options, planner, queries, set } = this.#engine;
    const { settings } = this.#connection;
    const isPlain = !settings.queryOnly && !settings.recursiveTriggers && !this.#caller.readOnly;
    // Each of its statements is planned by a connection that knows nothing of this one's temporary objects.
    if (!isPlain || this.#connection.hasTemporary || !mayBeWhole(statements, room))
      return undefined;
    const run = this.isAutocommit ? this.#alone() : this.#within();
    if (run === undefined) return undefined;
    const began = options.clock.monotonicMs();
    const shown = statements[0]?.sql ?? '';
    const results = await queries.watch(shown, this.#caller, async () =>
      runWhole(statements, {
        set,
        connect: (session) => {
          const connection = planner.connect({ begin: () => Promise.resolve(session()) });
          connection.settings.foreignKeys = settings.foreignKeys;
          return connection;
        },
        run,
      }),
    );
    if (results === undefined) return undefined;
    return statements.map(({ wantRows }, at): StatementResult => {
      const result = results[at];
      if (result === undefined) throw new Error('A statement has no result');
      this.#connection.ran(result);
      counts.took(options.clock.monotonicMs() - began);
      if (wantRows) requireRoom(result.rows, room);
      return {
        columns: columnsOf(result),
        rows: wantRows ? result.rows : [],
        ...this.#outcome({ ...result, lastInsertRowid: this.#connection.lastInsertRowid }, began),
      };
    });
  }

  /** As a transaction of their own. */
  #alone(): BatchOptions['run'] {
    const { counts, set } = this.#engine;
    const { stripeVersion: schemaVersion } = set.schema;
    return async (stripe, statements) => {
      const client = set.client(stripe);
      const { index, results } = await client.execute(statements, { schemaVersion });
      counts.commits++;
      this.seen.see(new Map([[client.name, index]]));
      return results;
    };
  }

  /** As the next ones of the open transaction. */
  #within(): BatchOptions['run'] | undefined {
    const write = this.#write;
    if (write === undefined || write.schema !== this.#engine.set.schema) return undefined;
    this.#goesOn();
    return async (stripe, statements) => write.together(stripe, statements);
  }

  async stream(bound: BoundStatement): Promise<RowStream> {
    const began = this.#engine.options.clock.monotonicMs();
    if (ownPragma(bound.sql) === undefined && isSelect(bound.sql)) return await this.#select(bound);
    const result = await this.#run(bound.sql, bound.values);
    let rest = result.rows;
    return {
      columns: columnsOf(result),
      next: () => {
        const rows = rest;
        rest = [];
        return Promise.resolve(rows);
      },
      outcome: () => this.#outcome(result, began),
      [Symbol.asyncDispose]: () => {
        rest = [];
        return Promise.resolve();
      },
    };
  }

  /** Rows as they are wanted: what has not been asked for is read later. */
  async #select({ sql, values }: BoundStatement): Promise<RowStream> {
    const { clock } = this.#engine.options;
    const { counts, queries } = this.#engine;
    const began = clock.monotonicMs();
    const query = queries.begin(sql, this.#caller);
    this.#stop = query.stop;
    const { signal } = query.stop;
    const ended = (): void => {
      this.#stop = undefined;
      counts.took(clock.monotonicMs() - began);
      query[Symbol.dispose]();
    };
    const failed = async (error: unknown): Promise<unknown> => {
      query.failure = error;
      counts.failed++;
      ended();
      if (!this.isAutocommit && (endsTransaction(error) || signal.aborted))
        await this.#rollBack(() => this.#connection.abandon());
      return toClient(
        error,
        errorPosition(messageOf(error), sql, this.#connection.catalogue.shadow),
      );
    };
    try {
      const { batches, first } = await query.step(async () =>
        this.#attempts(sql, signal, async () => {
          const opened = this.#connection.stream(sql, values, signal);
          return { batches: opened, first: await opened.next() };
        }),
      );
      const { columns, declared } = this.#connection.columnsOf(sql);
      return new StreamedRows({
        columns: columnsOf({ columns, declared }),
        batches,
        first,
        next: async () => query.step(async () => batches.next()),
        failed,
        ended,
        outcome: () => this.#outcome(this.#connection.plainResult([], []), began),
      });
    } catch (error) {
      throw await failed(error);
    }
  }

  async sequence(sql: string): Promise<void> {
    for (const text of scriptTexts(sql)) await this.#run(text, []);
  }

  async describe(sql: string): Promise<Description> {
    const columns = await this.#told(sql, ({ catalogue }) => catalogue.shadow.prepare(sql).columns);
    return {
      columns: columns.map(({ name, declared }) => ({ name, declaredType: declared })),
      isExplain: scanStatement(sql).isExplain,
      isReadOnly: isReadOnlyText(sql),
    };
  }

  /** How a text would run and why not better: `moln why query`. */
  explain(sql: string, values: SqlRow = []): Promise<Explanation> {
    return this.#told(sql, (connection) => connection.explain(sql, values));
  }

  /** What follows from the schema alone. */
  async #told<T>(sql: string, tell: (connection: Connection) => T): Promise<T> {
    await this.#engine.set.load();
    try {
      return await this.#knowing(sql, async () => tell(this.#connection));
    } catch (error) {
      throw toClient(
        error,
        errorPosition(messageOf(error), sql, this.#connection.catalogue.shadow),
      );
    }
  }

  interrupt(): void {
    this.#stop?.abort(interrupted('its client has left'));
  }

  async close(): Promise<void> {
    // Most of the time there is nothing to roll back.
    const isIdle = this.isAutocommit && !this.#connection.hasTemporary;
    if (isIdle) this.#connection.settings[Symbol.dispose]();
    else await this.#rollBack(() => this.#connection.close());
    this.#onClose();
  }

  async #run(sql: string, values: SqlRow, room: AnswerRoom = ANY_ROOM): Promise<Result> {
    this.#room = room;
    this.#connection.settings.admit = (rows): void => requireRoom(rows, room);
    const own = ownPragma(sql);
    if (own !== undefined) return this.#connection.plainResult(...askOwnPragma(own, this));
    const { clock } = this.#engine.options;
    const { counts, queries } = this.#engine;
    const began = clock.monotonicMs();
    try {
      return await queries.watch(sql, this.#caller, (stop) => {
        this.#stop = stop;
        return this.#attempts(sql, stop.signal, (text) =>
          this.#connection.execute(text, values, stop.signal),
        );
      });
    } catch (error) {
      counts.failed++;
      throw toClient(
        error,
        errorPosition(messageOf(error), sql, this.#connection.catalogue.shadow),
      );
    } finally {
      this.#stop = undefined;
      counts.took(clock.monotonicMs() - began);
    }
  }

  /** Until it is planned for the schema that the stripes have, its stripes are in order, and they have primaries. */
  async #attempts<T>(
    sql: string,
    signal: AbortSignal,
    run: (text: string) => Promise<T>,
  ): Promise<T> {
    const { counts, limits, set } = this.#engine;
    const { clock } = this.#engine.options;
    const wasOpen = this.#connection.inTransaction;
    const until = clock.monotonicMs() + limits.retryMs;
    this.#beginsReadOnly = !wasOpen && startsReadOnly(sql);
    const text = this.#beginsReadOnly ? 'BEGIN' : sql;
    this.#stripes = new Set();
    if (wasOpen) this.#goesOn();
    for (let replans = 0; ; counts.retries++) {
      try {
        return await this.#knowing(text, run);
      } catch (error) {
        if (wasOpen && (endsTransaction(error) || signal.aborted))
          await this.#rollBack(() => this.#connection.abandon());
        if (error instanceof OutOfOrder && !wasOpen) this.#stripes = error.stripes;
        else if (isSchemaMoved(error) && replans++ < REPLANS_MAX) {
          // A copy that is read from may lag behind the schema by a little.
          if (replans > 1) await clock.sleep(REPLAN_PAUSE_MS, signal);
          await set.reload();
        } else if (isPassing(error) && !wasOpen && clock.monotonicMs() < until)
          await clock.sleep(RETRY_PAUSE_MS, signal);
        else throw error;
      }
    }
  }

  /** What was made through another node is not known here before a stripe is asked: one is, where the answer may follow from that. */
  async #knowing<T>(text: string, run: (text: string) => Promise<T>): Promise<T> {
    if (asksForSchema(text)) {
      await this.#learnSchema();
      return await run(text);
    }
    try {
      return await run(text);
    } catch (error) {
      if (!isOfSchema(error) || !(await this.#learnSchema())) throw error;
      return await run(text);
    }
  }

  /** Whether there was a newer one; then it is known now. */
  async #learnSchema(): Promise<boolean> {
    const { set } = this.#engine;
    const client = set.client(0);
    const schemaVersion = set.schema.stripeVersion;
    try {
      await client.query({ sql: 'SELECT 1' }, this.#levelOf(client.name), { schemaVersion });
      return false;
    } catch (error) {
      if (!isSchemaMoved(error)) throw error;
      await set.reload();
      return true;
    }
  }

  /** Another statement of a transaction: the client knows what came before. */
  #goesOn(): void {
    if (this.#write === undefined) return;
    this.#write.mayRestart = false;
    this.#write.keep();
  }

  async #rollBack(how: () => Promise<void>): Promise<void> {
    try {
      await how();
    } catch (error) {
      // What cannot be told ends by its own time limit.
      this.#engine.options.logger.warn('A transaction could not be rolled back', {
        why: messageOf(error),
      });
    }
  }

  #begin(mode: 'read' | 'write'): StripeSession {
    const { counts, limits, options, planner, set } = this.#engine;
    const signal = (): AbortSignal | undefined => this.#stop?.signal;
    this.#write = undefined;
    if (mode === 'read' || this.#beginsReadOnly || this.#caller.readOnly) {
      return new ReadSession({
        set,
        counts,
        gatherers: this.#engine.gatherers,
        budget: planner.settings.budget,
        levelOf: (stripe) => this.#levelOf(stripe),
        isLoose: mode === 'read' && (this.level.kind === 'stale' || this.level.kind === 'session'),
        isTransaction: mode === 'write',
        signal,
      });
    }
    this.#write = new WriteSession({
      set,
      clock: options.clock,
      counts,
      gatherers: this.#engine.gatherers,
      budget: planner.settings.budget,
      lockWaitMs: limits.lockWaitMs,
      stripes: this.#stripes,
      signal,
      room: this.#room,
      onCommit: (indexes) => this.seen.see(indexes),
    });
    return this.#write;
  }

  #levelOf(stripe: string): ReadLevel {
    const { level } = this;
    if (level.kind === 'stale') {
      return level.maxMs === undefined ? { kind: 'stale' } : { kind: 'stale', maxMs: level.maxMs };
    }
    if (level.kind === 'session') return { kind: 'session', index: this.seen.of(stripe) };
    return { kind: 'strong' };
  }

  #outcome({ changes, lastInsertRowid, wrote }: Result, began: number): Outcome {
    return {
      affectedRows: wrote ? changes : 0,
      lastInsertRowid: lastInsertRowid === 0n ? null : lastInsertRowid,
      rowsRead: 0,
      rowsWritten: 0,
      durationMs: this.#engine.options.clock.monotonicMs() - began,
    };
  }
}

const ANY_ROOM: AnswerRoom = { rowsMax: Infinity, bytesMax: Infinity };

function columnsOf({ columns, declared }: Pick<Result, 'columns' | 'declared'>): readonly Column[] {
  return columns.map((name, at) => ({ name, declaredType: declared[at] ?? null }));
}

function requireRoom(rows: readonly SqlRow[], { rowsMax, bytesMax }: AnswerRoom): void {
  if (rows.length > rowsMax) throw responseTooLarge(`${rowsMax} rows`);
  let bytes = 0;
  for (const row of rows) for (const value of row) bytes += valueBytes(value);
  if (bytes > bytesMax) throw responseTooLarge(`${bytesMax} bytes`);
}
