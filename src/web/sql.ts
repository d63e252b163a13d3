/**
 * The database as the framework sees it: statements in, rows out, whether it is a file of `moln dev` or a database of the
 * cluster. Which one is meant comes from the app that runs, or from the transaction that one is in.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { MolnError } from '../base/errors.ts';

export type SqlValue = string | number | bigint | null | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Statement {
  readonly sql: string;
  readonly args: readonly SqlValue[];
}

export interface SqlResult {
  readonly rows: readonly SqlRow[];
  /** Rows that an INSERT, UPDATE or DELETE changed. */
  readonly changes: number;
  /** Of the last INSERT. */
  readonly lastId: number;
}

export interface Connection {
  run(statement: Statement): Promise<SqlResult>;
  /** Several statements in one text, without arguments: what a migration is. Ends at the first that fails. */
  script(text: string): Promise<void>;
}

export interface Database extends Connection, AsyncDisposable {
  /** All or nothing. What `work` does must go through the connection that it gets. */
  transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
}

interface Transaction {
  readonly connection: Connection;
  /** Tables whose rows it has changed. */
  readonly changed: Set<string>;
}

const inTransaction = new AsyncLocalStorage<Transaction>();
const listeners = new Set<(tables: ReadonlySet<string>) => void>();
let current: Database | undefined;

/** The database of this process's app. A new one takes the place of the old one. */
export function useDatabase(database: Database | undefined): void {
  current = database;
}

export function theDatabase(): Database {
  if (current !== undefined) return current;
  throw new MolnError('WEB_NO_DATABASE', 'There is no database yet: the app has not started', {
    hint: 'Ask for rows in an action, a job or a test, not while a file is being loaded',
  });
}

/** The transaction that one is in, else the database. */
export function theConnection(): Connection {
  return inTransaction.getStore()?.connection ?? theDatabase();
}

/**
 * Everything that models do in `work` happens or nothing does. Inside another transaction it is a part of that one.
 *
 *     await transaction(async () => { await from.update(a, { sum: 1 }); await to.update(b, { sum: 2 }); });
 */
export async function transaction<T>(work: () => Promise<T>): Promise<T> {
  if (inTransaction.getStore() !== undefined) return await work();
  const changed = new Set<string>();
  const result = await theDatabase().transaction(
    async (connection) => await inTransaction.run({ connection, changed }, work),
  );
  if (changed.size > 0) tell(changed);
  return result;
}

export function isInTransaction(): boolean {
  return inTransaction.getStore() !== undefined;
}

/** Models say that they have changed rows; who listens hears of it when that is sure. */
export function rowsChanged(table: string): void {
  const transaction = inTransaction.getStore();
  if (transaction === undefined) tell(new Set([table]));
  else transaction.changed.add(table);
}

/** Calls after each change that models make in this process. */
export function onRowsChanged(listener: (tables: ReadonlySet<string>) => void): Disposable {
  listeners.add(listener);
  return { [Symbol.dispose]: () => listeners.delete(listener) };
}

function tell(tables: ReadonlySet<string>): void {
  for (const listener of listeners) listener(tables);
}

/**
 * Rows of a statement that models have no words for; what stands in `${}` is an argument, never text.
 *
 *     const [{ n }] = await query<{ n: number }>`SELECT count(*) AS n FROM posts WHERE author = ${name}`;
 */
export async function query<Row = SqlRow>(
  parts: TemplateStringsArray,
  ...values: readonly unknown[]
): Promise<readonly Row[]> {
  const sql = parts.reduce((text, part, at) => (at === 0 ? part : `${text}?${part}`), '');
  const { rows } = await theConnection().run({ sql, args: values.map(sqlValue) });
  return rows as unknown as readonly Row[];
}

/** A JavaScript value as SQLite keeps it. Throws `WEB_SQL_VALUE` for what has no such form. */
export function sqlValue(value: unknown): SqlValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' || typeof value === 'bigint') return value;
  if (typeof value === 'number') {
    if (!Number.isNaN(value)) return value;
    throw new MolnError('WEB_SQL_VALUE', 'NaN cannot be kept in the database');
  }
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return value;
  throw new MolnError('WEB_SQL_VALUE', `A value of type ${typeof value} cannot go into SQL`, {
    hint: 'Give a string, number, boolean, Date, Uint8Array or null',
  });
}

/** A name in SQL, quoted. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
