/** A bit of a copy's file is wrong on a real node: "moln db scrub" finds it, on a mirror and on the node that leads, and clients see what they wrote. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DatabaseDetail, Status, StripeDetail } from '../../src/api/api.ts';
import { flipBit } from '../../testing/flip-bit.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { twoInSync } from '../../testing/two-machines.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 120_000;
const WORD = 'a word that a disk gets wrong';

interface Told {
  readonly stripe: number;
  readonly scrub: StripeDetail['scrub'];
}

async function sql(node: TestNode, text: string): Promise<string> {
  const { code, stdout, stderr } = await node.cli('db', 'shell', 'shop', text, '--json');
  if (code === 0) return stdout;
  throw new Error(stderr);
}

async function leads(seer: TestNode, node: string): Promise<void> {
  await until(
    `two equal copies, led by ${node}`,
    async () => {
      const detail = await seer.json<DatabaseDetail>('db', 'show', 'shop');
      const [stripe] = detail.stripeDetails;
      const isThere = stripe?.copies.length === 2 && stripe.copies.every(({ lag }) => lag === 0);
      if (isThere && stripe.primary === node) return true;
      throw new Error(JSON.stringify(detail.stripeDetails));
    },
    { withinMs: WITHIN_MS },
  );
}

async function scrub(seer: TestNode): Promise<readonly string[]> {
  const [told] = await seer.json<readonly Told[]>('db', 'scrub', 'shop');
  return (told?.scrub?.copies ?? []).map(({ node, result }) => `${node} ${result}`).toSorted();
}

function pathOf({ dataFolder }: TestNode): string {
  const folder = join(dataFolder, 'databases');
  const [id = ''] = readdirSync(folder).filter((name) => /^[a-z0-9]{12}$/.test(name));
  return join(folder, id, 's0.sqlite');
}

test('a wrong bit on a mirror, then where the stripe is led', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = await twoInSync(cluster);
  await one.json('db', 'create', 'shop', '--stripes', '1', '--copies', '2');
  await sql(one, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
  await sql(one, `INSERT INTO t VALUES (1, '${WORD}')`);
  /** Each from its own copy. */
  const read = async (node: TestNode): Promise<unknown> =>
    JSON.parse(await sql(node, 'SELECT v FROM t'));
  /** Stops it meanwhile. */
  const flipOnTwo = async (): Promise<string> => {
    await two.stop();
    const wrong = await flipBit(pathOf(two), WORD);
    await two.restart();
    await twoInSync(cluster);
    return wrong;
  };

  await step(t, 'on a mirror', async () => {
    await one.json('db', 'move', 'shop', '0', '--to', 'one');
    await leads(one, 'one');
    assert.deepEqual(await scrub(two), ['two equal']);
    await flipOnTwo();
    await leads(one, 'one');
    assert.deepEqual(await scrub(one), ['two rebuilt']);
    assert.deepEqual(await scrub(two), ['two equal']);
    assert.deepEqual(await read(two), [{ v: WORD }]);
  });

  await step(t, 'it is told', async () => {
    const { stdout, stderr } = await one.cli('db', 'show', 'shop');
    assert.match(stderr, /stripe 0 on two was put aside and built anew: rows of "t" are not what/);
    assert.match(stdout, /Copies were last compared from \d/);
    await until('the status to say it', async () => {
      const { warnings } = await one.json<Status>('status');
      if (warnings.some((each) => /stripe 0 of database "shop" on two/.test(each))) return true;
      throw new Error(warnings.join('\n'));
    });
  });

  await step(t, 'where it is led', async () => {
    await one.json('db', 'move', 'shop', '0', '--to', 'two');
    await leads(one, 'two');
    const wrong = await flipOnTwo();
    // It was asked to lead, so it does again.
    await leads(one, 'two');
    assert.deepEqual(await read(two), [{ v: wrong }]);
    assert.deepEqual(await scrub(one), ['one equal', 'two rebuilt']);
    for (const node of [one, two]) assert.deepEqual(await read(node), [{ v: WORD }]);
    await leads(one, 'two');
    for (const node of [one, two]) assert.deepEqual(await read(node), [{ v: WORD }]);
    assert.deepEqual(await scrub(one), ['one equal']);
  });
});
