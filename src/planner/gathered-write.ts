/**
 * The write that is always right: the tables are gathered, the original text runs over them in memory with triggers,
 * constraints and foreign keys as the user wrote them, and what has changed is written to the stripes row by row.
 */
import { settleAll } from '../base/settle-all.ts';
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { feed, fedTables, noteFeeds } from './full-text.ts';
import { foldName, list, storedColumns, type Table } from './table.ts';
import { type Fetch, gather, type GatherBudget, stripesOf } from './gather.ts';
import { measured } from './measured.ts';
import { makeTriggers, type Scratch, type ScratchPool } from './scratch.ts';
import { applySequences, loadSequences } from './sequence.ts';
import type { SlotMap } from '../slots/slots.ts';
import { IdInUse, idsFor, largestOf } from './given-ids.ts';
import { slotOf } from './key-slot.ts';
import { type IdSource, OWN_STRIPE, type StripeSession, type StripeWrite } from './stripes.ts';
import { quoted } from './syntax.ts';
import { identityOf, sameRow, type SqlRow, type SqlValue } from './values.ts';

export interface WriteContext {
  readonly session: StripeSession;
  readonly catalogue: Catalogue;
  readonly pool: ScratchPool;
  readonly slots: SlotMap;
  readonly budget: GatherBudget;
  readonly foreignKeys: boolean;
  readonly recursiveTriggers: boolean;
  readonly deferForeignKeys: boolean;
  readonly lastInsertRowid: bigint;
  /** Inside a client's own transaction, where SQLite undoes less by itself. */
  readonly inTransaction: boolean;
  readonly signal?: AbortSignal | undefined;
  /** See `gather`. */
  readonly large?: WeakSet<Table>;
  readonly ids: IdSource | undefined;
  /** Throws when the client cannot be given what RETURNING returns: nothing has happened then. */
  readonly admit: ((rows: readonly SqlRow[]) => void) | undefined;
}

/** Some rows instead of whole tables. */
export interface Narrowed {
  readonly fetches: readonly Fetch[];
  /** Ids of new rows of the first table, which no row that is fetched may have. */
  readonly given: ReadonlySet<SqlValue>;
}

export interface Written {
  readonly rows: readonly SqlRow[];
  readonly changes: number;
  /** With those that triggers and cascades made; undefined when there are none. */
  readonly totalChanges?: number;
  readonly lastInsertRowid: bigint;
  /** Thrown after what has changed was written: OR FAIL keeps the rows before the bad one. */
  readonly failure?: unknown;
  /** OR ROLLBACK and RAISE(ROLLBACK): the whole transaction is undone. */
  readonly rolledBack: boolean;
  /** Deferred foreign keys are broken now: the transaction must be checked before it commits. */
  readonly keysOpen?: boolean;
}

/** Where a gathered row came from. */
interface Origin {
  readonly row: SqlRow;
  readonly stripe: number;
}

/** Ids that the source gave for this statement. */
interface GivenBefore {
  readonly given: ReadonlySet<SqlValue> | undefined;
  /** The table whose rows have theirs already. */
  readonly filled: Table | undefined;
}

type Before = ReadonlyMap<Table, Map<string, Origin>>;

export async function gatheredWrite(
  binding: Binding,
  sql: string,
  values: SqlRow,
  context: WriteContext,
  only?: Narrowed,
): Promise<Written> {
  const { catalogue, pool, session } = context;
  const fed = only === undefined ? fedTables(binding, catalogue) : [];
  const tables = (only?.fetches.map(({ table }) => table) ?? tablesOf(binding, context)).filter(
    (table) => !fed.includes(table),
  );
  const fetches =
    only?.fetches ??
    tables.map((table) => ({ table, stripes: stripesOf(table, context.slots.count) }));
  const before = new Map(tables.map((table) => [table, new Map<string, Origin>()] as const));
  const scratch = pool.take(catalogue);
  try {
    await gather(fetches, {
      session,
      scratch,
      budget: context.budget,
      ...(context.large === undefined ? {} : { large: context.large }),
      signal: context.signal,
      see: (table, stripe, rows) => {
        const seen = before.get(table);
        for (const row of rows) seen?.set(rowKey(table, row), { row, stripe });
      },
    });
    if (only !== undefined) checkFree(only, before);
    const feeds = noteFeeds(scratch.db, fed);
    if (feeds.length > 0) scratch.spoiled = true;
    const sequences = await loadSequences(catalogue, scratch, session);
    const written = runIn(scratch, binding, sql, values, context);
    if (!written.rolledBack) {
      const areUnseen =
        (only === undefined || binding.usesTrigger) && areIdsUnseen(binding, context);
      const replaced = await writeBack(before, scratch, areUnseen, {
        ...context,
        given: only?.given,
        filled: only?.fetches[0]?.table,
      });
      await applySequences(sequences, scratch, session);
      const changes = written.changes + (await feed(scratch.db, feeds, session, binding));
      const { lastInsertRowid } = written;
      const last = replaced.get(targetOf(binding))?.get(lastInsertRowid) ?? lastInsertRowid;
      return { ...written, changes, lastInsertRowid: last };
    }
    return written;
  } finally {
    pool.give(scratch);
  }
}

