/**
 * One client's view of the database: runs a text after the other, keeps its transaction, and answers changes() and
 * last_insert_rowid() as SQLite would. Not for two callers at a time.
 */
import { MolnError } from '../base/errors.ts';
import { type Binding, bind } from './binding.ts';
import { Catalogue, isParent } from './catalogue.ts';
import { applyChange } from './apply-change.ts';
import type { WriteContext, Written } from './gathered-write.ts';
import { explain, type Explanation } from './explain.ts';
import { type Given, valuesOf } from './parameters.ts';
import { ConnectionSettings } from './connection-settings.ts';
import type { PinContext } from './pins.ts';
import { makePlan, type Prepared } from './plan-cache.ts';
import type { Planner } from './planner.ts';
import { runPragma } from './pragmas.ts';
import { runRead, streamRead } from './read-run.ts';
import { attempt, type RunContext, runWrite } from './write-run.ts';
import { readShape } from './read-plan.ts';
import { isSchemaStatement, planChange, type PlannedChange } from './schema-change.ts';
import { FOREIGN_KEY, READ_ONLY, sqliteFailure } from './sqlite-errors.ts';
import type { Stripes, StripeSession } from './stripes.ts';
import {
  type Edit,
  isBlank,
  parseStatement,
  splice,
  splitScript,
  type Stmt,
  walk,
} from './syntax.ts';
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

interface Transaction {
  readonly session: StripeSession;
  readonly savepoints: { readonly name: string; readonly catalogue: Catalogue }[];
  catalogue: Catalogue;
  /** Deferred foreign keys were broken on the way. */
  keysOpen: boolean;
  /** Opened by SAVEPOINT: releasing the first one commits. */
  readonly bySavepoint: boolean;
}

export class Connection {
  readonly #planner: Planner;
  readonly #stripes: Pick<Stripes, 'begin'>;
  #transaction: Transaction | undefined;
  #lastInsertRowid = 0n;
  #changes = 0;
  #totalChanges = 0;
  readonly settings: ConnectionSettings;

  constructor(planner: Planner, stripes: Pick<Stripes, 'begin'>) {
    this.#planner = planner;
    this.#stripes = stripes;
    this.settings = new ConnectionSettings(planner.settings.foreignKeys);
  }

  get lastInsertRowid(): bigint {
    return this.#lastInsertRowid;
  }

