/** Primaries of a database over three nodes: spread when they join, moved on request, and handed over at drain, stop and forget, under writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseDetail, StripeDetail } from '../../src/api/api.ts';
import { clientOf, COUNTED, CountingClient } from '../../testing/counting-client.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 90_000;
const STRIPES = 3;
const OF_ONE = 1_000_000;

async function stripesOf(seer: TestNode): Promise<readonly StripeDetail[]> {
  return (await seer.json<DatabaseDetail>('db', 'show', 'shop')).stripeDetails;
}

/** Resolves when the stripes are as `isGood` wants them, and every copy has everything. */
async function settled(
  seer: TestNode,
  what: string,
  isGood: (stripes: readonly StripeDetail[]) => boolean,
): Promise<void> {
  await until(
    what,
    async () => {
      const stripes = await stripesOf(seer);
      const isWhole = stripes.every(
        ({ copies, primary }) =>
          primary !== undefined && copies.length === 2 && copies.every(({ lag }) => lag < 50),
      );
      if (isWhole && isGood(stripes)) return true;
      throw new Error(JSON.stringify(stripes));
    },
    { withinMs: WITHIN_MS },
  );
}

function leadersOf(stripes: readonly StripeDetail[]): readonly string[] {
  return stripes.map(({ primary }) => primary ?? 'none').toSorted();
}

test('stripes move between three nodes under writes, nothing is lost or done twice', async (t) => {
  await using cluster = await TestCluster.form(t, ['a']);
  const a = cluster.node('a');
  await a.json('db', 'create', 'shop', '--stripes', String(STRIPES));
  const { token } = await a.json<{ readonly token: string }>('db', 'token', 'shop');
  await clientOf(a, token).execute(COUNTED);
  const writers: CountingClient[] = [];
  const write = (...through: readonly string[]): readonly CountingClient[] => {
    const begun = through.map((name) => {
      const from = OF_ONE * (writers.length + 1);
      const one = new CountingClient(clientOf(cluster.node(name), token), from);
      writers.push(one);
      one.start();
      return one;
    });
    return begun;
  };
  /** Everything that was acknowledged so far is there once, whoever is asked. */
  const all = async (...through: readonly string[]): Promise<void> => {
    for (const name of through) {
      const { rows } = await clientOf(cluster.node(name), token).execute('SELECT n FROM counted');
      const numbers = rows.map((row) => Number(row['n']));
      for (const [at, writer] of writers.entries()) {
        const own = numbers.filter((n) => Math.floor(n / OF_ONE) === at + 1);
        assert.deepEqual(writer.problems(own), []);
      }
    }
  };
  const quietly = async (through: readonly string[], work: () => Promise<void>): Promise<void> => {
    const begun = write(...through);
    await until('writes', () => begun.every(({ acknowledged }) => acknowledged.size > 5));
    await work();
    for (const one of begun) {
      const before = one.acknowledged.size;
      await until('more writes', () => one.acknowledged.size > before);
      await one.stop();
      assert.deepEqual(one.errors, []);
    }
    const pauses = begun.map(({ longestPauseMs }) => Math.round(longestPauseMs));
    t.diagnostic(`longest pauses ${pauses.join(', ')} ms`);
  };

  await step(
    t,
    'two nodes join: each leads one stripe in the end, and has two copies',
    async () => {
      const net = a.address.slice(0, a.address.lastIndexOf('.'));
      for (const [at, name] of ['b', 'c'].entries()) {
        const node = await cluster.add(t, name, `${net}.${at + 2}`);
        await node.join(await cluster.invite('a'));
      }
      await cluster.isManagedBy(3, 'a');
      await settled(a, 'spread stripes', (stripes) => {
        const copies = stripes.flatMap((one) => one.copies.map(({ node }) => node)).toSorted();
        return leadersOf(stripes).join() === 'a,b,c' && copies.join() === 'a,a,b,b,c,c';
      });
      t.diagnostic((await a.cli('db', 'stripes', 'shop')).stdout);
    },
  );

  await step(t, 'a stripe moves on request, there and back', async () => {
    await quietly(['a', 'b', 'c'], async () => {
      const first = (await stripesOf(a))[0]?.primary ?? '';
      const others = cluster.names.filter((name) => name !== first);
      for (const to of others) {
        const moved = await a.json<StripeDetail>('db', 'move', 'shop', '0', '--to', to);
        assert.equal(moved.primary, to);
        assert.match(moved.why ?? '', /asked for it/);
      }
    });
    const { stdout } = await a.cli('events');
    for (const line of stdout.split('\n')) if (line.includes(' moved from ')) t.diagnostic(line);
    assert.match(stdout, /Stripe 0 of shop moved from . to .: local asked for it; writes waited/);
    const nowhere = await a.cli('db', 'move', 'shop', '0', '--to', 'nobody');
    assert.match(nowhere.stderr, /DATABASES_NODE_UNFIT|no such node/);
    assert.match((await a.cli('db', 'move', 'shop', '9', '--to', 'a')).stderr, /stripes 0 to 2/);
    await all('a', 'b', 'c');
  });

  await step(t, 'a drained node holds nothing any more; undrained it leads again', async () => {
    await quietly(['a', 'b'], async () => {
      await a.cli('node', 'c', 'drain');
      await settled(a, 'c to hold nothing', (stripes) =>
        stripes.every(({ copies }) => copies.every(({ node }) => node !== 'c')),
      );
      await a.cli('node', 'c', 'undrain');
      await settled(a, 'c to lead again', (stripes) => leadersOf(stripes).includes('c'));
    });
    await all('a', 'b', 'c');
  });

  await step(t, 'a node stops in order: others lead at once', async () => {
    await quietly(['a', 'b'], async () => {
      await cluster.node('c').stop();
      const stripes = await stripesOf(a);
      assert.ok(!leadersOf(stripes).includes('c'), JSON.stringify(stripes));
    });
    await cluster.node('c').restart();
    await settled(a, 'c to lead again', (stripes) => leadersOf(stripes).includes('c'));
    await all('a', 'b', 'c');
  });

  await step(t, 'a node is forgotten: what it led is led by others, with two copies', async () => {
    await quietly(['a', 'b'], async () => {
      assert.equal((await a.cli('node', 'c', 'forget', '--yes')).code, 0);
      await settled(a, 'two nodes to have all', (stripes) =>
        stripes.every(({ copies }) => copies.every(({ node }) => node !== 'c')),
      );
    });
    await all('a', 'b');
    t.diagnostic((await a.cli('events')).stdout);
  });
});