/** The table that an INSERT names. */
function targetOf({ parsed, written }: Binding): Table | undefined {
  const node = parsed?.node;
  if (node?.type !== 'InsertStmt') return undefined;
  const name = foldName(node.tblName.objName.text);
  return written.find((table) => foldName(table.name) === name);
}

function checkFree({ fetches, given }: Narrowed, before: Before): void {
  const table = fetches[0]?.table;
  if (table?.rid === undefined || given.size === 0) return;
  const at = storedColumns(table).indexOf(table.rid);
  for (const { row } of before.get(table)?.values() ?? []) {
    if (given.has(row[at] ?? null)) throw new IdInUse(`An id of "${table.name}" is in use`);
  }
}

/** What the text touches, and with foreign keys whatever could be touched through them. */
function tablesOf(binding: Binding, { catalogue, foreignKeys }: WriteContext): readonly Table[] {
  const found = new Set(binding.tables);
  if (foreignKeys) {
    const written = (table: Table): boolean => binding.written.includes(table);
    const todo = [...found].filter(written);
    for (let table = todo.pop(); table !== undefined; table = todo.pop()) {
      for (const other of related(table, catalogue.tablesBeside(table))) {
        if (found.has(other) && written(other)) continue;
        if (!found.has(other)) todo.push(other);
        found.add(other);
      }
    }
  }
  return [...found];
}

function related(table: Table, all: readonly Table[]): readonly Table[] {
  const parents = table.foreignKeys.map(({ parent }) => foldName(parent));
  return all.filter(
    (other) =>
      parents.includes(foldName(other.name)) ||
      other.foreignKeys.some(({ parent }) => foldName(parent) === foldName(table.name)),
  );
}

/** Runs the text over the scratch as a client of one SQLite would, in a transaction if it has one. */
function runIn(
  scratch: Scratch,
  binding: Binding,
  sql: string,
  values: SqlRow,
  context: WriteContext,
): Written {
  const { catalogue, deferForeignKeys, foreignKeys, inTransaction, lastInsertRowid } = context;
  const { db } = scratch;
  if (binding.usesTrigger || binding.usesView) {
    scratch.spoiled = true;
    makeTriggers(db, catalogue);
  }
  const ran = measured(db, { sql, values, before: lastInsertRowid }, 'temp', () =>
    db.exec(
      `PRAGMA ignore_check_constraints = OFF; PRAGMA foreign_keys = ${onOff(foreignKeys)};
      PRAGMA recursive_triggers = ${onOff(context.recursiveTriggers)}${inTransaction ? `; BEGIN; PRAGMA defer_foreign_keys = ${onOff(deferForeignKeys)}` : ''}`,
    ),
  );
  const rolledBack = ran.failure !== undefined && inTransaction && !db.inTransaction;
  let keysOpen = false;
  if (db.inTransaction) {
    try {
      db.exec('COMMIT');
    } catch {
      // A deferred foreign key is broken, which the client may yet mend. The rows are read inside the open transaction.
      keysOpen = true;
      scratch.spoiled = true;
    }
  }
  db.exec('PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON');
  return { ...ran, rolledBack, keysOpen };
}

function onOff(on: boolean): string {
  return on ? 'ON' : 'OFF';
}

/** Tells the ids of rows that are not those that SQLite chose, by those. `areUnseen`: hidden ones may be others. */
async function writeBack(
  before: Before,
  scratch: Scratch,
  areUnseen: boolean,
  context: WriteContext & GivenBefore,
): Promise<ReadonlyMap<Table | undefined, ReadonlyMap<SqlValue, bigint>>> {
  const replaced = new Map<Table, ReadonlyMap<SqlValue, bigint>>();
  const inserts = new Map<number, StripeWrite[]>();
  const deletes = new Map<number, StripeWrite[]>();
  for (const [table, rows] of before) {
    const gone = new Map(rows);
    let added: SqlRow[] = [];
    for (const row of scratch.read(table)) {
      const key = rowKey(table, row);
      const old = gone.get(key);
      if (old !== undefined && sameRow(old.row, row)) gone.delete(key);
      else added.push(row);
    }
    for (const { row, stripe } of gone.values()) {
      for (const target of table.place === 'reference' ? everyStripe(context) : [stripe]) {
        addRun(deletes, target, deleteText(table), keyValues(table, row));
      }
    }
    // Another node may have SQLite's choice in its block, and no stripe would notice.
    if (
      areUnseen &&
      table !== context.filled &&
      table.ridHidden &&
      table.distkey?.name !== table.rid
    ) {
      const ids = await sourceIds(table, rows, added, context);
      replaced.set(table, ids);
      added = added.map(([id = null, ...rest]) => [ids.get(id) ?? id, ...rest]);
    } else {
      await tellIds(table, rows, added, context);
    }
    for (const row of added) {
      for (const target of homesOf(table, row, context)) {
        addRun(inserts, target, insertText(table), row);
      }
    }
  }
  // All deletes first: a row may take the place of another, also on another stripe.
  for (const writes of [deletes, inserts]) {
    await settleAll(
      [...writes].map(async ([stripe, texts]) => context.session.write(stripe, texts)),
    );
  }
  return replaced;
}

