/** A database over nodes: made on one that is alone, used through all of them, led elsewhere when its primary's node is killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseDetail } from '../../src/api/api.ts';
import { clientOf, COUNTED, CountingClient, numbersIn } from '../../testing/counting-client.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const PLACED_WITHIN_MS = 90_000;
const REGIONS: Readonly<Record<string, string>> = { a: 'north', b: 'north', c: 'south' };

/** Resolves to the nodes with a copy, the primary first, when there are so many and all have everything. */
async function copies(seer: TestNode, count: number, notOn = ''): Promise<readonly string[]> {
  return await until(
    `${count} copies`,
    async () => {
      const { stripeDetails } = await seer.json<DatabaseDetail>('db', 'show', 'shop');
      const [stripe] = stripeDetails;
      const found = (stripe?.copies ?? []).filter(({ node }) => node !== notOn);
      const isGood = found.length === count && found.every(({ lag }) => lag < 50);
      const primary = stripe?.primary ?? '';
      if (!isGood || primary === notOn) throw new Error(JSON.stringify(stripeDetails));
      const others = found.map(({ node }) => node).filter((node) => node !== primary);
      return [primary, ...others];
    },
    { withinMs: PLACED_WITHIN_MS },
  );
}

test('a database goes from one node to three, and its primary’s node is killed under writes', async (t) => {
  await using cluster = await TestCluster.form(t, ['a'], { regions: REGIONS });
  const a = cluster.node('a');
  await a.json('db', 'create', 'shop');
  const { token } = await a.json<{ readonly token: string }>('db', 'token', 'shop');
  await clientOf(a, token).execute(COUNTED);
  const through = new CountingClient(clientOf(a, token));
  through.start();

  await step(t, 'two nodes join: the logs move under writes, nothing is lost', async () => {
    const net = a.address.slice(0, a.address.lastIndexOf('.'));
    for (const [at, name] of ['b', 'c'].entries()) {
      const node = await cluster.add(t, name, `${net}.${at + 2}`, { regions: REGIONS });
      await node.join(await cluster.invite('a'));
    }
    await cluster.isManagedBy(3, 'a');
    await copies(a, 2);
    await through.stop();
    assert.deepEqual(through.errors, []);
    for (const node of cluster.nodes) {
      assert.deepEqual(through.problems(await numbersIn(clientOf(node, token))), []);
    }
    t.diagnostic(`${through.acknowledged.size} writes, longest pause ${through.longestPauseMs} ms`);
  });

  await step(
    t,
    'what it was at a time is restored through a node that does not lead it',
    async () => {
      const wanted = await numbersIn(clientOf(a, token));
      const [, other = ''] = await copies(a, 2);
      // A time is noted when there is something new.
      await clientOf(a, token).execute('CREATE TABLE noted (x INTEGER PRIMARY KEY)');
      const from = Date.now();
      const at = await until('a note of that time', async () => {
        const { restorable } = await a.json<DatabaseDetail>('db', 'show', 'shop');
        return (restorable?.to ?? 0) >= from && new Date(restorable?.to ?? 0).toISOString();
      });
      await cluster.node(other).json('db', 'restore', 'shop', '--at', at, '--as', 'past');
      const past = await a.json<{ readonly token: string }>('db', 'token', 'past');
      for (const node of cluster.nodes) {
        const found = await until('the restored rows', () =>
          numbersIn(clientOf(node, past.token, 'past')),
        );
        assert.deepEqual(found, wanted);
      }
      await a.json('db', 'drop', 'past', '--yes');
    },
  );

  await step(t, 'a database has copies in the regions that were asked for', async () => {
    /** Of each stripe's copies, when all have everything. */
    const regions = (name: string, count: number): Promise<readonly string[]> =>
      until(
        `copies of ${name}`,
        async () => {
          const { stripeDetails } = await a.json<DatabaseDetail>('db', 'show', name);
          const isGood = stripeDetails.every(
            (one) => one.copies.length === count && one.copies.every(({ lag }) => lag < 50),
          );
          if (!isGood) throw new Error(JSON.stringify(stripeDetails));
          return stripeDetails.map((one) =>
            one.copies
              .map(({ node }) => REGIONS[node] ?? node)
              .toSorted()
              .join(),
          );
        },
        { withinMs: PLACED_WITHIN_MS },
      );
    const create = (name: string, ...words: readonly string[]): Promise<unknown> =>
      a.json('db', 'create', name, '--stripes', '2', ...words);
    await create('both', '--spread', 'region=north', '--spread', 'region=south');
    assert.deepEqual(await regions('both', 2), ['north,south', 'north,south']);
    // Evenly spread, a stripe would be in the north.
    await create('southern', '--copies', '1', '--spread', 'region=south');
    assert.deepEqual(await regions('southern', 1), ['south', 'south']);
    const { token: own } = await a.json<{ readonly token: string }>('db', 'token', 'southern');
    await clientOf(a, own, 'southern').execute(COUNTED);
    await clientOf(a, own, 'southern').execute('INSERT INTO counted (n) VALUES (1), (2)');
    assert.deepEqual(await numbersIn(clientOf(cluster.node('b'), own, 'southern')), [1, 2]);
    // The app of that name finds its database beside each of its instances.
    await a.json('deploy', appFolder(t, nodeApp('"here"')), '--name', 'southern');
    await a.json('app', 'southern', 'scale', '3');
    assert.deepEqual(await regions('southern', 3), ['north,north,south', 'north,north,south']);
    await clientOf(a, own, 'southern').execute('INSERT INTO counted (n) VALUES (3)');
    for (const node of cluster.nodes)
      assert.deepEqual(await numbersIn(clientOf(node, own, 'southern')), [1, 2, 3]);
    await a.json('app', 'southern', 'remove', '--yes');
    assert.deepEqual(await regions('southern', 1), ['south', 'south']);
    for (const name of ['both', 'southern']) await a.json('db', 'drop', name, '--yes');
  });

  await step(t, 'the node of the primary is killed: another copy leads', async () => {
    const [primary = ''] = await copies(a, 2);
    const [survivor = '', other = ''] = cluster.names.filter((name) => name !== primary);
    const writer = new CountingClient(clientOf(cluster.node(survivor), token), 1_000_000);
    writer.start();
    await until('some writes', () => writer.acknowledged.size > 50);
    await cluster.node(primary).kill();
    const before = writer.acknowledged.size;
    await until('writes again', () => writer.acknowledged.size > before + 50, { withinMs: 60_000 });
    await writer.stop();
    t.diagnostic(
      `longest pause ${Math.round(writer.longestPauseMs)} ms; ${writer.errors.join('; ')}`,
    );
    for (const name of [survivor, other]) {
      const rows = await numbersIn(clientOf(cluster.node(name), token));
      assert.deepEqual(writer.problems(rows.filter((n) => n >= 1_000_000)), []);
      assert.deepEqual(through.problems(rows.filter((n) => n < 1_000_000)), []);
    }
    await copies(cluster.node(survivor), 2, primary);
    await cluster.node(primary).restart();
    const back = clientOf(cluster.node(primary), token);
    await until('the node that is back to answer', async () => {
      assert.deepEqual(writer.problems((await numbersIn(back)).filter((n) => n >= 1_000_000)), []);
      return true;
    });
  });
});
