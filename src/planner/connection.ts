/**
 * One client's view of the database: runs a text after the other, keeps its transaction, and answers changes() and
 * last_insert_rowid() as SQLite would. Not for two callers at a time.
 */
import { type Binding, bind, shownBy } from './binding.ts';
import { Catalogue } from './catalogue.ts';
import { applyChange, written } from './apply-change.ts';
import { ClientTransaction, noSavepoint } from './client-transaction.ts';
import type { WriteContext, Written } from './gathered-write.ts';
import { explain, type Explanation } from './explain.ts';
import { type Given, valuesOf } from './parameters.ts';
import { ConnectionSettings } from './connection-settings.ts';
import type { PinContext } from './pins.ts';
import { ownText } from './own-text.ts';
import { makePlan, type PlanCache, type Prepared } from './plan-cache.ts';
import type { Planner } from './planner.ts';
import { keyChecks, runPragma } from './pragmas.ts';
import { asOfOneMoment, runRead, streamRead } from './read-run.ts';
import { attempt, type RunContext, runWrite } from './write-run.ts';
import { readShape } from './read-plan.ts';
import { isSchemaStatement, planChange } from './schema-change.ts';
import type { SlotMap } from '../slots/slots.ts';
import { FOREIGN_KEY, READ_ONLY, sqliteFailure } from './sqlite-errors.ts';
import type { Stripes, StripeSession } from './stripes.ts';
import { isBlank, type Parsed, parseStatement, splitScript, type Stmt } from './syntax.ts';
import type { StoredObject } from './table.ts';
import { namesTemporary, planTemporary, type TemporaryChange } from './temporary-change.ts';
import { withTemporary } from './temporary-session.ts';
import { Temporary, TemporaryStore } from './temporary.ts';
import { upkeep } from './upkeep.ts';
import type { SqlRow } from './values.ts';

export interface Result {
  readonly columns: readonly string[];
  readonly declared: readonly (string | null)[];
  readonly rows: readonly SqlRow[];
  readonly changes: number;
  readonly lastInsertRowid: bigint;
  /** It was an INSERT, UPDATE or DELETE; otherwise `changes` is that of the last one. */
  readonly wrote: boolean;
}

export class Connection {
  readonly #planner: Planner;
  readonly #stripes: Pick<Stripes, 'begin'>;
  #transaction: ClientTransaction | undefined;
  #lastInsertRowid = 0n;
  #changes = 0;
  #totalChanges = 0;
  readonly settings: ConnectionSettings;
  #temporary: Temporary | undefined;

  constructor(
    planner: Planner,
    stripes: Pick<Stripes, 'begin'>,
    temporary?: readonly StoredObject[],
  ) {
    this.#planner = planner;
    this.#stripes = stripes;
    this.#temporary = temporary === undefined ? undefined : new Temporary(temporary);
    this.settings = new ConnectionSettings(planner.settings.foreignKeys);
  }

  get lastInsertRowid(): bigint {
    return this.#lastInsertRowid;
  }

  get inTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  /** It has, or had, objects of its own. */
  get hasTemporary(): boolean {
    return this.#temporary !== undefined;
  }

  get catalogue(): Catalogue {
    return this.#temporary?.catalogueOver(this.#base) ?? this.#base;
  }