  get inTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  get catalogue(): Catalogue {
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
    let prepared = this.settings.recursiveTriggers
      ? undefined
      : this.#planner.plans.find(sql, catalogue);
    if (prepared === undefined) {
      if (isBlank(sql)) return this.#result([]);
      const parsed = parseStatement(sql);
      if (parsed !== undefined) {
        if (isSchemaStatement(parsed.node)) return await this.#change(parsed);
        const done = await this.#control(parsed.node, sql);
        if (done !== undefined) return done;
      }
      prepared = this.#prepare(sql, catalogue);
    }
    const { binding } = prepared;
    if (prepared.write !== undefined && this.settings.queryOnly) {
      throw sqliteFailure('attempt to write a readonly database', READ_ONLY);
    }
    const values =
      binding.parsed === undefined
        ? ((given ?? []) as SqlRow)
        : valuesOf(binding.parameters, given);
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
    const { plans } = this.#planner;
    const { binding, read } = plans.find(sql, catalogue) ?? plans.prepare(sql, catalogue);
    const values = valuesOf(binding.parameters, given);
    const session = this.#transaction?.session ?? (await this.#stripes.begin('read'));
    try {
      const shape = read ?? readShape(binding, catalogue);
      yield* streamRead(binding, shape, this.#runContext(binding, values, session, signal));
    } finally {
      if (this.#transaction === undefined) await session.rollback();
    }
  }

  /** How a text would run. Throws SQLite's error for one that does not fit; schema statements have no plan. */
  explain(sql: string, given?: Given): Explanation {
    const { catalogue } = this;
    const { homes, plans, stripes } = this.#planner;
    const prepared = plans.find(sql, catalogue) ?? plans.prepare(sql, catalogue);
    const { binding } = prepared;
    return explain(prepared, {
      pins: this.#pins(binding, valuesOf(binding.parameters, given)),
      homes,
      stripeCount: stripes.count,
      foreignKeys: this.settings.foreignKeys,
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
    await this.abandon();
  }

  /** Rolls back what is open, whatever became of it. */
  async abandon(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await transaction?.session.rollback();
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
        await this.#savepoint(node.savepointName.text);
        return this.#result([]);
      case 'ReleaseStmt':
        await this.#release(node.savepointName.text);
        return this.#result([]);
      case 'PragmaStmt':
        return await runPragma(node, sql, this, async (binding) =>
          this.#read({ catalogue: this.catalogue, binding, read: undefined, write: undefined }, []),
        );
      case 'ExplainStmt': {
        const { columns } = this.catalogue.shadow.prepare(sql);
        return this.#result(
          this.catalogue.shadow.prepare(sql).all(),
          columns.map(({ name }) => name),
        );
      }
      case 'AttachStmt':
      case 'DetachStmt':
        throw new MolnError('PLANNER_ATTACH', 'ATTACH and DETACH are not supported', {
          hint: 'Use a second connection to the other database',
        });
      case 'VacuumStmt':
        if (node.into !== undefined) {
          throw new MolnError('PLANNER_VACUUM_INTO', 'VACUUM INTO is not supported', {
            hint: 'Use "moln db dump"',
          });
        }
        if (this.#transaction !== undefined)
          throw sqliteFailure('cannot VACUUM from within a transaction');
        return this.#result([]);
      case 'AnalyzeStmt':
      case 'ReindexStmt': {
        // Upkeep is each stripe's own affair; the names are checked all the same.
        using trial = this.catalogue.clone();
        trial.exec(sql);
        return this.#result([]);
      }
      default:
        return undefined;
    }
  }

  /** With recursive triggers a REPLACE fires those of DELETE, which its program must name. */
  #prepare(sql: string, catalogue: Catalogue): Prepared {
    const { plans } = this.#planner;
    if (!this.settings.recursiveTriggers) return plans.prepare(sql, catalogue);
    catalogue.shadow.exec('PRAGMA recursive_triggers = ON');
    try {
      return makePlan(sql, catalogue);
    } finally {
      catalogue.shadow.exec('PRAGMA recursive_triggers = OFF');
    }
  }

  /** Changes definitions that no stripe has a part in. */
  async define(change: (shadow: Catalogue['shadow']) => void): Promise<void> {
    const { catalogue: old } = this;
    const shadow = old.clone();
    change(shadow);
    const catalogue = new Catalogue(old.version + 1, shadow, old.distributions, old);
    await this.#applyChange({ catalogue, texts: [] });
  }

  async #begin(bySavepoint: boolean): Promise<void> {
    const catalogue = this.catalogue;
    const session = await this.#stripes.begin('write');
    this.#transaction = { session, savepoints: [], catalogue, keysOpen: false, bySavepoint };
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
    const sql = 'PRAGMA foreign_key_check';
    const tables = [...catalogue.tables.values()].filter(
      (table) => table.foreignKeys.length > 0 || isParent(table, catalogue),
    );
    const binding = { ...bind(catalogue, sql), parsed: undefined, tables };
    const context = this.#runContext(binding, [], session);
    const broken = await runRead(binding, readShape(binding, catalogue), context);
    if (broken.length > 0) throw sqliteFailure('FOREIGN KEY constraint failed', FOREIGN_KEY);
  }

  async #rollback(savepoint: string | undefined): Promise<void> {
    const transaction = this.#transaction;
    if (savepoint !== undefined) {
      const at = this.#savepointAt(savepoint);
      const found = transaction?.savepoints[at];
      if (transaction === undefined || found === undefined) return;
      await transaction.session.rollbackTo(`s${at}`);
      transaction.savepoints.length = at + 1;
      transaction.catalogue = found.catalogue;
      return;
    }
    if (transaction === undefined)
      throw sqliteFailure('cannot rollback - no transaction is active');
    this.#transaction = undefined;
    this.settings.deferForeignKeys = false;
    await transaction.session.rollback();
  }

