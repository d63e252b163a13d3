/** One database of a node, whose copies come and go while it is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDatabase } from '../../testing/database-kit.ts';
import { openDatabase } from '../../testing/open-database.ts';
import { until } from '../../testing/until.ts';
import { systemClock } from '../base/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { DatabaseConfig } from './control.ts';
import { PeerLinks } from './peer-link.ts';

const CONFIG: DatabaseConfig = {
  name: 'shop',
  id: 'shop',
  stripes: 2,
  splits: [],
  places: [['n1'], ['n2']],
  copies: 2,
  regions: [],
  tokenKey: '',
};

test('a copy that is still being filled holds up no change, and may go again', async () => {
  await using on = await startDatabase();
  const other = await on.copy('n2', { name: 's1' });
  assert.ok(await other.lead());
  const cut = Promise.withResolvers<void>();
  const registry: Registry = new Proxy(on.registry, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'get') return value.bind(target) as unknown;
      return async (key: string) => {
        if (key.includes('/s1/')) await cut.promise;
        return await target.get(key);
      };
    },
  });
  using links = new PeerLinks({ clock: systemClock });
  await using database = openDatabase(on, { config: CONFIG, registry, links });
  await database.start();
  const both = { ...CONFIG, places: [['n1'], ['n2', 'n1']] };
  await database.change(both);
  assert.equal(database.copy('s1').status.applied.index, 0);
  cut.resolve();
  await until('the copy to be filled', () => database.copy('s1').status.applied.index > 0);
  await database.change(CONFIG);
  assert.throws(() => database.copy('s1'), { code: 'DATABASES_NOT_READY' });
  await database.change(both);
  await until('the copy to be filled anew', () => database.copy('s1').status.applied.index > 0);
  assert.equal((await database.state()).why, undefined);
});

test('a copy beside that cannot be filled is told, and tried again by itself', async () => {
  await using on = await startDatabase();
  const other = await on.copy('n2', { name: 's1' });
  assert.ok(await other.lead());
  let isBroken = true;
  const registry: Registry = new Proxy(on.registry, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'get') return value.bind(target) as unknown;
      return async (key: string) => {
        if (isBroken && key.endsWith('/s1/head'))
          throw new Error('What is there is not to be read');
        return await target.get(key);
      };
    },
  });
  using links = new PeerLinks({ clock: systemClock });
  await using database = openDatabase(on, { config: CONFIG, registry, links });
  await database.start();
  await database.change({ ...CONFIG, places: [['n1'], ['n2', 'n1']] });
  const state = await until('it is told', async () => {
    const now = await database.state();
    return now.fillWhy === undefined ? undefined : now;
  });
  assert.match(`${state.fillWhy}`, /copy of s1 cannot be filled yet: What is there/);
  assert.deepEqual([state.state, state.why], ['open', undefined]);
  isBroken = false;
  await until('the copy to be filled', () => {
    try {
      return database.copy('s1').status.applied.index > 0;
    } catch {
      return false;
    }
  });
  await until('nothing is told', async () => (await database.state()).fillWhy === undefined);
});
