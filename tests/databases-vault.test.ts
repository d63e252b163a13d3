/** Snapshots of databases in the file store: what a stripe is had from when no node has one, and what becomes of them. */
import assert from 'node:assert/strict';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { type Clock, systemClock } from '../src/base/time.ts';
import { silentLogger } from '../src/base/log.ts';
import { buildCopyAt, filesOf, type Stripe } from '../src/database/database.ts';
import { VAULT_LIST_MS } from '../src/databases/limits.ts';
import { PeerLinks } from '../src/databases/peer-link.ts';
import { droppedRecords } from '../src/databases/records.ts';
import { SnapshotVault } from '../src/databases/snapshot-vault.ts';
import { Snapshots } from '../src/databases/snapshots.ts';
import { VaultDuty } from '../src/databases/vault-duty.ts';
import { VaultSweeper } from '../src/databases/vault-sweeper.ts';
import { KeptObjects, objectsPath } from '../src/files/kept-objects.ts';
import { SNAPSHOTS_BUCKET } from '../src/files/system-bucket.ts';
import type { Registry } from '../src/registry/registry.ts';
import { type DatabaseUnderTest, look, run, startDatabase } from '../testing/database-kit.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { KeptKit } from '../testing/kept-kit.ts';
import { openDatabase } from '../testing/open-database.ts';
import { until } from '../testing/until.ts';

const OWNER = { owner: 'test' };
const SIGNAL = new AbortController().signal;

interface Kept {
  readonly kit: KeptKit;
  readonly on: DatabaseUnderTest;
  readonly stripe: Stripe;
  /** Snapshots as node `node` has them, and the file store. */
  snapshotsOf(node: string): Snapshots;
  duty(clock?: Clock): VaultDuty;
  readonly vault: SnapshotVault;
  stored(): Promise<readonly string[]>;
  insert(rows: number): Promise<void>;
}

/** A stripe that is led on n1, whose snapshots no other node takes. */
async function start(t: TestContext): Promise<Kept> {
  const kit = await KeptKit.start(t);
  const on = await startDatabase();
  const links = new PeerLinks({ clock: systemClock });
  t.after(async () => {
    await on[Symbol.asyncDispose]();
    links[Symbol.dispose]();
  });
  const place = { socket: kit.socket, path: objectsPath('snapshots') };
  const vault = new SnapshotVault({ database: 'shop', place: () => place });
  const snapshotsOf = (node: string): Snapshots =>
    new Snapshots({
      folder: join(on.folder, node, 'snapshots'),
      database: 'shop',
      node,
      others: () => [],
      links,
      vault,
      log: silentLogger,
    });
  const snapshots = snapshotsOf('n1');
  const stripe = await on.copy('n1', { snapshots });
  assert.ok(await stripe.lead());
  await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
  const shared = { vault, snapshots, log: on.log, folder: on.folder };
  return {
    kit,
    on,
    stripe,
    snapshotsOf,
    duty: (clock = systemClock) => new VaultDuty({ ...shared, clock }),
    vault,
    stored: async () => (await vault.list('s1')).toSorted(),
    insert: async (rows) => {
      for (let n = 0; n < rows; n++)
        await run(stripe, "INSERT INTO t (v) VALUES ('x' || random())");
    },
  };
}

async function named({ on }: Kept): Promise<readonly string[]> {
  const record = await on.log.snapshot('s1');
  assert.ok(record !== undefined);
  return filesOf(record)
    .map(({ id }) => id)
    .toSorted();
}

async function count(stripe: Stripe): Promise<unknown> {
  return (await look(stripe, 'SELECT count(*) FROM t'))[0]?.[0];
}