  async #savepoint(name: string): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    await transaction.session.savepoint(`s${transaction.savepoints.length}`);
    transaction.savepoints.push({ name, catalogue: transaction.catalogue });
  }

  async #release(name: string): Promise<void> {
    const at = this.#savepointAt(name);
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    if (at === 0 && transaction.bySavepoint) {
      await this.#commit();
      return;
    }
    await transaction.session.release(`s${at}`);
    transaction.savepoints.length = at;
  }

  #savepointAt(name: string): number {
    const savepoints = this.#transaction?.savepoints ?? [];
    const at = savepoints.findLastIndex((one) => one.name.toLowerCase() === name.toLowerCase());
    if (at < 0) throw sqliteFailure(`no such savepoint: ${name}`);
    return at;
  }

  async #read({ binding, read }: Prepared, values: SqlRow, signal?: AbortSignal): Promise<Result> {
    const session = this.#transaction?.session ?? this.#stripes.begin('read');
    const opened = await session;
    try {
      const shape = read ?? readShape(binding, this.catalogue);
      const rows = await runRead(binding, shape, this.#runContext(binding, values, opened, signal));
      return this.#result(
        rows,
        binding.columns.map(({ name }) => name),
        binding,
      );
    } finally {
      if (this.#transaction === undefined) await opened.rollback();
    }
  }

  #pins(binding: Binding, values: SqlRow): PinContext {
    return {
      sql: binding.sql,
      catalogue: this.catalogue,
      slots: this.#planner.stripes.slots,
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
    return {
      signal,
      planner: this.#planner,
      ...this.#writeContext(session),
      pins: this.#pins(binding, values),
      text: this.#ownText(binding),
    };
  }

  /** The text with what only this connection knows put in: changes(), total_changes(), last_insert_rowid(). */
  #ownText({ parsed, sql, functions }: Binding): string {
    const known = new Map([
      ['changes', String(this.#changes)],
      ['total_changes', String(this.#totalChanges)],
      ['last_insert_rowid', String(this.#lastInsertRowid)],
    ]);
    if (parsed === undefined || ![...functions].some((name) => known.has(name))) return sql;
    const edits: Edit[] = [];
    walk(parsed.node, (node) => {
      if (node.type !== 'FunctionCallExpr' || (node.args?.length ?? 0) > 0) return;
      const value = known.get(node.name.name.toLowerCase());
      if (value !== undefined) edits.push({ span: node.span, text: `(${value})` });
    });
    return splice(sql, edits);
  }

  async #write(
    { binding, write }: Prepared,
    values: SqlRow,
    signal?: AbortSignal,
  ): Promise<Result> {
    const own = this.#transaction;
    const session = own?.session ?? (await this.#stripes.begin('write'));
    let written: Written;
    try {
      written = await runWrite(binding, write, this.#runContext(binding, values, session, signal));
      if (own === undefined) {
        // Even after an error: OR FAIL keeps what came before the bad row.
        await session.commit();
      } else if (written.rolledBack === true) {
        this.#transaction = undefined;
        await session.rollback();
      }
    } catch (error) {
      this.#changes = 0;
      if (own === undefined) await session.rollback();
      throw error;
    }
    if (written.failure !== undefined) {
      this.#written(binding, written);
      throw written.failure;
    }
    if (own !== undefined && written.keysOpen === true) own.keysOpen = true;
    return this.#written(binding, written);
  }

  #written(binding: Binding, written: Written): Result {
    this.#changes = written.changes;
    this.#totalChanges += written.totalChanges ?? written.changes;
    this.#lastInsertRowid = written.lastInsertRowid;
    const columns = binding.columns.map(({ name }) => name);
    return { ...this.#result(written.rows, columns, binding), wrote: true };
  }

  #writeContext(session: StripeSession): WriteContext {
    const { pool, settings, stripes } = this.#planner;
    return {
      session,
      catalogue: this.catalogue,
      pool,
      stripes,
      budget: settings.budget,
      foreignKeys: this.settings.foreignKeys,
      recursiveTriggers: this.settings.recursiveTriggers,
      deferForeignKeys: this.settings.deferForeignKeys,
      lastInsertRowid: this.#lastInsertRowid,
      inTransaction: this.#transaction !== undefined,
    };
  }

  async #change(parsed: NonNullable<ReturnType<typeof parseStatement>>): Promise<Result> {
    const change = planChange(parsed, this.catalogue, this.settings.foreignKeys);
    if (change !== undefined) await this.#applyChange(change);
    return this.#result([]);
  }

  async #applyChange(change: PlannedChange): Promise<void> {
    if (this.settings.queryOnly) {
      throw sqliteFailure('attempt to write a readonly database', READ_ONLY);
    }
    const own = this.#transaction;
    const before = this.catalogue;
    if (own === undefined) await this.#begin(false);
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const { session } = transaction;
    try {
      await attempt(session, async () => applyChange(change, before, this.#writeContext(session)));
      transaction.catalogue = change.catalogue;
      if (own === undefined) await this.#commit();
    } catch (error) {
      transaction.catalogue = before;
      if (own === undefined) {
        this.#transaction = undefined;
        await session.rollback();
      }
      throw error;
    }
  }

  plainResult(columns: readonly string[], rows: readonly SqlRow[]): Result {
    return this.#result(rows, columns);
  }

  #result(rows: readonly SqlRow[], columns: readonly string[] = [], binding?: Binding): Result {
    return {
      columns,
      declared: binding?.columns.map(({ declared }) => declared) ?? columns.map(() => null),
      rows,
      changes: this.#changes,
      lastInsertRowid: this.#lastInsertRowid,
      wrote: false,
    };
  }
}
