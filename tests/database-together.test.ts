/** Transactions over two stripes: all or nothing, serializable, also when stripes are only read, fail, or answers are lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { type Stripe, Together } from '../src/database/database.ts';
import {
  type DatabaseUnderTest,
  look,
  run,
  sameCopies,
  startDatabase,
} from '../testing/database-kit.ts';
import { until } from '../testing/until.ts';
import { type FaultyLog, faultyLog } from '../testing/faulty-log.ts';

interface Two {
  readonly on: DatabaseUnderTest;
  readonly faulty: FaultyLog;
  readonly a: Stripe;
  readonly b: Stripe;
}

async function withTwo(work: (two: Two) => Promise<void>): Promise<void> {
  await using on = await startDatabase();
  const faulty = faultyLog(on.log);
  const [a, b] = [
    await on.copy('n1', { name: 'a', log: faulty.log }),
    await on.copy('n1', { name: 'b', log: faulty.log }),
  ];
  for (const stripe of [a, b]) {
    assert.ok(await stripe.lead());
    await run(
      stripe,
      'CREATE TABLE account (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n >= 0))',
    );
    await run(stripe, 'INSERT INTO account VALUES (1, 100)');
  }
  await work({ on, faulty, a, b });
  for (const stripe of [a, b]) {
    const mirror = await on.copy('n2', { name: stripe.name });
    await stripe.catchUp();
    await sameCopies(stripe, mirror);
    assert.equal(mirror.status.quarantined, undefined);
  }
}

const take = (n: bigint): { sql: string; args: bigint[] } => ({
  sql: 'UPDATE account SET n = n - ? WHERE id = 1',
  args: [n],
});

async function amounts({ a, b }: Two): Promise<unknown> {
  const of = async (stripe: Stripe): Promise<number> =>
    Number((await look(stripe, 'SELECT n FROM account WHERE id = 1'))[0]?.[0]);
  return [await of(a), await of(b)];
}

async function transfer({ on, faulty, a, b }: Two, n: bigint): Promise<void> {
  void on;
  const together = await Together.begin(faulty.log, [a, b]);
  try {
    await together.run('a', take(n));
    await together.run('b', take(-n));
  } catch (error) {
    await together.rollBack();
    throw error;
  }
  await together.commit();
}

test('a transfer is one revision on both stripes, or nothing', async () => {
  await withTwo(async (two) => {
    const before = two.a.primary?.figures;
    await transfer(two, 30n);
    assert.deepEqual(await amounts(two), [70, 130]);
    const after = two.a.primary?.figures;
    assert.equal((after?.entries ?? 0) - (before?.entries ?? 0), 1);
    assert.ok((after?.appendMs ?? 0) > (before?.appendMs ?? 0), 'its append is measured');
    const heads = [await two.on.log.head('a'), await two.on.log.head('b')];
    assert.equal(heads[0]?.revision, heads[1]?.revision);
    const [entry] = await two.on.log.read('a', heads[0]?.index ?? 0);
    assert.equal(entry?.cross, true);
    await assert.rejects(transfer(two, 300n), /CHECK constraint failed/);
    assert.deepEqual(await amounts(two), [70, 130]);
  });
});

test('many transfers at once, both ways, and single transactions between them', async () => {
  await withTwo(async (two) => {
    const { a, b } = two;
    await Promise.all([
      ...Array.from({ length: 15 }, () => transfer(two, 2n)),
      ...Array.from({ length: 15 }, () => transfer({ ...two, a: b, b: a }, 0n)),
      ...Array.from({ length: 30 }, () => run(a, 'UPDATE account SET n = n + 1 WHERE id = 1')),
    ]);
    assert.deepEqual(await amounts(two), [100, 130]);
  });
});

test('write skew: of two that each read what the other writes, one sees the other', async () => {
  await withTwo(async (two) => {
    const { a, b, faulty } = two;
    // Whoever finds 200 in all takes 100 from its own; both may not.
    const withdraw = async (own: Stripe): Promise<void> => {
      const together = await Together.begin(faulty.log, [a, b]);
      let sum = 0n;
      for (const name of ['a', 'b']) {
        const { rows } = await together.run(name, { sql: 'SELECT n FROM account WHERE id = 1' });
        sum += rows[0]?.[0] as bigint;
      }
      if (sum >= 200n) await together.run(own.name, take(100n));
      await together.commit();
    };
    await Promise.all([withdraw(a), withdraw(b)]);
    const left = (await amounts(two)) as number[];
    assert.equal((left[0] ?? 0) + (left[1] ?? 0), 100);
  });
});

test('a stripe that was only read and has another primary stops the transaction', async () => {
  await withTwo(async (two) => {
    const { on, a, b, faulty } = two;
    const together = await Together.begin(faulty.log, [a, b]);
    await together.run('b', { sql: 'SELECT n FROM account' });
    await together.run('a', take(1n));
    const other = await on.copy('n3', { name: 'b' });
    const { epoch } = (await on.log.primary('b')) ?? {};
    assert.ok(await other.lead(epoch === undefined ? {} : { replaces: epoch }));
    await run(other, 'UPDATE account SET n = 1');
    await assert.rejects(together.commit(), (error) => isMolnError(error, 'DATABASE_NOT_PRIMARY'));
    assert.deepEqual(await look(a, 'SELECT n FROM account'), [[100n]]);
    await until('b knows that it does not lead', () => b.status.role === 'mirror');
  });
});

test('lost answers: it happened on both, or on none', async () => {
  await withTwo(async (two) => {
    const { faulty } = two;
    faulty.next('answerLost');
    await transfer(two, 10n);
    assert.deepEqual(await amounts(two), [90, 110]);
    faulty.next('late');
    await assert.rejects(transfer(two, 10n), (error) =>
      isMolnError(error, 'DATABASE_NOT_COMMITTED'),
    );
    assert.equal(await faulty.land(), 0);
    assert.deepEqual(await amounts(two), [90, 110]);
    await transfer(two, 10n);
    assert.deepEqual(await amounts(two), [80, 120]);
  });
});
