/** A log that nobody trims: writers are slowed down, then refused by name, and go on as soon as there is a snapshot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { type Clock, systemClock } from '../src/base/time.ts';
import { silentLogger } from '../src/base/log.ts';
import { runSnapshots, type Stripe, Together } from '../src/database/database.ts';
import { TRANSACTION_IDLE_MS, TRANSACTION_TOTAL_MS } from '../src/database/limits.ts';
import { look, run, sameCopies, startDatabase } from '../testing/database-kit.ts';
import { until } from '../testing/until.ts';

const LOG_BYTES_MAX = 2 * 1024 * 1024;
/** Longer than the test: nobody takes over here. */
const TTL_MS = 120_000;

/** Bytes that cannot be packed, a quarter of the log's limit: too many for one key. */
async function insert(stripe: Stripe, id: bigint): Promise<void> {
  await run(stripe, 'INSERT INTO t (id, v) VALUES (?, randomblob(520000))', id);
}

test('a log at its limit takes nothing more until it is trimmed', async () => {
  await using on = await startDatabase();
  const changes = { logBytesMax: LOG_BYTES_MAX, primaryTtlMs: TTL_MS };
  const stripe = await on.copy('n1', changes);
  assert.ok(await stripe.lead());
  await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)');
  let taken = 0n;
  const isFull = (error: unknown): boolean => isMolnError(error, 'DATABASE_LOG_FULL');
  try {
    for (; taken < 10n; taken++) await insert(stripe, taken);
    assert.fail('the log never was full');
  } catch (error) {
    assert.ok(isFull(error), String(error));
  }
  assert.equal(taken, 5n);
  await assert.rejects(stripe.begin(), isFull);
  // Reads go on, and the stripe still leads.
  assert.deepEqual(await look(stripe, 'SELECT count(*) FROM t'), [[taken]]);
  const { rows } = await stripe.query({ sql: 'SELECT count(*) FROM t' }, { kind: 'strong' });
  assert.deepEqual(rows, [[taken]]);

  const stop = new AbortController();
  const options = { stripe, log: on.log, clock: systemClock, logger: silentLogger, everyMs: 50 };
  const duty = runSnapshots(options, stop.signal);
  await until('the log is trimmed', () => stripe.primary?.figures.logBytes === 0);
  for (const last = taken + 8n; taken < last; taken++) {
    await until('there is room', async () => {
      await insert(stripe, taken);
      return true;
    });
  }
  stop.abort();
  await duty;
  const mirror = await on.copy('n2', { primaryTtlMs: TTL_MS });
  await sameCopies(stripe, mirror);
});

test('who waits for a log that is nearly full does not keep a stripe from being handed over', async () => {
  await using on = await startDatabase();
  const began: string[] = [];
  const pause = Promise.withResolvers<void>();
  const paused = Promise.withResolvers<void>();
  let isNearlyFull = false;
  const clock: Clock = {
    ...systemClock,
    after: (ms, call) => {
      if (isNearlyFull && ms === TRANSACTION_TOTAL_MS) began.push('a transaction');
      return systemClock.after(ms, call);
    },
    sleep: async (_ms, signal) => {
      if (!isNearlyFull) return await systemClock.sleep(1, signal);
      paused.resolve();
      await pause.promise;
    },
  };
  const stripe = await on.copy('n1', { logBytesMax: LOG_BYTES_MAX, primaryTtlMs: TTL_MS, clock });
  assert.ok(await stripe.lead());
  await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)');
  for (let id = 0n; id < 3n; id++) await insert(stripe, id);
  isNearlyFull = true;
  const refused = assert.rejects(stripe.begin(), { code: 'DATABASE_NOT_PRIMARY' });
  await paused.promise;
  const released = stripe.release();
  await refused;
  pause.resolve();
  await released;
  assert.deepEqual(began, []);
});

test('a transaction over stripes is not lost to the pause before one whose log is nearly full', async () => {
  await using on = await startDatabase();
  const [free, full] = [
    await on.copy('n1', { name: 'a' }),
    await on.copy('n1', { name: 'b', logBytesMax: 100_000 }),
  ];
  for (const stripe of [free, full]) {
    assert.ok(await stripe.lead());
    await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)');
  }
  await run(full, 'INSERT INTO t VALUES (1, randomblob(94000))');
  const pressure = full.primary?.pressure;
  assert.ok(pressure?.kind === 'slow' && pressure.pauseMs > TRANSACTION_IDLE_MS);
  const together = await Together.begin(on.log, [free, full]);
  for (const name of ['a', 'b']) await together.run(name, { sql: 'INSERT INTO t (id) VALUES (2)' });
  await together.commit();
});

test('a stripe is handed to the copy that should lead', async () => {
  await using on = await startDatabase();
  const [from, to] = [
    await on.copy('n1', { primaryTtlMs: TTL_MS }),
    await on.copy('n2', { primaryTtlMs: TTL_MS }),
  ];
  assert.ok(await from.lead());
  await run(from, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
  const writes = Array.from({ length: 50 }, (_, id) =>
    run(from, 'INSERT INTO t VALUES (?)', BigInt(id)).then(
      () => 1n,
      () => 0n,
    ),
  );
  await from.release((replaces) => to.lead({ replaces }));
  const done = (await Promise.all(writes)).reduce((sum, one) => sum + one, 0n);
  assert.deepEqual([from.status.role, to.status.role], ['mirror', 'primary']);
  assert.deepEqual(await look(to, 'SELECT count(*) FROM t'), [[done]]);
  // When the successor cannot, anybody may lead.
  await assert.rejects(
    to.release(() => Promise.reject(new Error('it is away'))),
    /away/,
  );
  assert.ok(await from.lead());
});
