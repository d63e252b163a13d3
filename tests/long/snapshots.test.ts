/**
 * Snapshots of databases in the file store: a database whose copies and snapshots are on no node any more comes back from there, with all that was
 * acknowledged, and as it was.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DatabaseDetail, StripeDetail } from '../../src/api/api.ts';
import type { StorageDetail } from '../../src/api/storage-model.ts';
import { clientOf } from '../../testing/counting-client.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 180_000;
const BUCKET = 'moln:snapshots';
/** A folder of a database. */
const ID = /^[a-z0-9]{12}$/;
const ROWS = 500;
const MORE = 40;

interface Bucket {
  readonly name: string;
  readonly policy: string;
  readonly objects: number;
}

async function shown(seer: TestNode, database: string): Promise<DatabaseDetail> {
  return await seer.json<DatabaseDetail>('db', 'show', database);
}

/** Its only stripe, once `is` holds. */
async function stripeWhen(
  seer: TestNode,
  database: string,
  what: string,
  is: (stripe: StripeDetail) => boolean,
): Promise<StripeDetail> {
  return await until(
    `${database} with ${what}`,
    async () => {
      const detail = await shown(seer, database);
      const [stripe] = detail.stripeDetails;
      if (stripe !== undefined && is(stripe)) return stripe;
      throw new Error(JSON.stringify(detail));
    },
    { withinMs: WITHIN_MS },
  );
}

function hasAll({ primary, copies }: StripeDetail): boolean {
  return primary !== undefined && copies.length === 2 && copies.every(({ lag }) => lag === 0);
}

async function own(seer: TestNode): Promise<Bucket | undefined> {
  return (await seer.json<readonly Bucket[]>('files', 'buckets')).find(
    ({ name }) => name === BUCKET,
  );
}

async function rowsOf(seer: TestNode, database: string): Promise<unknown> {
  const sql = 'SELECT count(*) AS n, sum(id) AS ids, max(length(v)) AS longest FROM t';
  return await until(
    `${database} to answer`,
    async () => {
      const { code, stdout, stderr } = await seer.cli('db', 'shell', database, sql, '--json');
      if (code === 0) return JSON.parse(stdout) as unknown;
      throw new Error(stderr);
    },
    { withinMs: WITHIN_MS },
  );
}

/** A moment at which all that has happened so far is noted. */
async function noted(seer: TestNode, database: string): Promise<string> {
  const from = Date.now();
  return await until(
    'a note',
    async () => {
      const { restorable } = await shown(seer, database);
      return (restorable?.to ?? 0) >= from
        ? new Date(restorable?.to ?? 0).toISOString()
        : undefined;
    },
    { withinMs: WITHIN_MS },
  );
}

function all(count: number): unknown {
  return [{ n: count, ids: (count * (count + 1)) / 2, longest: 1000 }];
}

/** As after the loss of the disk that its databases lay on. */
function loseDatabases({ dataFolder }: TestNode): void {
  const folder = join(dataFolder, 'databases');
  for (const name of readdirSync(folder).filter((each) => ID.test(each)))
    rmSync(join(folder, name), { recursive: true });
}

