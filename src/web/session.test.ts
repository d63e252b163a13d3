/** What the heads of answers say: of who asks, though an action does not ask for the session, and of what they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { App, type AppParts } from './app.ts';
import type { Context } from './context.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const DAY_MS = 24 * 3600 * 1000;
const VARY = 'Accept, Cookie';
const PARTS: AppParts = {
  controllers: {
    home: {
      'GET /one': () => ({ id: 1 }),
      'GET /page': (c: Context) => c.html('<html><p>one</p></html>'),
      'GET /token': (c: Context) => c.json(c.session.token),
    },
  },
  models: [],
  migrations: [],
  policies: [],
  jobs: [],
  publicFolder: '/nowhere',
  islands: new Map(),
  islandScript: '',
};

test('what is answered to a known visitor is theirs alone, and renews their session', async (t) => {
  await using database = new SqliteDatabase(':memory:');
  using app = await App.start(PARTS, { database, log: silentLogger });
  const headOf = async (path: string, cookie: string): Promise<readonly (string | null)[]> => {
    const headers = cookie === '' ? {} : { cookie };
    const answer = await app.fetch(new Request(`http://app.test${path}`, { headers }));
    return ['cache-control', 'vary', 'set-cookie'].map((name) => answer.headers.get(name));
  };
  for (const cookie of ['', 'other=1', 'app_session=forged'])
    assert.deepEqual(await headOf('/one', cookie), ['no-cache', VARY, null]);
  const [, , made] = await headOf('/token', '');
  const [cookie = ''] = made?.split(';') ?? [];
  assert.deepEqual(await headOf('/one', cookie), ['private, no-cache', VARY, null]);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * DAY_MS });
  assert.match((await headOf('/one', cookie))[2] ?? '', /^app_session=.*; Max-Age=1209600; /);
  t.mock.timers.setTime(Date.now() + 13 * DAY_MS);
  assert.deepEqual(await headOf('/one', cookie), ['no-cache', VARY, null]);
});

test('a page is kept to what the app has, data is taken for no page, and health is said to whoever asks', async () => {
  await using database = new SqliteDatabase(':memory:');
  using app = await App.start(PARTS, { database, log: silentLogger });
  const ask = async (path: string): Promise<Response> =>
    await app.fetch(new Request(`http://app.test${path}`));
  const page = (await ask('/page')).headers;
  assert.match(page.get('content-security-policy') ?? '', /default-src 'self';.*frame-ancestors/);
  const names = ['referrer-policy', 'x-content-type-options', 'cross-origin-opener-policy', 'vary'];
  assert.deepEqual(
    names.map((name) => page.get(name)),
    ['same-origin', 'nosniff', 'same-origin', VARY],
  );
  const data = (await ask('/one')).headers;
  assert.equal(data.get('x-content-type-options'), 'nosniff');
  assert.notEqual(data.get('x-request-id'), page.get('x-request-id'));
  const health = await ask('/up');
  assert.deepEqual([health.status, await health.text()], [200, 'ok\n']);
});