test('a stripe that is on no node any more is had from the file store and the log, now and as it was', async (t) => {
  const kept = await start(t);
  const { on, stripe } = kept;
  await kept.insert(300);
  await stripe.snapshot(0);
  const early = stripe.status.applied.index;
  await kept.insert(20);
  await stripe.snapshot(0);
  const duty = kept.duty();
  await duty.tend('s1', SIGNAL);
  assert.equal(duty.lacking('s1'), 0);
  assert.equal(duty.has('s1', (await on.log.snapshot('s1'))?.id ?? ''), true);
  assert.deepEqual(await kept.stored(), await named(kept));
  await kept.insert(5);
  // Its own file may have less for a moment.
  const { index } = await on.log.head('s1');
  await stripe[Symbol.asyncDispose]();
  await rm(join(on.folder, 'n1'), { recursive: true });
  await assert.rejects(on.log.read('s1', 2), { code: 'DATABASE_TRIMMED' });

  const snapshots = kept.snapshotsOf('n2');
  const other = await on.copy('n2', { snapshots });
  assert.equal(other.status.applied.index, index);
  assert.ok(await other.lead());
  assert.equal(await count(other), 325n);
  await run(other, "INSERT INTO t (v) VALUES ('more')");
  const path = join(on.folder, 'as-it-was.sqlite');
  await buildCopyAt({ stripe: 's1', log: on.log, snapshots, path, index: early - 50 });
  await on.pool.copy(path, join(on.folder, 'packed.sqlite'));
});

test('the log is trimmed while the file store is away, which gets what it lacks when it is back', async (t) => {
  const kept = await start(t);
  const { kit, on, stripe } = kept;
  const duty = kept.duty();
  await kept.insert(10);
  await kit.away();
  await stripe.snapshot(0);
  await assert.rejects(on.log.read('s1', 1), { code: 'DATABASE_TRIMMED' });
  await assert.rejects(duty.tend('s1', SIGNAL), { code: 'DATABASES_VAULT_AWAY' });
  const late = kept.snapshotsOf('n2');
  const copy = await on.copy('n2', { snapshots: late });
  assert.equal(copy.status.applied.index, 0, 'nobody has a snapshot for it yet');
  await kit.back();
  await duty.tend('s1', SIGNAL);
  await copy.catchUp();
  assert.equal(await count(copy), 10n);
});

test('what describes a stripe is true again within the hour when somebody else wrote over it', async (t) => {
  const kept = await start(t);
  const { vault } = kept;
  const clock = new ManualClock();
  const duty = kept.duty(clock);
  await kept.insert(3);
  await kept.stripe.snapshot(0);
  await duty.tend('s1', SIGNAL);
  const told = await vault.description('s1');
  await vault.describe('s1', '{}');
  clock.advance(VAULT_LIST_MS + 1);
  await duty.tend('s1', SIGNAL);
  assert.equal(await vault.description('s1'), told);
});

test('what is named by no record any more goes, once all that is named is there', async (t) => {
  const kept = await start(t);
  const { kit, stripe } = kept;
  await kept.insert(3);
  await stripe.snapshot(0);
  const stray = (): Promise<unknown> =>
    kit.files.store.put(
      SNAPSHOTS_BUCKET,
      'shop/s1/stray',
      Readable.from([Buffer.from('?')]),
      OWNER,
    );
  await kept.duty().tend('s1', SIGNAL);
  await stray();
  await kept.insert(3);
  await stripe.snapshot(0);
  const duty = kept.duty();
  const folder = join(kept.on.folder, 'n1', 'snapshots', 's1');
  const record = await kept.on.log.snapshot('s1');
  const damaged = `${record?.past?.at(-1)?.entries.id}`;
  const whole = await readFile(join(folder, `${damaged}.sqlite`));
  await appendFile(join(folder, `${damaged}.sqlite`), 'more');
  await assert.rejects(duty.tend('s1', SIGNAL), { code: 'DATABASE_CORRUPT' });
  assert.equal(duty.lacking('s1'), 1);
  const rest = (await named(kept)).filter((id) => id !== damaged);
  assert.deepEqual(await kept.stored(), [...rest, 'stray'].toSorted());
  await writeFile(join(folder, `${damaged}.sqlite`), whole);
  await duty.tend('s1', SIGNAL);
  assert.deepEqual([duty.lacking('s1'), await kept.stored()], [0, await named(kept)]);
});

