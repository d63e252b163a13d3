/** Most managers are gone: a database says so to who writes, answers what may be old, and goes on by itself when they are back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientOf, COUNTED, CountingClient, numbersIn } from '../../testing/counting-client.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';
import type { DatabaseDetail } from '../../src/api/api.ts';

test('two of three nodes are killed under writes, and come back', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  await cluster.isManagedBy(3, 'a');
  const [a, b, c] = cluster.nodes;
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  await a.json('db', 'create', 'shop', '--copies', '3', '--stripes', '1');
  const { token } = await a.json<{ readonly token: string }>('db', 'token', 'shop');
  await clientOf(a, token).execute(COUNTED);
  await until('three copies that have everything', async () => {
    const { stripeDetails } = await a.json<DatabaseDetail>('db', 'show', 'shop');
    return stripeDetails.every(
      ({ copies }) => copies.length === 3 && copies.every(({ lag }) => lag === 0),
    );
  });
  const leads = async (): Promise<string | null | undefined> =>
    (await a.json<DatabaseDetail>('db', 'show', 'shop')).stripeDetails[0]?.primary;
  // It loses the other two while it leads: what is on its way then is in doubt.
  if ((await leads()) !== 'a') await a.json('db', 'move', 'shop', '0', '--to', 'a');
  await until('a to lead', async () => (await leads()) === 'a');
  const writing = new CountingClient(clientOf(a, token));
  writing.start();
  await until('writes', () => writing.acknowledged.size > 20);
  await Promise.all([b.kill(), c.kill()]);

  const client = clientOf(a, token);
  const isRefused = (error: unknown): boolean => /No manager answers/.test(String(error));
  await step(t, 'writes are refused by name', async () => {
    await until('a refusal', () => writing.errors.some(isRefused), { withinMs: 60_000 });
    await writing.stop();
    await assert.rejects(client.execute('INSERT INTO counted (n) VALUES (-1)'), isRefused);
    await assert.rejects(client.batch(['DELETE FROM counted', 'SELECT 1'], 'write'), isRefused);
    await assert.rejects(client.execute('CREATE TABLE other (id INTEGER PRIMARY KEY)'), isRefused);
  });

  const reading = (level: string): Promise<readonly number[]> => {
    return numbersIn(clientOf(a, token, `shop/read/${level}`));
  };
  await step(t, 'reads are answered whose level allows it', async () => {
    const seen = await reading('stale');
    assert.deepEqual(writing.problems(seen), []);
    await assert.rejects(reading('strong'), isRefused);
    await assert.rejects(reading('stale:1s'), isRefused);
    t.diagnostic(`${writing.errors.length} errors, ${writing.unknown.size} of them unknown`);
  });

  await step(t, 'writes go again by themselves', async () => {
    await Promise.all([b.restart(), c.restart()]);
    await until(
      'a write',
      async () => {
        await client.execute('INSERT INTO counted (n) VALUES (1000000)');
        return true;
      },
      { withinMs: 90_000 },
    );
    for (const node of cluster.nodes) {
      const seen = await until(`${node.name} answers`, () => numbersIn(clientOf(node, token)));
      assert.deepEqual(writing.problems(seen), []);
      assert.ok(!seen.includes(-1), 'what was refused never happens');
    }
  });
});