  get #base(): Catalogue {
    const transaction = this.#transaction;
    if (transaction === undefined) return this.#planner.catalogue;
    if (transaction.session.isUntouched === true) transaction.catalogue = this.#planner.catalogue;
    return transaction.catalogue;
  }

  /** Runs the statements of a script, and gives the result of the last. */
  async script(sql: string): Promise<Result> {
    let result = this.#result([]);
    for (const text of splitScript(sql)) if (!isBlank(text)) result = await this.execute(text);
    return result;
  }

  /** Runs the first statement of `sql`. `signal` ends it between batches of rows, never inside SQLite. */
  async execute(sql: string, given?: Given, signal?: AbortSignal): Promise<Result> {
    const { catalogue } = this;
    let prepared = this.#plans.find(sql, catalogue, this.settings);
    if (prepared === undefined) {
      if (isBlank(sql)) return this.#result([]);
      const parsed = parseStatement(sql);
      if (parsed !== undefined) {
        if (isSchemaStatement(parsed.node)) return await this.#change(parsed);
        const done = await this.#control(parsed.node, sql);
        if (done !== undefined) return done;
      }
      prepared = this.#plans.prepare(sql, catalogue, this.settings);
    }
    const { binding } = prepared;
    if (prepared.write !== undefined && this.settings.queryOnly) {
      throw sqliteFailure('attempt to write a readonly database', READ_ONLY);
    }
    const values =
      binding.parsed === undefined
        ? ((given ?? []) as SqlRow)
        : valuesOf(binding.parameters, given);
    if (!this.inTransaction) this.settings.ranAlone(binding);
    return prepared.write === undefined
      ? await this.#read(prepared, values, signal)
      : await this.#write(prepared, values, signal);
  }

  /**
   * The rows of a reading text in batches, none of them kept, when stripes can answer one behind the other; else the whole
   * result at once. Leaving the loop ends the reading.
   */
  async *stream(
    sql: string,
    given?: Given,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly SqlRow[]> {
    const { catalogue } = this;
    const parsed = isBlank(sql) ? undefined : parseStatement(sql);
    if (parsed?.node.type !== 'SelectStmt') {
      yield (await this.execute(sql, given, signal)).rows;
      return;
    }
    const { binding, read } = this.#prepared(sql);
    const values = valuesOf(binding.parameters, given);
    if (!this.inTransaction) this.settings.ranAlone(binding);
    const session = this.#transaction?.session ?? (await this.#open('read'));
    try {
      const shape = read ?? readShape(binding, catalogue);
      yield* streamRead(binding, shape, this.#runContext(binding, values, session, signal));
    } finally {
      if (this.#transaction === undefined) await session.rollback();
    }
  }

  /** What a text shows. Throws SQLite's error for one that does not fit. */
  columnsOf(sql: string): Pick<Result, 'columns' | 'declared'> {
    return shownBy(this.#prepared(sql).binding);
  }

  /** How a text would run. Throws SQLite's error for one that does not fit; schema statements have no plan. */
  explain(sql: string, given?: Given): Explanation {
    const { slots } = this.#planner.stripes;
    const prepared = this.#prepared(sql);
    const { binding } = prepared;
    return explain(prepared, {
      pins: this.#pins(binding, valuesOf(binding.parameters, given), slots),
      settings: this.settings,
    });
  }

  /** Another connection ran a statement on this one's behalf. */
  ran({ changes, lastInsertRowid, wrote }: Result): void {
    if (!wrote) return;
    this.#changes = changes;
    this.#totalChanges += changes;
    if (lastInsertRowid !== 0n) this.#lastInsertRowid = lastInsertRowid;
  }

  async close(): Promise<void> {
    this.settings[Symbol.dispose]();
    try {
      await this.abandon();
    } finally {
      this.#temporary?.[Symbol.dispose]();
      this.#temporary = undefined;
    }
  }

  /** Rolls back what is open, whatever became of it. */
  async abandon(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await transaction?.rollback(this.#temporary);
  }

  get #plans(): PlanCache {
    return this.#temporary?.plans ?? this.#planner.plans;
  }

  #prepared(sql: string): Prepared {
    const plans = this.#plans;
    const { catalogue, settings } = this;
    return plans.find(sql, catalogue, settings) ?? plans.prepare(sql, catalogue, settings);
  }

  /** What is temporary belongs to the transaction too. */
  #open(mode: 'read' | 'write', savepoints?: readonly string[]): Promise<StripeSession> {
    const begun = this.#stripes.begin(mode);
    return this.#temporary === undefined
      ? begun
      : begun.then((session) => this.#with(session, savepoints));
  }

  #with(session: StripeSession, savepoints?: readonly string[]): StripeSession {
    const temporary = this.#temporary;
    const store = temporary?.store;
    return temporary === undefined || store === undefined
      ? session
      : withTemporary({ session, temporary, store, savepoints });
  }

  async #control(node: Stmt, sql: string): Promise<Result | undefined> {
    switch (node.type) {
      case 'BeginStmt':
        if (this.#transaction !== undefined) {
          throw sqliteFailure('cannot start a transaction within a transaction');
        }
        await this.#begin(false);
        return this.#result([]);
      case 'CommitStmt':
        if (this.#transaction === undefined) {
          throw sqliteFailure('cannot commit - no transaction is active');
        }
        await this.#commit();
        return this.#result([]);
      case 'RollbackStmt':
        await this.#rollback(node.savepointName?.text);
        return this.#result([]);
      case 'SavepointStmt':
        if (this.#transaction === undefined) await this.#begin(true);
        await this.#transaction?.savepoint(node.savepointName.text, this.#temporary);
        return this.#result([]);
      case 'ReleaseStmt':
        await this.#release(node.savepointName.text);
        return this.#result([]);
      case 'PragmaStmt':
        return await runPragma(node, sql, this, async (binding) =>
          this.#read({ binding, read: undefined }, []),
        );
      case 'ExplainStmt': {
        const explained = this.catalogue.shadow.prepare(sql);
        const names = explained.columns.map(({ name }) => name);
        return this.#result(explained.all(), names);
      }
      default:
        return upkeep(node, sql, this) ? this.#result([]) : undefined;
    }
  }

  /** Changes definitions that no stripe has a part in. */
  async define(change: (shadow: Catalogue['shadow']) => void): Promise<void> {
    const old = this.#base;
    const shadow = old.clone();
    change(shadow);
    const catalogue = new Catalogue(old.version + 1, shadow, old.distributions, old);
    await this.#applyChange({ change: { catalogue, texts: [] }, texts: [] });
  }

  async #begin(bySavepoint: boolean): Promise<void> {
    const base = this.#base;
    const session = await this.#open('write', []);
    const temporary = this.#temporary;
    this.#transaction = new ClientTransaction(session, base, { bySavepoint, temporary });
  }

  async #commit(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    if (transaction.keysOpen) await this.#checkKeys(transaction.session);
    await transaction.session.commit();
    this.settings.deferForeignKeys = false;
    this.#transaction = undefined;
    this.#planner.adopt(transaction.catalogue);
  }

  /** Throws while a foreign key is broken; the transaction stays open, as in SQLite. */
  async #checkKeys(session: StripeSession): Promise<void> {
    const { catalogue } = this;
    for (const binding of keyChecks(catalogue)) {
      const context = this.#runContext(binding, [], session);
      const broken = await runRead(binding, readShape(binding, catalogue), context);
      if (broken.length > 0) throw sqliteFailure('FOREIGN KEY constraint failed', FOREIGN_KEY);
    }
  }

  async #rollback(savepoint: string | undefined): Promise<void> {
    const transaction = this.#transaction;
    if (savepoint !== undefined && transaction === undefined) throw noSavepoint(savepoint);
    if (savepoint !== undefined) {
      await transaction?.rollbackTo(savepoint, this.#temporary);
      return;
    }
    if (transaction === undefined)
      throw sqliteFailure('cannot rollback - no transaction is active');
    this.settings.deferForeignKeys = false;
    await this.abandon();
  }

  async #release(name: string): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined) throw noSavepoint(name);
    const at = transaction.at(name);
    if (at === 0 && transaction.bySavepoint) await this.#commit();
    else await transaction.release(at);
  }

  async #read(
    { binding, read }: Pick<Prepared, 'binding' | 'read'>,
    values: SqlRow,
    signal?: AbortSignal,
  ): Promise<Result> {
    const opened = this.#transaction?.session ?? (await this.#open('read'));
    try {
      const shape = read ?? readShape(binding, this.catalogue);
      const context = this.#runContext(binding, values, opened, signal);
      const rows = await asOfOneMoment(opened, binding.sql, () => runRead(binding, shape, context));
      return { ...this.#result(rows), ...shownBy(binding) };
    } finally {
      if (this.#transaction === undefined) await opened.rollback();
    }
  }

  #pins(binding: Binding, values: SqlRow, slots: SlotMap): PinContext {
    return {
      sql: binding.sql,
      catalogue: this.catalogue,
      slots,
      parameters: binding.parameters,
      values,
      coerce: (value, affinity) => this.#planner.coercion.apply(value, affinity),
    };
  }

  #runContext(
    binding: Binding,
    values: SqlRow,
    session: StripeSession,
    signal?: AbortSignal,
  ): RunContext {
    const shared = this.#writeContext(session);
    return {
      ...shared,
      signal,
      planner: this.#planner,
      store: this.#temporary?.store,
      pins: this.#pins(binding, values, shared.slots),
      text: ownText(binding, {
        changes: this.#changes,
        totalChanges: this.#totalChanges,
        lastInsertRowid: this.#lastInsertRowid,
      }),
    };
  }

  async #write(
    { binding, write }: Prepared,
    values: SqlRow,
    signal?: AbortSignal,
  ): Promise<Result> {
    const own = this.#transaction;
    const session = own?.session ?? (await this.#open('write'));
    let done: Written;
    try {
      done = await runWrite(binding, write, this.#runContext(binding, values, session, signal));
      if (own === undefined) {
        // Even after an error: OR FAIL keeps what came before the bad row.
        await session.commit();
      } else if (done.rolledBack) {
        await this.abandon();
      }
    } catch (error) {
      this.#changes = 0;
      if (own === undefined) await session.rollback();
      else if (this.#temporary?.store?.inTransaction === false) await this.abandon();
      throw error;
    }
    // Also of rows that OR FAIL has kept.
    if (own !== undefined && done.keysOpen === true) own.keysOpen = true;
    if (done.failure !== undefined) {
      this.#written(binding, done);
      throw done.failure;
    }
    return this.#written(binding, done);
  }

  #written(binding: Binding, done: Written): Result {
    this.#changes = done.changes;
    this.#totalChanges += done.totalChanges ?? done.changes;
    this.#lastInsertRowid = done.lastInsertRowid;
    return { ...this.#result(done.rows), ...shownBy(binding), wrote: true };
  }

  #writeContext(session: StripeSession): WriteContext {
    const { settings, stripes } = this.#planner;
    // First: what is untouched takes the newest of both.
    const { catalogue } = this;
    return {
      session,
      catalogue,
      pool: this.#temporary?.pool ?? this.#planner.pool,
      slots: session.slots ?? stripes.slots,
      budget: settings.budget,
      foreignKeys: this.settings.foreignKeys,
      recursiveTriggers: this.settings.recursiveTriggers,
      deferForeignKeys: this.settings.deferForeignKeys,
      lastInsertRowid: this.#lastInsertRowid,
      inTransaction: this.#transaction !== undefined,
      ids: settings.ids,
      admit: this.settings.admit,
    };
  }

  async #change(parsed: Parsed): Promise<Result> {
    const base = this.#base;
    const { foreignKeys } = this.settings;
    const isOwn = this.#temporary !== undefined || namesTemporary(parsed);
    const wanted: Partial<TemporaryChange> | undefined = isOwn
      ? planTemporary(parsed, base, this.catalogue, foreignKeys)
      : { change: planChange(parsed, base, foreignKeys) };
    if ((wanted?.objects ?? wanted?.change) !== undefined) await this.#applyChange(wanted ?? {});
    return this.#result([]);
  }

  async #applyChange(wanted: Partial<TemporaryChange>): Promise<void> {
    if (this.settings.queryOnly) {
      throw sqliteFailure('attempt to write a readonly database', READ_ONLY);
    }
    if (wanted.objects !== undefined) this.#makeTemporary();
    const own = this.#transaction;
    const before = this.#base;
    const objects = this.#temporary?.objects ?? [];
    if (own === undefined) await this.#begin(false);
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const { session } = transaction;
    try {
      await attempt(session, async () => this.#changeAll(wanted, before, session));
      transaction.catalogue = wanted.change?.catalogue ?? before;
      if (own === undefined) await this.#commit();
    } catch (error) {
      transaction.catalogue = before;
      if (this.#temporary !== undefined) this.#temporary.objects = objects;
      if (own === undefined || this.#temporary?.store?.inTransaction === false) {
        await this.abandon();
      }
      throw error;
    }
  }

  /** First what all see, then what is this connection's. */
  async #changeAll(
    { before: first, change, fill, objects, texts = [] }: Partial<TemporaryChange>,
    base: Catalogue,
    session: StripeSession,
  ): Promise<void> {
    const temporary = this.#temporary;
    const context = this.#writeContext(session);
    if (first !== undefined) {
      this.#totalChanges += await written(bind(context.catalogue, first, context), context);
    }
    if (temporary !== undefined && objects !== undefined) temporary.objects = objects;
    if (change !== undefined) {
      const after = temporary?.catalogueOver(change.catalogue) ?? change.catalogue;
      this.#totalChanges += await applyChange(change, base, after, context);
    }
    if (objects !== undefined) temporary?.store?.define(texts);
    if (fill === undefined) return;
    const { binding, write } = makePlan(fill, this.catalogue, this.settings);
    const filled = await runWrite(binding, write, this.#runContext(binding, [], session));
    if (filled.failure !== undefined) throw filled.failure;
  }

  /** From now on the connection has a database of its own, inside the transaction that is open. */
  #makeTemporary(): void {
    if (this.#temporary !== undefined) return;
    this.#temporary = new Temporary([], new TemporaryStore(this.#planner.temporaryRoom));
    const open = this.#transaction;
    if (open !== undefined) open.session = this.#with(open.session, open.savepoints);
  }

  plainResult(columns: readonly string[], rows: readonly SqlRow[]): Result {
    return this.#result(rows, columns);
  }

  #result(rows: readonly SqlRow[], columns: readonly string[] = []): Result {
    return {
      columns,
      declared: columns.map(() => null),
      rows,
      changes: this.#changes,
      lastInsertRowid: this.#lastInsertRowid,
      wrote: false,
    };
  }
}
