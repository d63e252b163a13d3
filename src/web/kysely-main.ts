/// <reference types="node" />
/**
 * Typed queries by Kysely over the tables of models: what apps import from `moln/kysely`. They run where models do, in the transaction
 * that one is in too, and live pages hear of what they change. Values are as the database keeps them. The only file that knows Kysely.
 */
import {
  type ColumnType,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { MolnError } from '../base/errors.ts';
import type { Field } from './fields.ts';
import type { Fields, Model } from './model.ts';
import { refuseGuarded } from './policy.ts';
import { rowsChanged, sqlValue, theConnection } from './sql.ts';

export { sql } from 'kysely';

/** As rows have it: times and JSON are text, a boolean is 0 or 1. */
type Kept<Value> = Value extends Date
  ? string
  : Value extends boolean
    ? number
    : Value extends string | number | null
      ? Value
      : string;
/** What may be given for it. */
type Taken<Value> = Kept<Value> | Extract<Value, Date | boolean>;
type ColumnOf<F> =
  F extends Field<infer Value, infer Free>
    ? ColumnType<
        Kept<Value>,
        Free extends true ? Taken<Value> | undefined : Taken<Value>,
        Taken<Value>
      >
    : never;
type TableOf<M> =
  M extends Model<infer F extends Fields>
    ? { readonly [Name in keyof F]: ColumnOf<F[Name]> } & {
        readonly id: ColumnType<number, number | undefined, never>;
        readonly created_at: ColumnType<string, string | Date, string | Date>;
        readonly updated_at: ColumnType<string, string | Date, string | Date>;
      }
    : never;

/** Models by the names of their tables. */
type Models = Readonly<Record<string, { readonly name: string; readonly table: string }>>;
/** What Kysely calls a database: rows by table. */
export type Tables<M extends Models> = { [Table in keyof M]: TableOf<M[Table]> };

/** Of Kysely, what asks and changes; transactions are those of `moln`, so that models are part of them. */
export type TypedQueries<M extends Models> = Pick<
  Kysely<Tables<M>>,
  | 'deleteFrom'
  | 'fn'
  | 'insertInto'
  | 'selectFrom'
  | 'selectNoFrom'
  | 'updateTable'
  | 'with'
  | 'withRecursive'
>;

/**
 * Queries over these models' tables, which the compiler checks.
 *
 *     export const db = typedQueries({ posts: Post, users: User });
 *     await db.selectFrom('posts').innerJoin('users', 'users.id', 'posts.user_id').select(['title', 'email']).execute();
 */
export function typedQueries<const M extends Models>(models: M): TypedQueries<M> {
  for (const [name, { table }] of Object.entries(models)) {
    if (name === table) continue;
    throw new MolnError('WEB_TABLE_NAME', `The table of this model is "${table}", not "${name}"`, {
      hint: `Write typedQueries({ ${table}: … })`,
    });
  }
  return new Kysely<Tables<M>>({ dialect: new ModelDialect(models) });
}

class ModelDialect implements Dialect {
  readonly #models: Models;
  readonly createAdapter = (): SqliteAdapter => new SqliteAdapter();
  readonly createQueryCompiler = (): SqliteQueryCompiler => new SqliteQueryCompiler();
  readonly createIntrospector = (db: Kysely<never>): SqliteIntrospector =>
    new SqliteIntrospector(db);
  readonly createDriver = (): Driver => driverOf(new ModelConnection(this.#models));

  constructor(models: Models) {
    this.#models = models;
  }
}

/** One connection for all: each statement finds the transaction that it belongs to by itself. */
function driverOf(connection: DatabaseConnection): Driver {
  const done = (): Promise<void> => Promise.resolve();
  const refuse = (): Promise<never> =>
    Promise.reject(
      new MolnError('WEB_TRANSACTION', 'Typed queries have no transactions of their own', {
        hint: 'Write "await transaction(async () => { … })" with transaction of "moln"',
      }),
    );
  return {
    init: done,
    destroy: done,
    releaseConnection: done,
    acquireConnection: () => Promise.resolve(connection),
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
  };
}

class ModelConnection implements DatabaseConnection {
  readonly #models: Models;

  constructor(models: Models) {
    this.#models = models;
  }

  async executeQuery<Row>({ parameters, query, sql }: CompiledQuery): Promise<QueryResult<Row>> {
    const tables = [...new Set(tablesIn(query))].filter((table) => table in this.#models);
    for (const table of tables) refuseGuarded(this.#models[table] ?? { name: table });
    const result = await theConnection().run({ sql, args: parameters.map(sqlValue) });
    if (query.kind !== 'SelectQueryNode') for (const table of tables) rowsChanged(table);
    return {
      rows: result.rows as unknown as Row[],
      numAffectedRows: BigInt(result.changes),
      insertId: BigInt(result.lastId),
    };
  }

  // oxlint-disable-next-line require-yield -- Kysely's interface wants it
  async *streamQuery(): AsyncGenerator<never> {
    await Promise.reject(new MolnError('WEB_STREAM', 'Rows of typed queries come all at once'));
  }
}

/** Names of all tables that a query has words for; those in SQL of one's own are not seen. */
function tablesIn(node: unknown): readonly string[] {
  if (typeof node !== 'object' || node === null) return [];
  const { kind, table } = node as { readonly kind?: unknown; readonly table?: unknown };
  if (kind === 'TableNode') {
    const { identifier } = table as { readonly identifier: { readonly name: string } };
    return [identifier.name];
  }
  return Object.values(node).flatMap(tablesIn);
}
