/** The clients that people use, over HTTP, against real stripes: one and three. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Client,
  createHttpClient,
  createSocketClient,
  drizzle,
  eq,
  integer,
  sqliteTable,
  text,
} from '../testing/libsql-clients.ts';
import {
  belongsTo,
  HranaDatabase,
  integer as integerField,
  model,
  string,
  transaction,
  useDatabase,
} from '../src/web/web.ts';
import { sql, typedQueries } from '../src/web/kysely-main.ts';
import { serveSql, startSql } from '../testing/sql-kit.ts';

async function withClients(
  count: number,
  work: (client: Client, url: string) => Promise<void>,
): Promise<void> {
  await using on = await startSql(count);
  await using served = await serveSql(on.engine);
  for (const client of [
    createHttpClient({ url: served.url }),
    createSocketClient({ url: served.url.replace('http:', 'ws:') }),
  ]) {
    await work(client, served.url);
    client.close();
  }
}

const Team = model('team', { name: string({ unique: true }) });
const Player = model(
  'player',
  { name: string(), team_id: belongsTo('team', { onDelete: 'cascade' }), points: integerField() },
  { distribute: { by: 'team_id' } },
);
const db = typedQueries({ teams: Team, players: Player });

for (const count of [1, 3]) {
  test(`models and typed queries of the web framework over ${count} stripes`, async () => {
    await using on = await startSql(count);
    await using served = await serveSql(on.engine);
    await using database = new HranaDatabase(`${served.url}/`);
    useDatabase(database);
    await database.script(
      `CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at TEXT, updated_at TEXT);
       CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL, team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
         points INTEGER NOT NULL, created_at TEXT, updated_at TEXT) /* moln: distribute by team_id */;`,
    );
    const teams = await transaction(async () => {
      const made = [];
      for (const name of ['Red', 'Green', 'Blue']) made.push(await Team.create({ name }));
      for (const { id } of made)
        for (const points of [1, 2]) await Player.create({ name: 'One', team_id: id, points });
      return made;
    });
    assert.equal((await Team.tryCreate({ name: 'Red' })).ok, false);
    const sums = db
      .selectFrom('players')
      .innerJoin('teams', 'teams.id', 'players.team_id')
      .select(({ fn }) => ['teams.name', fn.sum<number>('players.points').as('points')])
      .groupBy('teams.name')
      .orderBy('teams.name');
    const undone = transaction(async () => {
      const [first] = teams;
      await db
        .updateTable('players')
        .set({ points: sql`points + 10` })
        .where('team_id', '=', first?.id ?? 0)
        .execute();
      assert.deepEqual(
        (await sums.execute()).map(({ points }) => points),
        [3, 3, 23],
      );
      throw new Error('No');
    });
    await assert.rejects(undone, /No/);
    assert.deepEqual(await sums.execute(), [
      { name: 'Blue', points: 3 },
      { name: 'Green', points: 3 },
      { name: 'Red', points: 3 },
    ]);
    await Team.delete(teams[0]?.id ?? 0);
    assert.equal(await Player.search('ONE', 'name').count(), 4);
    assert.equal(await Player.where({ team_id: [] }).count(), 0);
  });

  test(`values, batches, transactions and errors over ${count} stripes`, async () => {
    await withClients(count, async (client, url) => {
      await client.execute('DROP TABLE IF EXISTS notes');
      await client.execute(
        'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, size REAL, data BLOB)',
      );
      const { lastInsertRowid, rowsAffected } = await client.execute({
        sql: 'INSERT INTO notes (text, size, data) VALUES (?, ?, ?)',
        args: ['a', 1.5, new Uint8Array([1, 2])],
      });
      assert.equal(rowsAffected, 1);
      assert.ok(lastInsertRowid !== undefined && lastInsertRowid > 0n);
      const results = await client.batch(
        [
          "INSERT INTO notes (text) VALUES ('b')",
          { sql: 'INSERT INTO notes (text) VALUES (?)', args: ['c'] },
          'SELECT count(*) AS n FROM notes',
        ],
        'write',
      );
      assert.equal(results[2]?.rows[0]?.['n'], 3);
      await assert.rejects(
        client.batch([
          "INSERT INTO notes (text) VALUES ('d')",
          "INSERT INTO notes (text) VALUES ('a')",
        ]),
        { code: 'SQLITE_CONSTRAINT_UNIQUE' },
      );
      await assert.rejects(client.execute('SELECT * FRM notes'), /near "FRM": syntax error/);
      const transaction = await client.transaction('write');
      await transaction.execute("UPDATE notes SET text = text || '!'");
      await transaction.rollback();
      const reading = await client.transaction('read');
      assert.equal((await reading.execute('SELECT count(*) AS n FROM notes')).rows[0]?.['n'], 3);
      await assert.rejects(reading.execute('DELETE FROM notes'), { code: 'SQLITE_READONLY' });
      await reading.rollback();
      const { rows } = await client.execute('SELECT text FROM notes ORDER BY text');
      assert.deepEqual(
        rows.map((row) => row['text']),
        ['a', 'b', 'c'],
      );
      const reader = createHttpClient({ url, authToken: 'reader' });
      assert.equal((await reader.execute('SELECT count(*) AS n FROM notes')).rows[0]?.['n'], 3);
      await client.executeMultiple(
        'DROP TABLE IF EXISTS marks; CREATE TABLE marks (note INTEGER REFERENCES notes (id)); INSERT INTO marks SELECT id FROM notes;',
      );
      // Whatever it would come to: a key that is in the way, or no row at all.
      for (const sql of ['DELETE FROM notes', 'UPDATE notes SET size = 1 WHERE id < 0'])
        await assert.rejects(reader.execute(sql), { code: 'SQLITE_READONLY' }, sql);
      reader.close();
      await assert.rejects(
        client.execute("ATTACH 'x' AS y"),
        /not supported\. Use a second connection/,
      );
      await client.execute('DROP TABLE marks');
    });
  });
}

test('Drizzle', async () => {
  await withClients(3, async (client) => {
    const users = sqliteTable('users', {
      id: integer('id').primaryKey({ autoIncrement: true }),
      name: text('name').notNull(),
    });
    await client.execute('DROP TABLE IF EXISTS users');
    await client.execute(
      'CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL)',
    );
    const db = drizzle(client);
    const [ann] = await db.insert(users).values({ name: 'Ann' }).returning();
    await db.transaction(async (tx) => {
      await tx.insert(users).values([{ name: 'Bob' }, { name: 'Cid' }]);
      await tx
        .update(users)
        .set({ name: 'Anna' })
        .where(eq(users.id, ann?.id ?? 0));
    });
    const all = await db.select().from(users).orderBy(users.name);
    assert.deepEqual(
      all.map(({ name }) => name),
      ['Anna', 'Bob', 'Cid'],
    );
  });
});
