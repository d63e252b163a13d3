import assert from 'node:assert/strict';
import { test } from 'node:test';
import { belongsTo, boolean, datetime, integer, string } from './fields.ts';
import { sql, typedQueries } from './kysely-main.ts';
import { model } from './model.ts';
import { onRowsChanged, transaction, useDatabase } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const Team = model('team', { name: string() });
const Player = model('player', {
  name: string(),
  team_id: belongsTo('team'),
  points: integer({ default: 0 }),
  active: boolean(),
  since: datetime({ optional: true }),
});
const db = typedQueries({ teams: Team, players: Player });

async function database(): Promise<SqliteDatabase> {
  const made = new SqliteDatabase(':memory:');
  await made.script(`
    CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_at TEXT, updated_at TEXT);
    CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL, team_id INTEGER REFERENCES teams (id), points INTEGER NOT NULL DEFAULT 0,
      active INTEGER NOT NULL DEFAULT 0, since TEXT, created_at TEXT, updated_at TEXT);`);
  useDatabase(made);
  return made;
}

test('tables of models are asked by typed queries, with joins and sums', async () => {
  await using _database = await database();
  const [red, blue] = [await Team.create({ name: 'Red' }), await Team.create({ name: 'Blue' })];
  const since = new Date('2027-01-31T12:00:00Z');
  await Player.create({ name: 'Ada', team_id: red.id, points: 3, active: true, since });
  await Player.create({ name: 'Bob', team_id: red.id, points: 4 });
  await Player.create({ name: 'Eve', team_id: blue.id, points: 5, active: true });
  const sums = await db
    .selectFrom('players')
    .innerJoin('teams', 'teams.id', 'players.team_id')
    .select(({ fn }) => ['teams.name', fn.sum<number>('players.points').as('points')])
    .groupBy('teams.id')
    .orderBy('points', 'desc')
    .execute();
  assert.deepEqual(sums, [
    { name: 'Red', points: 7 },
    { name: 'Blue', points: 5 },
  ]);
  // As the database keeps them.
  const ada = await db
    .selectFrom('players')
    .select(['active', 'since'])
    .where('active', '=', 1)
    .where('since', 'is not', null)
    .executeTakeFirstOrThrow();
  assert.deepEqual({ ...ada }, { active: 1, since: since.toISOString() });
  const first: string | null = ada.since;
  assert.equal(typeof first, 'string');
  const { n } = await db
    .selectFrom('players')
    .select(sql<number>`count(*) + ${1}`.as('n'))
    .executeTakeFirstOrThrow();
  assert.equal(n, 4);
});

test('changes belong to the transaction of models, and live pages hear of them', async () => {
  await using _database = await database();
  const heard: string[] = [];
  using _listening = onRowsChanged((tables) => heard.push([...tables].join()));
  const team = await Team.create({ name: 'Red' });
  const values = { team_id: team.id, active: true, created_at: new Date(), updated_at: new Date() };
  const added = await db
    .insertInto('players')
    .values({ name: 'Ada', ...values })
    .returning(['id', 'active'])
    .executeTakeFirstOrThrow();
  assert.deepEqual({ ...added }, { id: 1, active: 1 });
  const undone = transaction(async () => {
    await Player.create({ name: 'Bob', team_id: team.id });
    const { numUpdatedRows } = await db
      .updateTable('players')
      .set({ since: new Date(), active: false })
      .where('team_id', '=', team.id)
      .executeTakeFirstOrThrow();
    assert.equal(numUpdatedRows, 2n);
    throw new Error('No');
  });
  await assert.rejects(undone, /No/);
  assert.deepEqual(
    (await Player.all()).map(({ name, active }) => [name, active]),
    [['Ada', true]],
  );
  assert.deepEqual(heard, ['teams', 'players']);
  assert.equal((await db.deleteFrom('players').executeTakeFirst()).numDeletedRows, 1n);
});

test('a table by another name is refused', () => {
  assert.throws(() => typedQueries({ player: Player }), /table of this model is "players"/);
});
