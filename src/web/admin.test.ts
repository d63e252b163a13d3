import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../base/log.ts';
import { adminPages } from './admin.ts';
import { App } from './app.ts';
import { belongsTo, datetime, string } from './fields.ts';
import { Input } from './forms.ts';
import { model } from './model.ts';
import type { Controller } from './routes.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const Team = model('team', { name: string() });
const Player = model('player', { nick: string(), team_id: belongsTo('team') });
const Match = model('match', { at: datetime() });
const Entry = model('entry', { note: string(), author: string({ editable: false }) });

test('references are chosen by name, and rows that only code can make have no form', async () => {
  await using database = new SqliteDatabase(':memory:');
  await database.script(`
    CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT, created_at TEXT, updated_at TEXT);
    CREATE TABLE players (id INTEGER PRIMARY KEY, nick TEXT, team_id INTEGER, created_at TEXT, updated_at TEXT);
    CREATE TABLE entries (id INTEGER PRIMARY KEY, note TEXT, author TEXT, created_at TEXT, updated_at TEXT);
    INSERT INTO entries VALUES (1, 'Kept', 'ada', '2027-01-31T12:00:00.000Z', '2027-01-31T12:00:00.000Z');`);
  const admin = adminPages({ models: [Team, Player, Entry], before: [() => undefined] });
  const log = createLogger({ part: 'test', now: () => 0, sinks: [] });
  const parts = {
    models: [],
    policies: [],
    controllers: { admin },
    jobs: [],
    migrations: [],
    islands: new Map(),
  };
  using app = await App.start(
    { ...parts, islandScript: '', publicFolder: '/nowhere' },
    { database, log },
  );
  const page = async (path: string): Promise<Response> =>
    await app.fetch(new Request(`http://localhost${path}`), '127.0.0.1');
  await Team.create({ name: 'Reds' });
  const blues = await Team.create({ name: 'Blues & co' });
  await Player.create({ nick: 'Bo', team_id: blues.id });
  assert.match(
    await (await page('/admin/players/new')).text(),
    /<option value="1">Reds \(1\)<\/option>/,
  );
  assert.match(
    await (await page('/admin/players/1')).text(),
    /<option value="2" selected="">Blues &amp; co \(2\)<\/option>/,
  );
  for (let at = 0; at < 200; at++) await Team.create({ name: `Team ${at}` });
  const many = await (await page('/admin/players/1')).text();
  assert.match(many, /name="team_id"[^>]*type="number"[^>]*value="2"/, 'of many one types the id');
  assert.match(await (await page('/admin/players')).text(), /New player/);
  assert.doesNotMatch(await (await page('/admin/entries')).text(), /New entry/);
  assert.equal((await page('/admin/entries/new')).status, 404);
  assert.match(await (await page('/admin/entries/1')).text(), /value="Kept"[\s\S]*Save/);
});

test('a form keeps what a row refers to, though it is not offered, and seconds of times', async () => {
  const controllers: Readonly<Record<string, Controller>> = {
    players: {
      'GET /edit': () =>
        Input({ model: Player, name: 'team_id', row: { team_id: 9 }, choices: [[1, 'Reds']] }),
      'GET /times/:at': ({ params }) =>
        Input({ model: Match, name: 'at', row: { at: new Date(params['at'] ?? '') } }),
    },
  };
  await using database = new SqliteDatabase(':memory:');
  const parts = { models: [], policies: [], controllers, jobs: [], migrations: [] };
  const log = createLogger({ part: 'test', now: () => 0, sinks: [] });
  using app = await App.start(
    { ...parts, islands: new Map(), islandScript: '', publicFolder: '/nowhere' },
    { database, log },
  );
  const page = async (path: string): Promise<string> =>
    await (await app.fetch(new Request(`http://localhost/players/${path}`), '127.0.0.1')).text();
  for (const shown of ['2027-01-31T12:00', '2027-01-31T12:00:05', '2027-01-31T12:00:05.123'])
    assert.ok((await page(`times/${shown}Z`)).includes(`value="${shown}"`), shown);
  assert.match(
    await page('edit'),
    /<option value="9" selected="">9<\/option><option value="1">Reds<\/option>/,
  );
});