/** Neither the text nor a trigger can have seen a hidden id. */
export function areIdsUnseen(
  binding: Pick<Binding, 'sql'>,
  { catalogue }: Pick<WriteContext, 'catalogue'>,
): boolean {
  const others = catalogue.objects.filter(({ type }) => type === 'trigger' || type === 'view');
  return ![binding, ...others].some(({ sql }) => /rowid|\boid\b/i.test(sql));
}

/** Ids from the source for new rows, by those that SQLite chose. Empty where there is no source. */
async function sourceIds(
  table: Table,
  before: ReadonlyMap<string, Origin>,
  rows: readonly SqlRow[],
  { ids, slots }: WriteContext,
): Promise<ReadonlyMap<SqlValue, bigint>> {
  const source = idsFor(table, ids, slots.count);
  const known = new Set([...before.values()].map(({ row }) => row[0]));
  const chosen = rows.map(([id = null]) => id).filter((id) => !known.has(id));
  if (source === undefined || chosen.length === 0) return new Map();
  let next = await source.next(table.counter, chosen.length);
  if (chosen.some((_, at) => known.has(next + BigInt(at)))) {
    await source.taken(table.counter, largestOf(known) ?? 0n);
    next = await source.next(table.counter, chosen.length);
  }
  return new Map(chosen.map((id) => [id, next++]));
}

/**
 * Ids that SQLite chose, or the text, are not to be given once more. Where rows of equal ids are on different stripes, no stripe would notice that: so whoever
 * may be about to give one has to begin anew.
 */
async function tellIds(
  table: Table,
  before: ReadonlyMap<string, Origin>,
  rows: readonly SqlRow[],
  { given, ids, session, slots }: WriteContext & GivenBefore,
): Promise<void> {
  const source = idsFor(table, ids, slots.count);
  if (source === undefined || table.rid === undefined) return;
  const at = storedColumns(table).indexOf(table.rid);
  const known = new Set([...before.values()].map(({ row }) => row[at]));
  const chosen = rows
    .map((row) => row[at])
    .filter((id) => !known.has(id) && !given?.has(id ?? null));
  const isFar = table.distkey?.name !== table.rid;
  let mayBeGiven = false;
  // The largest first: those below it need not be asked of the registry one by one.
  for (const id of new Set(chosen.filter((one) => typeof one === 'bigint').toSorted(descending))) {
    mayBeGiven = (await source.taken(table.counter, id)) || mayBeGiven;
    if (!isFar || mayBeGiven) break;
  }
  if (isFar && mayBeGiven) await session.renewSchema?.();
}

function descending(one: bigint, other: bigint): number {
  return one < other ? 1 : -1;
}

function everyStripe({ slots }: WriteContext): readonly number[] {
  return Array.from({ length: slots.count }, (_, stripe) => stripe);
}

export function homesOf(table: Table, row: SqlRow, context: WriteContext): readonly number[] {
  if (table.place === 'reference') return everyStripe(context);
  if (table.place === 'temporary') return [OWN_STRIPE];
  if (table.distkey === undefined) return [0];
  const at = storedColumns(table).indexOf(table.distkey.name);
  const key = row[at] ?? null;
  return [context.slots.stripes[slotOf(key, table.distkey.collation)] ?? 0];
}

function addRun(into: Map<number, StripeWrite[]>, stripe: number, sql: string, run: SqlRow): void {
  const writes = into.get(stripe) ?? [];
  into.set(stripe, writes);
  const last = writes.at(-1);
  if (last?.sql === sql) (last.runs as SqlRow[]).push(run);
  else writes.push({ sql, runs: [run] });
}

function deleteText(table: Table): string {
  const terms = keyNames(table).map((name) => `${quoted(name)} IS ?`);
  return `DELETE FROM ${quoted(table.name)} WHERE ${terms.join(' AND ')}`;
}

export function insertText(table: Table): string {
  const columns = storedColumns(table);
  const marks = columns.map((_, at) => `?${at + 1}`).join(', ');
  return `INSERT INTO ${quoted(table.name)}(${list(columns)}) VALUES (${marks})`;
}

/** Columns that name a row of a stripe. Virtual tables without a rowid of their own are named by their first column. */
export function keyNames(table: Table): readonly string[] {
  return table.key.length > 0 ? table.key : [table.columns[0]?.name ?? 'rowid'];
}

function keyValues(table: Table, row: SqlRow): SqlValue[] {
  const columns = storedColumns(table);
  return keyNames(table).map((name) => row[columns.indexOf(name)] ?? null);
}

function rowKey(table: Table, row: SqlRow): string {
  return identityOf(keyValues(table, row));
}
