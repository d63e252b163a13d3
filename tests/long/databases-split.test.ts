/**
 * `moln db split` on one machine under writes and reads, with the database process killed on the way: the agent starts it again, the split
 * goes on by itself, sums stay, and what was acknowledged is there once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseDetail, StripeDetail } from '../../src/api/api.ts';
import { COUNTED, CountingClient } from '../../testing/counting-client.ts';
import { createHttpClient } from '../../testing/libsql-clients.ts';
import { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const ACCOUNTS = 12_000;
const WITHIN_MS = 60_000;

function databasePid(node: TestNode): number {
  const found = node.processes().find(({ command }) => command.includes('database-main.ts'));
  return found?.pid ?? 0;
}

test('a stripe is split while clients go on and its process is killed', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('db', 'create', 'shop', '--stripes', '2');
  const { token } = await node.json<{ readonly token: string }>('db', 'token', 'shop');
  const url = `http://127.0.0.1:${node.ports.api}/db/shop/`;
  const client = createHttpClient({ url, authToken: token, intMode: 'number' });
  await client.execute(COUNTED);
  await client.execute('CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER, text TEXT)');
  await client.execute(
    'CREATE TABLE rate (code TEXT PRIMARY KEY, value REAL) /* moln: reference */',
  );
  await client.execute("INSERT INTO rate VALUES ('EUR', 1), ('SEK', 11)");
  await client.execute(
    `INSERT INTO account WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ${ACCOUNTS})
     SELECT id, 100, 'the text of an account ' || id FROM n`,
  );

  const writers = [1, 2].map((one) => new CountingClient(client, one * 1_000_000));
  for (const writer of writers) writer.start();
  const sums: string[] = [];
  let isOver = false;
  let transfers = 0;
  const bank = (async () => {
    for (let n = 0; !isOver; n++) {
      const [from, to] = [1 + ((n * 7) % ACCOUNTS), 1 + ((n * 11 + 5) % ACCOUNTS)];
      const sql = 'UPDATE account SET cents = cents + iif(id = ?1, -1, 1) WHERE id IN (?1, ?2)';
      // Who was cut off finds out by the sum; one that was not done changes nothing.
      if (from !== to) await client.execute({ sql, args: [from, to] }).catch(() => undefined);
      transfers++;
    }
  })();
  const reader = (async () => {
    while (!isOver) {
      try {
        const { rows } = await client.execute('SELECT count(*) AS n, sum(cents) AS c FROM account');
        sums.push(`${Number(rows[0]?.['n'])} ${Number(rows[0]?.['c'])}`);
      } catch {
        // The process has just been killed.
      }
    }
  })();
  const more = async (): Promise<void> => {
    const before = [writers[0]?.acknowledged.size ?? 0, sums.length, transfers] as const;
    const isMore = (): boolean =>
      (writers[0]?.acknowledged.size ?? 0) > before[0] + 3 &&
      sums.length > before[1] + 2 &&
      transfers > before[2] + 3;
    await until('more writes and reads', isMore, { withinMs: WITHIN_MS });
  };
  const shown = (): Promise<DatabaseDetail> => node.json('db', 'show', 'shop');
  const stripes = async (): Promise<readonly StripeDetail[]> => (await shown()).stripeDetails;
  const kill = async (): Promise<void> => {
    const pid = databasePid(node);
    process.kill(pid, 'SIGKILL');
    await until('another process', () => ![0, pid].includes(databasePid(node)), {
      withinMs: WITHIN_MS,
    });
  };

  await more();
  const before = await until('a moment to go back to', async () => (await shown()).restorable?.to, {
    withinMs: WITHIN_MS,
  });
  const asked = node.cli('db', 'split', 'shop', '0');
  await until('the third stripe', async () => (await stripes()).length === 3 || undefined);
  await kill();
  await until('slots on their way', async () => {
    const [, , third] = await stripes().catch(() => []);
    return (third?.slots ?? 0) > 0 || undefined;
  });
  await kill();
  await until(
    'the end of the split',
    async () => {
      const all = await stripes().catch(() => []);
      const isDone = all.every(({ split }) => split === undefined) && all[2]?.slots === 256;
      if (!isDone) throw new Error(JSON.stringify(all));
      return true;
    },
    { withinMs: WITHIN_MS },
  );
  const { stdout, stderr } = await asked;
  assert.match(stdout + stderr, /Stripe 0 of shop is split: 2 has half of it|not ready|not answer/);
  await more();
  // Again, without a fault: nobody gets an error, and nobody waits for long.
  const errors = writers.map((writer) => writer.errors.length);
  const again = await node.json<StripeDetail>('db', 'split', 'shop', '1');
  assert.deepEqual([again.number, again.slots, again.split], [3, 256, undefined]);
  await more();
  isOver = true;
  await Promise.all([bank, reader, ...writers.map((writer) => writer.stop())]);
  assert.deepEqual(
    writers.map((writer) => writer.errors.length),
    errors,
  );
  assert.deepEqual([...new Set(sums)], [`${ACCOUNTS} ${100 * ACCOUNTS}`]);
  const { rows } = await client.execute('SELECT n FROM counted');
  for (const writer of writers) {
    const own = rows
      .map((row) => Number(row['n']))
      .filter((n) => Math.floor(n / 1_000_000) === writers.indexOf(writer) + 1);
    assert.deepEqual(writer.problems(own), []);
  }
  const rates = await client.execute('SELECT count(*) AS n FROM rate JOIN account ON value = 1');
  assert.equal(rates.rows[0]?.['n'], ACCOUNTS);

  // What was before the splits has two stripes.
  const at = new Date(before + 1).toISOString();
  await node.json('db', 'restore', 'shop', '--at', at, '--as', 'past');
  const past = await node.json<DatabaseDetail>('db', 'show', 'past');
  assert.deepEqual(
    past.stripeDetails.map(({ slots, split }) => [slots, split]),
    [
      [512, undefined],
      [512, undefined],
    ],
  );

  const wrong = await node.cli('db', 'split', 'shop', '9');
  assert.match(wrong.stderr, /has stripes 0 to 3, and no stripe 9/);
  client.close();
});
