import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { LOAN_AGAIN_MS, LOAN_MS, LOAN_OVER_MS, LOAN_QUIET_MS } from './limits.ts';
import { Borrower, Lender, type Loan } from './loans.ts';

const noRecall = (): Promise<void> => Promise.reject(new Error('it is away'));

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test('nothing is lent just after an append, and a loan names where the log ends', () => {
  const clock = new ManualClock();
  const lender = new Lender({ epoch: 7, clock });
  assert.equal(lender.lend('b', 3, noRecall), undefined);
  clock.advance(LOAN_QUIET_MS);
  assert.deepEqual(lender.lend('b', 3, noRecall), { epoch: 7, number: 1, index: 3 });
  void lender.recallAll();
  assert.equal(lender.lend('b', 4, noRecall), undefined);
});

test('who appends waits for everybody who can be told, and for the end of what others have', async () => {
  const clock = new ManualClock();
  const lender = new Lender({ epoch: 7, clock, quietMs: 0 });
  const told: Loan[] = [];
  const answer = Promise.withResolvers<void>();
  lender.lend('b', 3, (loan) => {
    told.push(loan);
    return answer.promise;
  });
  lender.lend('c', 3, noRecall);
  let isOver = false;
  const first = lender.recallAll()?.then(() => (isOver = true));
  assert.deepEqual(told, [{ epoch: 7, number: 1, index: 3 }]);
  // Who comes second waits for the same.
  const second = lender.recallAll();
  assert.notEqual(second, undefined);
  answer.resolve();
  clock.advance(LOAN_OVER_MS - 1);
  await settled();
  assert.equal(isOver, false);
  clock.advance(1);
  await first;
  await second;
  assert.equal(lender.recallAll(), undefined);
});

/** A copy that asks often, and what it is answered. */
class Copy {
  readonly clock = new ManualClock();
  /** By which the wall clock is ahead of what passed. */
  aheadMs = 0;
  readonly asked: PromiseWithResolvers<{ epoch: number; loan: Loan | undefined }>[] = [];
  readonly borrower = new Borrower({
    clock: {
      now: () => this.clock.now() + this.aheadMs,
      monotonicMs: () => this.clock.monotonicMs(),
    },
    borrow: () => {
      const asked = Promise.withResolvers<{ epoch: number; loan: Loan | undefined }>();
      this.asked.push(asked);
      return asked.promise;
    },
  });

  /** Two questions, so that it borrows. */
  ask(): number | undefined {
    this.borrower.end();
    return this.borrower.end();
  }

  async answer(loan: Loan | undefined, epoch = 7): Promise<void> {
    this.asked.shift()?.resolve({ epoch, loan });
    await settled();
  }
}

const LOAN: Loan = { epoch: 7, number: 1, index: 3 };

test('a loan counts from before it was asked for, and ends by either clock', async () => {
  const copy = new Copy();
  assert.equal(copy.ask(), undefined);
  copy.clock.advance(LOAN_MS / 2);
  await copy.answer(LOAN);
  assert.equal(copy.borrower.end(), 3);
  copy.clock.advance(LOAN_MS / 2 - 1);
  assert.equal(copy.borrower.end(), 3);
  copy.clock.advance(1);
  assert.equal(copy.borrower.end(), undefined);
});

test('a machine that was suspended does not go on with what was lent before', async () => {
  const copy = new Copy();
  copy.ask();
  await copy.answer(LOAN);
  assert.equal(copy.borrower.end(), 3);
  copy.aheadMs = LOAN_MS;
  assert.equal(copy.borrower.end(), undefined);
});

test('what was called back is not used, also when it comes only then', async () => {
  const copy = new Copy();
  copy.ask();
  await copy.answer(LOAN);
  copy.borrower.recalled(LOAN);
  assert.equal(copy.borrower.end(), undefined);
  copy.clock.advance(LOAN_AGAIN_MS);
  copy.ask();
  copy.borrower.recalled({ ...LOAN, number: 2 });
  copy.borrower.recalled(LOAN);
  await copy.answer({ ...LOAN, number: 2 });
  assert.equal(copy.borrower.end(), undefined);
  copy.clock.advance(LOAN_AGAIN_MS);
  copy.ask();
  await copy.answer({ ...LOAN, number: 3, index: 4 });
  assert.equal(copy.borrower.end(), 4);
});

test('what one lends who does not lead as the log says is not used', async () => {
  const copy = new Copy();
  copy.ask();
  await copy.answer(LOAN, 8);
  assert.equal(copy.borrower.end(), undefined);
});

test('who asks seldom borrows nothing', () => {
  const copy = new Copy();
  copy.borrower.end();
  copy.clock.advance(LOAN_MS);
  copy.borrower.end();
  assert.equal(copy.asked.length, 0);
});
