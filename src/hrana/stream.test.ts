import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../base/deadlines.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { Database, Session } from './database.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Stream } from './stream.ts';

/** A session that only is open or closed, and in a transaction or not. */
class Switch {
  isAutocommit = true;
  closes = 0;
  opens = 0;
  failure: Error | undefined;

  get database(): Database {
    return {
      openSession: () => {
        this.opens += 1;
        return this.failure === undefined
          ? Promise.resolve(this as unknown as Session)
          : Promise.reject(this.failure);
      },
    };
  }

  close(): Promise<void> {
    this.closes += 1;
    return Promise.resolve();
  }
}

function stream(session: Switch, clock: ManualClock, endsWhenIdle = true): Stream {
  return new Stream({
    database: session.database,
    caller: { id: 'ada', readOnly: false },
    clock,
    limits: DEFAULT_LIMITS,
    idle: new Deadlines(clock, DEFAULT_LIMITS.streamIdleMs),
    endsWhenIdle,
    onClosed: () => undefined,
  });
}

const nothing = (): Promise<void> => Promise.resolve();

test('an idle stream is closed, one that is used is not', async () => {
  const clock = new ManualClock();
  const session = new Switch();
  const one = stream(session, clock);
  for (let round = 0; round < 5; round += 1) {
    await one.run(nothing);
    clock.advance(DEFAULT_LIMITS.streamIdleMs - 1);
  }
  assert.equal(one.ended, undefined);
  clock.advance(1);
  await one.close();
  assert.equal(session.closes, 1);
  await assert.rejects(one.run(nothing), { code: 'STREAM_EXPIRED' });
});

test('a transaction has less time, also where streams may idle', async () => {
  const clock = new ManualClock();
  const session = new Switch();
  const one = stream(session, clock, false);
  await one.run(nothing);
  clock.advance(3_600_000);
  session.isAutocommit = false;
  await one.run(nothing);
  clock.advance(DEFAULT_LIMITS.transactionIdleMs);
  await one.close();
  assert.equal(session.closes, 1);
  await assert.rejects(one.run(nothing), { code: 'TRANSACTION_TIMEOUT' });
});

test('a request under way is not cut, the next one is refused', async () => {
  const clock = new ManualClock();
  const session = new Switch();
  const one = stream(session, clock);
  session.isAutocommit = false;
  await one.run(nothing);
  const slow = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const running = one.run(() => {
    begun.resolve();
    return slow.promise;
  });
  const next = one.run(nothing);
  const refused = assert.rejects(next, { code: 'TRANSACTION_TIMEOUT' });
  await begun.promise;
  clock.advance(DEFAULT_LIMITS.transactionMs);
  assert.equal(session.closes, 0);
  assert.throws(() => one.check(), { code: 'TRANSACTION_TIMEOUT' });
  slow.resolve();
  await running;
  await refused;
  await one.close();
  assert.equal(session.closes, 1);
});

test('requests keep their order, and a failed one is followed by the next', async () => {
  const session = new Switch();
  const one = stream(session, new ManualClock());
  const order: number[] = [];
  const all = [1, 2, 3].map((number) =>
    one.run(() => {
      order.push(number);
      return number === 2 ? Promise.reject(new Error('two')) : Promise.resolve(number);
    }),
  );
  const settled = await Promise.allSettled(all);
  assert.deepEqual(order, [1, 2, 3]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(session.opens, 1);
});

test('a session that cannot be opened is tried again', async () => {
  const session = new Switch();
  session.failure = new Error('not now');
  const one = stream(session, new ManualClock());
  await assert.rejects(one.run(nothing), /not now/);
  session.failure = undefined;
  await one.run(nothing);
  await one.close();
  assert.deepEqual([session.opens, session.closes], [2, 1]);
});