test('a stripe whose snapshot is damaged keeps none of another stripe from the file store', async (t) => {
  const kit = await KeptKit.start(t);
  await using on = await startDatabase();
  using links = new PeerLinks({ clock: systemClock });
  const place = { socket: kit.socket, path: objectsPath('snapshots') };
  const places = [['n1'], ['n1']];
  await using database = openDatabase(on, {
    config: {
      name: 'shop',
      id: 'shop',
      stripes: 2,
      splits: [],
      places,
      copies: 2,
      regions: [],
      tokenKey: '',
    },
    links,
    vault: () => place,
  });
  await database.start();
  const stripes = ['s0', 's1'].map((name) => database.copy(name));
  await until('both are led', () => stripes.every(({ primary }) => primary !== undefined));
  for (const stripe of stripes) await stripe.snapshot(0);
  const damaged = await on.log.snapshot('s0');
  const folder = join(on.folder, 'n1', 'snapshots', 's0');
  await appendFile(join(folder, `${damaged?.id}.sqlite`), 'more');
  await assert.rejects(database.tendVault(SIGNAL), { code: 'DATABASE_CORRUPT' });
  const vault = new SnapshotVault({ database: 'shop', place: () => place });
  const whole = await on.log.snapshot('s1');
  assert.ok((await vault.list('s1')).includes(`${whole?.id}`));
  const { vaultWhy, stripes: states } = await database.state();
  assert.match(`${vaultWhy}`, /does not match its checksum/);
  assert.deepEqual(
    states.map(({ snapshot }) => snapshot?.isStored),
    [false, true],
  );
});

test('what breaks off on its way there is not there, and what was changed there is not taken', async (t) => {
  const kept = await start(t);
  const { kit, on, stripe } = kept;
  await kept.insert(3);
  await stripe.snapshot(0);
  const record = await on.log.snapshot('s1');
  assert.ok(record !== undefined);
  const objects = new KeptObjects({
    socket: kit.socket,
    bucket: 'snapshots',
    isThere: () => true,
  });
  const torn = async function* (): AsyncGenerator<Buffer> {
    yield await Promise.resolve(Buffer.alloc(100_000));
    throw new Error('killed');
  };
  const key = `shop/s1/${record.id}`;
  await assert.rejects(objects.put(key, Readable.from(torn(), { objectMode: false })));
  assert.deepEqual(await kept.stored(), []);
  await kept.duty().tend('s1', SIGNAL);
  assert.deepEqual(await kept.stored(), await named(kept));

  await objects.put(key, Readable.from(['something else'], { objectMode: false }));
  await stripe[Symbol.asyncDispose]();
  await rm(join(on.folder, 'n1'), { recursive: true });
  const copy = await on.copy('n2', { snapshots: kept.snapshotsOf('n2') });
  assert.equal(copy.status.applied.index, 0);
});

test('what is left of dropped databases goes, and nothing else', async (t) => {
  const kit = await KeptKit.start(t);
  await using on = await startDatabase();
  const { registry } = on;
  const objects = new KeptObjects({
    socket: kit.socket,
    bucket: 'snapshots',
    isThere: () => true,
  });
  const [gone, made, unknown] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'];
  for (const id of [gone, made, unknown])
    for (const name of ['s0/one', 's1/two'])
      await objects.put(`${id}/${name}`, Readable.from(['bytes'], { objectMode: false }));
  const dropped = droppedRecords(registry);
  for (const id of [gone, made]) await dropped.create(id ?? '', { name: 'shop', at: 1 });
  const old = await registry.list('/dropped-databases/');
  // Meanwhile it was restored: it is there, and only an old copy of the registry calls it dropped.
  await dropped.delete(made ?? '');
  const stale: Registry = new Proxy(registry, {
    get: (target, name) => {
      if (name === 'list') return () => Promise.resolve(old);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const sweeper = new VaultSweeper({ objects, registry: stale });
  await sweeper.step(SIGNAL);
  const left = [made, unknown].flatMap((id) => [`${id}/s0/one`, `${id}/s1/two`]);
  assert.deepEqual(await objects.keys(), left);
  await kit.away();
  await sweeper.step(SIGNAL);
  assert.match(sweeper.status(), /cannot be removed yet/);
});
