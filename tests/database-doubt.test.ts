/** Appends whose answers are lost: each transaction happens once or not at all, and its client is told which. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { isMolnError, MolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { Moment, type Stripe } from '../src/database/database.ts';
import { copyRegistry, openSqliteRegistry, SwitchableRegistry } from '../src/registry/registry.ts';
import {
  type DatabaseUnderTest,
  look,
  run,
  sameCopies,
  startDatabase,
} from '../testing/database-kit.ts';
import { type FaultyLog, faultyLog } from '../testing/faulty-log.ts';
import { until } from '../testing/until.ts';

interface Setting {
  readonly on: DatabaseUnderTest;
  readonly faulty: FaultyLog;
  readonly primary: Stripe;
}

async function setting(work: (on: Setting) => Promise<void>): Promise<void> {
  await using on = await startDatabase();
  const faulty = faultyLog(on.log);
  const primary = await on.copy('n1', { log: faulty.log });
  assert.ok(await primary.lead());
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
  await work({ on, faulty, primary });
  // Whatever happened: a mirror sees the same, and the stripe goes on.
  const mirror = await on.copy('n2');
  if (primary.status.role === 'primary') await run(primary, "INSERT INTO t (v) VALUES ('after')");
  await primary.catchUp();
  await mirror.catchUp();
  await sameCopies(primary, mirror);
  assert.equal(mirror.status.quarantined, undefined);
}

const insert = (stripe: Stripe, id: number): Promise<unknown> =>
  run(stripe, 'INSERT INTO t (id) VALUES (?)', BigInt(id));

async function ids(stripe: Stripe): Promise<unknown> {
  return (await look(stripe, 'SELECT id FROM t ORDER BY id')).map(([id]) => Number(id));
}

test('it happened, and the answer was lost: the head tells', async () => {
  await setting(async ({ faulty, primary }) => {
    faulty.next('answerLost');
    faulty.blind(2);
    await insert(primary, 1);
    assert.deepEqual(await ids(primary), [1]);
  });
});

test('a mirror shows it, and the primary waits for the answer: a strong read there waits too', async () => {
  await setting(async ({ on, faulty, primary }) => {
    const sql = 'SELECT id FROM t WHERE id = 1';
    const strong = async (stripe: Stripe): Promise<unknown> =>
      (await stripe.query({ sql }, { kind: 'strong' })).rows;
    const asMoment = async (stripe: Stripe): Promise<unknown> => {
      await using moment = await Moment.open(on.log, [stripe]);
      return (await moment.query('s1', { sql })).rows;
    };
    const mirror = await on.copy('n4');
    // Its process has started from here on.
    await asMoment(primary);
    faulty.next('answerLate');
    const inserted = insert(primary, 1);
    await until('the mirror shows it', async () => isDeepStrictEqual(await strong(mirror), [[1n]]));
    const reads = [strong(primary), asMoment(primary)];
    // Long enough for whoever does not wait.
    for (let n = 0; n < 20; n++) await strong(mirror);
    await faulty.land();
    assert.deepEqual(await Promise.all(reads), [[[1n]], [[1n]]]);
    await inserted;
  });
});

test('it never arrived: a barrier takes its place, and the client is told that nothing happened', async () => {
  await setting(async ({ on, faulty, primary }) => {
    faulty.next('requestLost');
    await assert.rejects(
      insert(primary, 1),
      (error) => isMolnError(error, 'DATABASE_NOT_COMMITTED') && error.retryable,
    );
    assert.deepEqual(await ids(primary), []);
    const last = (await on.log.read('s1', (await on.log.head('s1')).index))[0];
    assert.equal(last?.kind, 'barrier');
    await insert(primary, 1);
  });
});

test('it arrives after the barrier: the log refuses it', async () => {
  await setting(async ({ faulty, primary }) => {
    faulty.next('late');
    await assert.rejects(insert(primary, 1), (error) =>
      isMolnError(error, 'DATABASE_NOT_COMMITTED'),
    );
    assert.equal(await faulty.land(), 0);
    assert.deepEqual(await ids(primary), []);
  });
});

test('the answer to the barrier is lost too, and so is the next barrier', async () => {
  await setting(async ({ faulty, primary }) => {
    faulty.next('late', 'requestLost', 'answerLost');
    await assert.rejects(insert(primary, 1));
    assert.equal(await faulty.land(), 0);
    assert.deepEqual(await ids(primary), []);
  });
});

test('a whole group shares its fate', async () => {
  await setting(async ({ faulty, primary }) => {
    faulty.next('answerLost', 'requestLost');
    const first = Promise.allSettled([1, 2, 3].map((id) => insert(primary, id)));
    assert.deepEqual(
      (await first).map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled'],
    );
    const second = Promise.allSettled([4, 5].map((id) => insert(primary, id)));
    assert.deepEqual(
      (await second).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.deepEqual(await ids(primary), [1, 2, 3]);
  });
});

test('a successor takes over while an append is in doubt', async () => {
  for (const fault of ['answerLost', 'requestLost'] as const) {
    await setting(async ({ on, faulty, primary }) => {
      const successor = await on.copy('n3');
      faulty.next(fault);
      faulty.blind(1000);
      const doubtful = primary.execute([{ sql: 'INSERT INTO t (id) VALUES (1)' }]).then(
        ({ index }) => index,
        (error: unknown) => error,
      );
      while (faulty.sent.at(-1) !== 3) await new Promise((resolve) => setImmediate(resolve));
      const { epoch } = (await on.log.primary('s1')) ?? {};
      assert.ok(await successor.lead(epoch === undefined ? {} : { replaces: epoch }));
      await insert(successor, 2);
      faulty.blind(0);
      const outcome = await doubtful;
      const there = await ids(successor);
      if (fault === 'answerLost') {
        // Whoever reads another copy as of that finds it.
        assert.equal(outcome, 3);
        assert.deepEqual(there, [1, 2]);
      } else {
        assert.ok(isMolnError(outcome, 'DATABASE_NOT_PRIMARY'), String(outcome));
        assert.deepEqual(there, [2]);
      }
      await assert.rejects(insert(primary, 3), (error) =>
        isMolnError(error, 'DATABASE_NOT_PRIMARY'),
      );
      assert.deepEqual(await ids(successor), there);
    });
  }
});

test('the log is out of reach with something in doubt: that is unknown, the rest is refused, until it is back', async () => {
  const away = new MolnError('REGISTRY_UNAVAILABLE', 'No manager answers', { retryable: true });
  const isAway = (error: unknown): boolean => isMolnError(error, 'REGISTRY_UNAVAILABLE');
  const isUnknown = (error: unknown): boolean => isMolnError(error, 'DATABASE_OUTCOME_UNKNOWN');
  for (const [fault, wanted] of [
    ['answerLost', [1, 2, 4]],
    ['requestLost', [4]],
  ] as const) {
    await setting(async ({ faulty, primary }) => {
      const back = async (): Promise<void> => {
        faulty.blind(0);
        await until('it takes writes again', async () => {
          await primary.execute([{ sql: 'UPDATE t SET v = 1 WHERE id = 0' }]);
          return true;
        });
      };
      faulty.next(fault);
      faulty.blind(1000, away);
      const [doubtful, waiting, held] = [insert(primary, 1), insert(primary, 3), primary.begin()];
      await assert.rejects(doubtful, isUnknown);
      // In the same group as the first, or behind it.
      await assert.rejects(waiting);
      await assert.rejects(held, isAway);
      await assert.rejects(insert(primary, 3), isAway);
      await assert.rejects(primary.begin(), isAway);
      await back();
      await primary.execute([{ sql: 'DELETE FROM t WHERE id = 3' }]);

      const hold = await primary.begin();
      await hold.run({ sql: 'INSERT INTO t (id) VALUES (2)' });
      faulty.next(fault);
      faulty.blind(1000, away);
      await assert.rejects(hold.commit(), isUnknown);
      await hold.rollBack();
      await back();
      await insert(primary, 4);
      assert.deepEqual(await ids(primary), wanted);
    });
  }
});

test('what has to run alone, and was told that it is unknown with the others of its group, does not run later', async () => {
  const away = new MolnError('REGISTRY_UNAVAILABLE', 'No manager answers', { retryable: true });
  await setting(async ({ faulty, primary }) => {
    faulty.next('answerLost');
    faulty.blind(1000, away);
    const told = await Promise.allSettled([
      insert(primary, 1),
      run(primary, 'CREATE TABLE u (id INTEGER PRIMARY KEY)'),
    ]);
    assert.deepEqual(
      told.map((one) => one.status === 'rejected' && isMolnError(one.reason)),
      [true, true],
    );
    faulty.blind(0);
    await until('it takes writes again', async () => {
      await run(primary, 'UPDATE t SET v = 1 WHERE id = 0');
      return true;
    });
    assert.deepEqual(await ids(primary), [1]);
    await run(primary, 'CREATE TABLE u (id INTEGER PRIMARY KEY)');
  });
});

test('an interactive transaction in doubt', async () => {
  await setting(async ({ faulty, primary }) => {
    for (const [fault, id] of [
      ['answerLost', 1n],
      ['requestLost', 2n],
    ] as const) {
      const hold = await primary.begin();
      await hold.run({ sql: 'INSERT INTO t (id) VALUES (?)', args: [id] });
      faulty.next(fault);
      if (fault === 'answerLost') await hold.commit();
      else
        await assert.rejects(hold.commit(), (error) =>
          isMolnError(error, 'DATABASE_NOT_COMMITTED'),
        );
    }
    assert.deepEqual(await ids(primary), [1]);
  });
});

test('it never arrived, and the log is a copy of itself by then: the term is over, and the stripe goes on', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-doubt-'));
  t.after(() => rm(folder, { recursive: true }));
  const open = (name: string): ReturnType<typeof openSqliteRegistry> =>
    openSqliteRegistry({ path: join(folder, name), clock: systemClock, log: silentLogger });
  await using registry = new SwitchableRegistry(await open('before.sqlite'));
  await using on = await startDatabase({ registry });
  const faulty = faultyLog(on.log);
  const primary = await on.copy('n1', { log: faulty.log });
  assert.ok(await primary.lead());
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
  faulty.next('requestLost');
  faulty.blind(Infinity);
  const inserted = insert(primary, 1);
  await registry.switchTo(async (freeze) => {
    const next = await open('after.sqlite');
    // Its revisions are others.
    for (let n = 0; n < 20; n++)
      await next.commit([], [{ kind: 'put', key: '/n', value: Buffer.of(n) }]);
    await next.commit([], [{ kind: 'delete', key: '/n' }]);
    await copyRegistry({ from: registry.current, to: next, freeze });
    return next;
  });
  faulty.blind(0);
  await assert.rejects(inserted, (error) => isMolnError(error, 'DATABASE_NOT_PRIMARY'));
  assert.ok(await primary.lead());
  await insert(primary, 1);
  assert.deepEqual(await ids(primary), [1]);
});