test('a database that is on no node any more comes back from the file store', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  await cluster.isManagedBy(3, 'a');
  let acknowledged = 0;
  const insert = async (database: string, count: number): Promise<void> => {
    const { token } = await b.json<{ readonly token: string }>('db', 'token', database);
    const client = clientOf(b, token, database);
    for (let n = 0; n < count; n++) {
      const args = [acknowledged + 1];
      await client.execute({ sql: 'INSERT INTO t VALUES (?, hex(randomblob(500)))', args });
      acknowledged++;
    }
  };

  await step(t, 'while there is no file store, nothing is made for snapshots', async () => {
    await b.json('db', 'create', 'first', '--stripes', '1');
    const { code, stderr } = await b.cli(
      'db',
      'shell',
      'first',
      'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)',
    );
    assert.equal(code, 0, stderr);
    await insert('first', ROWS);
    // Its log begins behind a snapshot, which lies on the node that was asked.
    await b.json('db', 'restore', 'first', '--at', await noted(b, 'first'), '--as', 'shop');
    const stripe = await stripeWhen(b, 'shop', 'two copies', hasAll);
    assert.deepEqual(stripe.snapshot?.nodes, ['b']);
    assert.equal(stripe.snapshot?.isStored, undefined);
    for (const node of cluster.nodes)
      assert.ok(!node.processes().some(({ command }) => command.includes('files-main.ts')));
  });

  await step(t, 'its snapshot gets into the file store, where no user comes', async () => {
    await a.json('files', 'create', 'data');
    await until(
      'all three storages',
      async () => {
        const storages = await a.json<readonly { readonly state: string }[]>('storage', 'list');
        return storages.filter(({ state }) => state === 'good').length === 3;
      },
      { withinMs: WITHIN_MS },
    );
    await stripeWhen(a, 'shop', 'a stored snapshot', ({ snapshot }) => snapshot?.isStored === true);
    // It may have come while there was one storage only.
    const from = Date.now();
    await until(
      'two copies of it',
      async () => {
        const { copies } = await a.api<StorageDetail>('GET', '/api/storage');
        if (copies?.lacking.blocks === 0 && copies.countedAt >= from) return true;
        throw new Error(JSON.stringify(copies));
      },
      { withinMs: WITHIN_MS },
    );
    // The snapshot, what describes its stripe and its database, and the other one.
    const bucket = await until('four objects', async () => {
      const found = await own(a);
      return found?.objects === 4 ? found : undefined;
    });
    assert.equal(bucket.policy, '2 copies');
    for (const words of [
      ['ls', BUCKET],
      ['rm', `${BUCKET}/x`],
    ]) {
      const { code, stderr } = await a.cli('files', ...words, '--json');
      assert.notEqual(code, 0);
      assert.match(stderr, /is Moln's own/);
    }
  });

  await insert('shop', MORE);
  assert.equal(acknowledged, ROWS + MORE);
  const moment = await noted(b, 'shop');

  const { copies } = await stripeWhen(b, 'shop', 'two copies', hasAll);
  const other = copies.map(({ node }) => node).find((name) => name !== 'b') ?? '';
  const rest = cluster.nodes.find(({ name }) => !['b', other].includes(name));
  assert.ok(rest !== undefined, JSON.stringify(copies));

  await step(t, 'one node with a copy is gone for good, the other lost its databases', async () => {
    await cluster.node(other).kill();
    await b.kill();
    loseDatabases(cluster.node(other));
    await cluster.node(other).restart();
    await until('b to be lost', async () => (await cluster.states(rest.name))['b'] === 'lost', {
      withinMs: WITHIN_MS,
    });
    await rest.json('node', 'b', 'forget', '--yes');
    assert.deepEqual(await rowsOf(rest, 'shop'), all(ROWS + MORE));
    await stripeWhen(rest, 'shop', 'two copies again', hasAll);
  });

  await step(t, 'it is had as it was, from a snapshot that no node has', async () => {
    const { snapshot } = await stripeWhen(
      rest,
      'shop',
      'a snapshot',
      (one) => one.snapshot !== undefined,
    );
    assert.ok(snapshot?.nodes.every((name) => !cluster.names.includes(name) || name === 'b'));
    await rest.json('db', 'restore', 'shop', '--at', moment, '--as', 'again');
    assert.deepEqual(await rowsOf(rest, 'again'), all(ROWS + MORE));
  });

  await step(t, 'what is dropped leaves the file store', async () => {
    await stripeWhen(rest, 'again', 'its own one', ({ snapshot }) => snapshot?.isStored === true);
    await until('its three objects', async () => (await own(rest))?.objects === 7);
    await rest.json('db', 'drop', 'again', '--yes');
    await until('four objects', async () => (await own(rest))?.objects === 4, {
      withinMs: WITHIN_MS,
    });
  });
});
