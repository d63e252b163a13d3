/** Reads over stripes as of one moment, and transactions over stripes whose coordinator is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { Moment, type Stripe, Together } from '../src/database/database.ts';
import { type DatabaseUnderTest, look, run, startDatabase } from '../testing/database-kit.ts';

/** Longer than any test: nobody takes over here. */
const TTL_MS = 120_000;

interface Bank {
  readonly on: DatabaseUnderTest;
  readonly a: Stripe;
  readonly b: Stripe;
}

async function withBank(work: (bank: Bank) => Promise<void>): Promise<void> {
  await using on = await startDatabase();
  const [a, b] = [
    await on.copy('n1', { name: 'a', primaryTtlMs: TTL_MS }),
    await on.copy('n2', { name: 'b', primaryTtlMs: TTL_MS }),
  ];
  for (const stripe of [a, b]) {
    assert.ok(await stripe.lead());
    await run(stripe, 'CREATE TABLE account (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)');
    await run(stripe, 'INSERT INTO account VALUES (1, 100)');
  }
  await work({ on, a, b });
}

async function transfer({ on, a, b }: Bank, n: bigint): Promise<void> {
  const together = await Together.begin(on.log, [a, b]);
  const sql = 'UPDATE account SET n = n + ? WHERE id = 1';
  await together.run('a', { sql, args: [-n] });
  await together.run('b', { sql, args: [n] });
  await together.commit();
}

/** `isEarly`: they are read while the log is asked. */
async function amounts({ on, a, b }: Bank, isEarly = false): Promise<readonly bigint[]> {
  const sum = { sql: 'SELECT sum(n) FROM account' };
  const first = new Map(isEarly ? [a, b].map(({ name }) => [name, sum]) : []);
  await using moment = await Moment.open(on.log, [a, b], undefined, first);
  const of = async (stripe: Stripe): Promise<bigint> =>
    (await moment.query(stripe.name, sum)).rows[0]?.[0] as bigint;
  return [await of(a), await of(b)];
}

test('a moment stays what it was while its stripes go on', async () => {
  await withBank(async ({ on, a, b }) => {
    await using moment = await Moment.open(on.log, [a, b]);
    await transfer({ on, a, b }, 10n);
    for (const name of ['a', 'b']) {
      const { rows } = await moment.query(name, { sql: 'SELECT n FROM account' });
      assert.deepEqual(rows, [[100n]]);
    }
    assert.deepEqual(await amounts({ on, a, b }), [90n, 110n]);
    await moment[Symbol.asyncDispose]();
    await assert.rejects(moment.query('a', { sql: 'SELECT 1' }), (error) =>
      isMolnError(error, 'DATABASE_VIEW_ENDED'),
    );
  });
});

test('the sum over stripes never changes while both are written without a pause', async () => {
  await withBank(async (bank) => {
    const stop = new AbortController();
    const busy = (work: () => Promise<unknown>): Promise<void> =>
      (async () => {
        while (!stop.signal.aborted) await work();
      })();
    const zero = (stripe: Stripe): Promise<unknown> =>
      run(stripe, 'UPDATE account SET n = n + 0 WHERE id = 1');
    const writers = [
      busy(() => transfer(bank, 1n)),
      busy(() => zero(bank.a)),
      busy(() => zero(bank.b)),
    ];
    let last = 101n;
    for (let round = 0; round < 30; round++) {
      const [a = 0n, b = 0n] = await amounts(bank, round % 2 === 0);
      assert.equal(a + b, 200n);
      assert.ok(a < last || a <= 100n, 'a later moment shows an older state');
      assert.ok(a <= last);
      last = a;
    }
    stop.abort();
    await Promise.all(writers);
    assert.equal(bank.on.pool.views, 0);
  });
});

test('no two moments see two independent changes in opposite order', async () => {
  await withBank(async (bank) => {
    const add = (stripe: Stripe): Promise<unknown> =>
      run(stripe, 'UPDATE account SET n = n + 1 WHERE id = 1');
    const seen: (readonly bigint[])[] = [];
    const reader = async (): Promise<void> => {
      for (let round = 0; round < 10; round++) seen.push(await amounts(bank));
    };
    const writer = async (stripe: Stripe): Promise<void> => {
      for (let round = 0; round < 60; round++) await add(stripe);
    };
    await Promise.all([writer(bank.a), writer(bank.b), reader(), reader(), reader()]);
    for (const [a = 0n, b = 0n] of seen) {
      for (const [otherA = 0n, otherB = 0n] of seen)
        assert.ok(!(a > otherA && b < otherB), `(${a}, ${b}) and (${otherA}, ${otherB})`);
    }
  });
});

test('stripes find out by themselves when whoever ran a transaction is gone', async () => {
  await withBank(async ({ on, a, b }) => {
    const prepared = async (): Promise<Parameters<typeof on.log.append>[0]> => {
      const shares = [];
      for (const stripe of [a, b]) {
        const hold = await stripe.begin();
        await hold.run({ sql: 'UPDATE account SET n = n + 1 WHERE id = 1' });
        shares.push(await hold.prepare());
      }
      return shares.flatMap((share) => (share.kind === 'append' ? [share.append] : []));
    };
    // Gone before the append: it must not happen any more.
    const late = await prepared();
    await run(a, 'UPDATE account SET n = n + 0 WHERE id = 1');
    await run(b, 'UPDATE account SET n = n + 0 WHERE id = 1');
    assert.equal((await on.log.append(late)).kind, 'refused');
    assert.deepEqual(await amounts({ on, a, b }), [100n, 100n]);
    // Gone after it: it has happened, and nobody reads what was before.
    assert.equal((await on.log.append(await prepared())).kind, 'appended');
    const { rows } = await a.query({ sql: 'SELECT n FROM account' }, { kind: 'strong' });
    assert.deepEqual(rows, [[101n]]);
    assert.deepEqual(await amounts({ on, a, b }), [101n, 101n]);
    assert.deepEqual(await look(b, 'SELECT n FROM account'), [[101n]]);
  });
});

test('what is rolled back after its append has happened all the same', async () => {
  await withBank(async ({ on, a }) => {
    const hold = await a.begin();
    await hold.run({ sql: 'UPDATE account SET n = n + 1 WHERE id = 1' });
    const share = await hold.prepare();
    assert.ok(share.kind === 'append');
    assert.equal((await on.log.append([share.append])).kind, 'appended');
    await hold.rollBack();
    assert.deepEqual(await look(a, 'SELECT n FROM account'), [[101n]]);
    // Given up while it is being prepared: nothing happened, and the stripe is free.
    const other = await a.begin();
    await other.run({ sql: 'UPDATE account SET n = n + 1 WHERE id = 1' });
    await Promise.all([other.prepare(), other.rollBack()]);
    await run(a, 'UPDATE account SET n = n + 1 WHERE id = 1');
    assert.deepEqual(await look(a, 'SELECT n FROM account'), [[102n]]);
  });
});
