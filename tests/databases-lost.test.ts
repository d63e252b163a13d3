/** A database whose registry, log and files are lost is had from the file store: all stripes as of one moment, also when their snapshots are not. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { FolderSnapshots, type Stripe } from '../src/database/database.ts';
import { readLost, restoreLost } from '../src/databases/lost-database.ts';
import { LostDatabases } from '../src/databases/lost-databases.ts';
import { PeerLinks } from '../src/databases/peer-link.ts';
import { databaseRecords, droppedRecords } from '../src/databases/records.ts';
import { SnapshotVault } from '../src/databases/snapshot-vault.ts';
import { KeptObjects, objectsPath } from '../src/files/kept-objects.ts';
import { type DatabaseUnderTest, look, run, startDatabase } from '../testing/database-kit.ts';
import { KeptKit } from '../testing/kept-kit.ts';
import { openDatabase } from '../testing/open-database.ts';
import { until } from '../testing/until.ts';

const SIGNAL = new AbortController().signal;
const ID = 'aaaaaaaaaaaa';
const NAMES = ['s0', 's1'];

async function rows(stripe: Stripe): Promise<readonly bigint[]> {
  const found = await look(stripe, 'SELECT n FROM t ORDER BY n');
  return found.map(([n]) => BigInt(`${n as bigint}`));
}

test('stripes whose snapshots are of different times come back as of the newest moment that all lead to', async (t) => {
  const kit = await KeptKit.start(t);
  const place = { socket: kit.socket, path: objectsPath('snapshots') };
  const vault = new SnapshotVault({ database: ID, place: () => place });
  const objects = new KeptObjects({ socket: kit.socket, bucket: 'snapshots', isThere: () => true });
  const told = async (): ReturnType<typeof readLost> =>
    await readLost((what) => vault.description(what));
  let moment = 0;

  {
    await using on = await startDatabase();
    using links = new PeerLinks({ clock: systemClock });
    await using database = openDatabase(on, {
      config: {
        name: 'shop',
        id: ID,
        stripes: 2,
        splits: [],
        places: [['n1'], ['n1']],
        copies: 2,
        regions: ['north'],
        tokenKey: '',
      },
      links,
      vault: () => place,
    });
    await database.start();
    const stripes = NAMES.map((name) => database.copy(name));
    await until('both are led', () => stripes.every(({ primary }) => primary !== undefined));
    const [first, second] = stripes;
    assert.ok(first !== undefined && second !== undefined);
    const insert = async (n: bigint): Promise<void> => {
      for (const stripe of stripes) await run(stripe, 'INSERT INTO t VALUES (?)', n);
    };
    const noted = async (): Promise<number> =>
      await until('a note of all that is there', () => {
        const heads = stripes.map(({ status }) => status.applied.index).join();
        return database.history.marks?.find(({ indexes }) => indexes.join() === heads)?.at;
      });
    for (const stripe of stripes) await run(stripe, 'CREATE TABLE t (n INTEGER PRIMARY KEY)');
    await insert(1n);
    await noted();
    await database.tendVault(SIGNAL);
    assert.deepEqual((await told())?.why, 'there is no snapshot of s0, s1');
    await insert(2n);
    moment = await noted();
    await second.snapshot(0);
    await insert(3n);
    await noted();
    // Behind it the log of this one is trimmed: what it was at the moment is had from what is kept of its past.
    await first.snapshot(0);
    await on.registry.commit(
      [],
      [{ kind: 'put', key: `/db/${ID}/ids/t`, value: Buffer.from('2000') }],
    );
    await database.tendVault(SIGNAL);
    const lost = await told();
    assert.deepEqual([lost?.moment?.at, lost?.description.regions], [moment, ['north']]);
    assert.ok(lost?.snapshots.every((one) => one?.nodes.length === 0));
  }

  await using on = await startDatabase();
  const all = new LostDatabases({
    objects,
    registry: on.registry,
    clock: systemClock,
    log: silentLogger,
  });
  const found = await all.get('shop');
  assert.deepEqual([found.id, found.moment?.at], [ID, moment]);
  const { registry, pool } = on;
  const folder = join(on.folder, 'new');
  const into = { registry, pool, id: 'shop', folder, node: 'n1', clock: systemClock };
  const restored = await restoreLost(vault, into);
  assert.deepEqual(restored, { at: moment, stripes: 2 });
  assert.equal((await on.log.ids())['t'], '2000');
  // From then on it grows old.
  assert.ok(Number((await on.log.snapshot('s0'))?.at) > moment);
  const led = await lead(on, folder);
  assert.deepEqual(await Promise.all(led.map(rows)), [
    [1n, 2n],
    [1n, 2n],
  ]);
  for (const stripe of led) await run(stripe, 'INSERT INTO t VALUES (9)');

  // One that cannot be read is not passed over as if there were none.
  const whole = `${await vault.description('database')}`;
  await vault.describe('database', whole.replace('"format":1', '"format":2'));
  const unknown = { code: 'DATABASES_DESCRIPTION_UNKNOWN' };
  await assert.rejects(all.list(), unknown);
  await assert.rejects(all.get('shop'), unknown);
  await vault.describe('database', whole);

  // What is damaged there leaves nothing behind.
  const { keys } = await objects.list(`${ID}/s1/`);
  for (const key of keys) await objects.remove(key);
  const other = { ...into, id: 'other', folder: join(on.folder, 'other') };
  await assert.rejects(restoreLost(vault, other), { code: 'DATABASE_NO_SNAPSHOT' });
  assert.deepEqual((await registry.list('/db/other/')).entries, []);

  // A database of this cluster, of which an old copy of the registry knows nothing, is not lost.
  const old = new Proxy(registry, {
    get: (target, name) => {
      if (name === 'list') return () => Promise.resolve({ entries: [], revision: 1 });
      if (name === 'get') return () => Promise.resolve(undefined);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const records = databaseRecords(registry);
  const record = { id: ID, createdAt: 1, by: 'test', stripes: 2, copies: 2, regions: [] };
  await records.create('shop', { ...record, tokenKey: '' });
  assert.deepEqual(await all.list(), []);
  const behind = new LostDatabases({
    objects,
    registry: old,
    clock: systemClock,
    log: silentLogger,
  });
  await assert.rejects(behind.forget('shop', 'test'), { code: 'DATABASES_NOT_READY' });
  assert.equal(await droppedRecords(registry).get(ID), undefined);
  await records.delete('shop');

  await all.forget('shop', 'test');
  assert.deepEqual(await all.list(), []);
  assert.equal((await droppedRecords(registry).get(ID))?.value.name, 'shop');
});

/** Its stripes, from the snapshots in that folder alone. */
async function lead(on: DatabaseUnderTest, folder: string): Promise<readonly Stripe[]> {
  const snapshots = new FolderSnapshots(new Map([['n1', join(folder, 'snapshots')]]));
  await rm(join(on.folder, 'n1'), { recursive: true, force: true });
  return await Promise.all(
    NAMES.map(async (name) => {
      const stripe = await on.copy('n1', { name, snapshots });
      assert.ok(await stripe.lead());
      return stripe;
    }),
  );
}
