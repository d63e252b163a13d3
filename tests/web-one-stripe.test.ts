/** Queries of an app that compare the column by which a table is distributed ask one stripe, whoever wrote the SQL: models or Kysely. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveSql, startSql } from '../testing/sql-kit.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { StripeClient } from '../src/database/database.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { belongsTo, HranaDatabase, integer, model, string, useDatabase } from '../src/web/web.ts';
import { typedQueries } from '../src/web/kysely-main.ts';

const STRIPES = 3;
const TEAMS = 4;
const Team = model('team', { name: string() });
const Player = model(
  'player',
  { name: string(), team_id: belongsTo('team', { onDelete: 'cascade' }), points: integer() },
  { distribute: { by: 'team_id' } },
);
const db = typedQueries({ teams: Team, players: Player });

/** The same stripe; `asked` hears of each call. */
function noted(stripe: StripeClient, asked: Set<string>): StripeClient {
  return new Proxy(stripe, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...words: readonly unknown[]): unknown => {
        asked.add(target.name);
        return Reflect.apply(value as () => unknown, target, words);
      };
    },
  });
}

test('a query by key asks one stripe, of models as of Kysely', async () => {
  const asked = new Set<string>();
  await using sql = await startSql(STRIPES);
  await using engine = new SqlEngine({
    name: 'shop',
    stripes: sql.stripes.map((stripe) => noted(stripe, asked)),
    log: sql.on.log,
    ids: new TableIds(sql.on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
  });
  await using served = await serveSql(engine);
  await using database = new HranaDatabase(`${served.url}/`);
  useDatabase(database);
  await database.script(
    `CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_at TEXT, updated_at TEXT);
     CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL, team_id INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
       points INTEGER NOT NULL, created_at TEXT, updated_at TEXT) /* moln: distribute by team_id */;`,
  );
  const teams = [];
  for (let at = 0; at < TEAMS; at++) teams.push(await Team.create({ name: `Team ${at}` }));
  const byKey: Readonly<Record<string, (id: number) => Promise<unknown>>> = {
    'Team.find': (id) => Team.find(id),
    'Team.update': (id) => Team.update(id, { name: 'New' }),
    'Team.create': (id) => Team.create({ name: `After ${id}` }),
    'Player.where': (team_id) => Player.where({ team_id }).order('-points').limit(5).all(),
    'Player.count': (team_id) => Player.where({ team_id, points: { gt: 0 } }).count(),
    'Player.page': (team_id) => Player.where({ team_id }).page(1),
    'Player.update': (team_id) => Player.where({ team_id }).update({ points: 2 }),
    selectFrom: (team_id) =>
      db.selectFrom('players').selectAll().where('team_id', '=', team_id).execute(),
    innerJoin: (id) =>
      db
        .selectFrom('players as p')
        .innerJoin('teams as t', 't.id', 'p.team_id')
        .select(['t.name', 'p.points'])
        .where('p.team_id', '=', id)
        .where('t.id', '=', id)
        .execute(),
    updateTable: (team_id) =>
      db.updateTable('players').set({ points: 3 }).where('team_id', '=', team_id).execute(),
    deleteFrom: (team_id) => db.deleteFrom('players').where('team_id', '=', team_id).execute(),
  };
  for (const [what, ask] of Object.entries(byKey)) {
    const homes = new Set<string>();
    for (const { id } of teams) {
      asked.clear();
      await ask(id);
      assert.equal(asked.size, 1, `${what} of team ${id} asked ${[...asked].join(', ')}`);
      for (const home of asked) homes.add(home);
    }
    assert.ok(homes.size > 1, `${what}: teams are on several stripes`);
  }
  asked.clear();
  await db.selectFrom('players').selectAll().where('points', '=', 3).execute();
  assert.equal(asked.size, STRIPES, 'what has no key is asked of all');
});
