/** Applications written with Drizzle and with Kysely run on the wire unchanged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  blob,
  type Client,
  type CompiledQuery,
  createHttpClient,
  createSocketClient,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  drizzle,
  drizzleSql,
  eq,
  type Generated,
  integer,
  Kysely,
  type QueryResult,
  real,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sqliteTable,
  text,
  type Transaction,
} from '../testing/libsql-clients.ts';
import { startHrana, TOKENS } from './hrana-kit.ts';

const users = sqliteTable('users', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  name: text('name').notNull().unique(),
  score: real('score'),
  since: integer('since', { mode: 'timestamp' }),
  picture: blob('picture', { mode: 'buffer' }),
});

for (const form of ['http', 'ws'] as const) {
  test(`Drizzle over ${form}`, async (t) => {
    await using kit = await startHrana();
    const client =
      form === 'http'
        ? createHttpClient({ url: kit.url, authToken: TOKENS.ada })
        : createSocketClient({ url: kit.socketUrl, authToken: TOKENS.ada });
    t.after(() => client.close());
    const db = drizzle(client);
    await db.run(
      drizzleSql`CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, score REAL, since INTEGER, picture BLOB)`,
    );
    const since = new Date('2026-01-02T03:04:05Z');
    const ada = { name: 'Ada', score: 1.5, since, picture: Buffer.from([1, 0, 2]) };
    const [added] = await db
      .insert(users)
      .values([ada, { name: 'Bob' }])
      .returning();
    assert.deepEqual(added, { id: 1, ...ada });
    await db.transaction(async (tx) => {
      await tx.update(users).set({ score: 2 }).where(eq(users.name, 'Bob'));
      await assert.rejects(
        tx.transaction(async (nested) => {
          await nested.delete(users);
          nested.rollback();
        }),
      );
    });
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.delete(users);
        throw new Error('never mind');
      }),
      /never mind/,
    );
    await assert.rejects(db.insert(users).values({ name: 'Bob' }), (error: Error) => {
      assert.match(String(error.cause), /SQLITE_CONSTRAINT_UNIQUE/);
      return true;
    });
    const [all, count] = await db.batch([
      db.select().from(users).orderBy(users.id),
      db.select({ n: drizzleSql<number>`count(*)` }).from(users),
    ]);
    assert.deepEqual(
      all.map(({ name, score }) => [name, score]),
      [
        ['Ada', 1.5],
        ['Bob', 2],
      ],
    );
    assert.deepEqual(count, [{ n: 2 }]);
  });
}

interface Tables {
  readonly pets: {
    readonly id: Generated<number>;
    readonly name: string;
    readonly owner: number | null;
  };
}

test('Kysely', async (t) => {
  await using kit = await startHrana();
  const client = createHttpClient({ url: kit.url, authToken: TOKENS.ada });
  t.after(() => client.close());
  const db = new Kysely<Tables>({ dialect: dialectOf(client) });
  await db.schema
    .createTable('pets')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('owner', 'integer')
    .execute();
  const added = await db
    .insertInto('pets')
    .values([
      { name: 'Rex', owner: 1 },
      { name: 'Tom', owner: null },
    ])
    .returning(['id', 'name'])
    .execute();
  assert.deepEqual(added, [
    { id: 1, name: 'Rex' },
    { id: 2, name: 'Tom' },
  ]);
  await db.transaction().execute(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('pets')
      .set({ owner: 7 })
      .where('name', '=', 'Tom')
      .executeTakeFirstOrThrow();
    assert.equal(numUpdatedRows, 1n);
  });
  await assert.rejects(
    db.transaction().execute(async (tx) => {
      await tx.deleteFrom('pets').execute();
      throw new Error('never mind');
    }),
    /never mind/,
  );
  const found = await db.selectFrom('pets').select('name').where('owner', '=', 7).execute();
  assert.deepEqual(found, [{ name: 'Tom' }]);
  const [table] = await db.introspection.getTables();
  assert.deepEqual(
    table?.columns.map(({ name }) => name),
    ['id', 'name', 'owner'],
  );
});

/** Kysely's own way to a database, over a client of libSQL. */
function dialectOf(client: Client): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new LibsqlDriver(client),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

class LibsqlConnection implements DatabaseConnection {
  readonly client: Client;
  transaction: Transaction | undefined;

  constructor(client: Client) {
    this.client = client;
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const statement = { sql, args: parameters as readonly (string | number | null)[] as [] };
    const result = await (this.transaction ?? this.client).execute(statement);
    return {
      rows: result.rows.map((row) => ({ ...row })) as Row[],
      numAffectedRows: BigInt(result.rowsAffected),
      ...(result.lastInsertRowid === undefined ? {} : { insertId: result.lastInsertRowid }),
    };
  }

  // oxlint-disable-next-line require-yield -- Kysely's interface wants it; nothing here streams
  async *streamQuery(): AsyncGenerator<never> {
    await Promise.reject(new Error('not asked for'));
  }
}

class LibsqlDriver implements Driver {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  init = (): Promise<void> => Promise.resolve();
  destroy = (): Promise<void> => Promise.resolve();
  releaseConnection = (): Promise<void> => Promise.resolve();

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(new LibsqlConnection(this.#client));
  }

  async beginTransaction(connection: LibsqlConnection): Promise<void> {
    connection.transaction = await this.#client.transaction('write');
  }

  async commitTransaction(connection: LibsqlConnection): Promise<void> {
    await connection.transaction?.commit();
    connection.transaction = undefined;
  }

  async rollbackTransaction(connection: LibsqlConnection): Promise<void> {
    await connection.transaction?.rollback();
    connection.transaction = undefined;
  }
}
