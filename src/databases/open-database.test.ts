/** One database of a node, whose copies come and go while it is served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DatabaseUnderTest, startDatabase } from '../../testing/database-kit.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { DatabaseConfig } from './control.ts';
import { OpenDatabase, type OpenDatabaseOptions } from './open-database.ts';
import { PeerLinks } from './peer-link.ts';

const CONFIG: DatabaseConfig = {
  name: 'shop',
  id: 'shop',
  stripes: 2,
  splits: [],
  places: [['n1'], ['n2']],
  tokenKey: '',
};

function opened(
  on: DatabaseUnderTest,
  changes: Pick<OpenDatabaseOptions, 'links'> & Partial<OpenDatabaseOptions>,
): OpenDatabase {
  return new OpenDatabase({
    config: CONFIG,
    folder: join(on.folder, 'n1'),
    registry: on.registry,
    confirm: () => Promise.resolve(),
    record: { node: 'n1', life: 'l1' },
    pool: on.pool,
    vault: () => undefined,
    tokens: () => [],
    mayLead: () => true,
    isGone: () => false,
    clock: systemClock,
    logger: silentLogger,
    onStuck: () => assert.fail('a statement is stuck'),
    ...changes,
  });
}

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
  await using database = opened(on, { registry, links });
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

test('a snapshot that the file store does not take holds up no other stripe', async (t) => {
  await using on = await startDatabase();
  const taken: string[] = [];
  const store = createServer((request, response) => {
    const key = decodeURIComponent(request.url ?? '');
    request.resume().on('end', () => {
      if (request.method === 'PUT' && key.includes('/s0/')) response.writeHead(500);
      else if (request.method === 'PUT') taken.push(key);
      response.end('{"keys":[],"folders":[]}');
    });
  });
  const socket = join(on.folder, 'store');
  await once(store.listen(socket), 'listening');
  t.after(() => store.close());
  using links = new PeerLinks({ clock: systemClock });
  await using database = opened(on, {
    config: { ...CONFIG, places: [['n1'], ['n1']] },
    links,
    vault: () => ({ socket, path: '/objects' }),
  });
  await database.start();
  for (const name of ['s0', 's1']) {
    const stripe = database.copy(name);
    await until('it leads', async () => stripe.lead());
    await stripe.execute([{ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY)' }]);
    await stripe.snapshot(0);
  }
  const { signal } = new AbortController();
  await assert.rejects(database.tendVault(signal), { code: 'DATABASES_VAULT_AWAY' });
  assert.ok(taken.length > 0 && taken.every((key) => key.includes('/s1/')), taken.join());
  assert.notEqual((await database.state()).vaultWhy, undefined);
});
