/** What a primary lends its copies: reads that ask no log, and appends, moves and claims that wait until nobody counts on what is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommitLog, Loan, Stripe } from '../src/database/database.ts';
import {
  type DatabaseUnderTest,
  look,
  run,
  sameCopies,
  startDatabase,
} from '../testing/database-kit.ts';
import { until } from '../testing/until.ts';

const READ = { sql: 'SELECT n FROM counter' };
const ADD = 'UPDATE counter SET n = n + 1';

/** Two copies that reach each other as nodes would. */
class Pair {
  readonly #on: DatabaseUnderTest;
  #primary: Stripe | undefined;
  #mirror: Stripe | undefined;
  /** How the mirror is told that a loan is over. */
  recall: (loan: Loan) => Promise<unknown> = async (loan) => this.mirror.logEnd.recalled(loan);
  mayBeOut = true;
  /** Questions of where the log ends. */
  questions = 0;

  private constructor(on: DatabaseUnderTest) {
    this.#on = on;
  }

  static async start(on: DatabaseUnderTest): Promise<Pair> {
    const pair = new Pair(on);
    await pair.#start();
    return pair;
  }

  get primary(): Stripe {
    assert.ok(this.#primary !== undefined);
    return this.#primary;
  }

  get mirror(): Stripe {
    assert.ok(this.#mirror !== undefined);
    return this.#mirror;
  }

  async #start(): Promise<void> {
    const on = this.#on;
    const log: CommitLog = new Proxy(on.log, {
      get: (real, name: keyof CommitLog) => {
        if (name === 'head') this.questions++;
        return real[name].bind(real);
      },
    });
    const loans = {
      borrow: async ({ node }: { readonly node: string }): Promise<Loan | undefined> => {
        const lender = node === 'n1' ? this.primary : this.mirror;
        return lender.logEnd.lend('other', (loan) => this.recall(loan));
      },
      mayBeOut: () => this.mayBeOut,
      quietMs: 0,
    };
    this.#primary = await on.copy('n1', { log, loans });
    this.#mirror = await on.copy('n2', { log, loans });
    assert.ok(await this.primary.lead());
    await run(this.primary, 'CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)');
    await run(this.primary, 'INSERT INTO counter VALUES (1, 0)');
  }

  async read(from: Stripe = this.mirror): Promise<unknown> {
    return (await from.query(READ, { kind: 'strong' })).rows[0]?.[0];
  }

  async borrowed(by: Stripe): Promise<void> {
    await until('a loan', async () => {
      await this.read(by);
      return by.logEnd.lent !== undefined;
    });
  }
}

test('copies read what was acknowledged without asking the log, and the primary too', async () => {
  await using on = await startDatabase();
  const pair = await Pair.start(on);
  for (const copy of [pair.mirror, pair.primary]) {
    await until('reads without a question', async () => {
      await pair.borrowed(copy);
      const before = pair.questions;
      for (let at = 0; at < 20; at++) await pair.read(copy);
      return pair.questions === before;
    });
  }
  for (let n = 1n; n <= 50n; n++) {
    await run(pair.primary, ADD);
    assert.equal(await pair.read(), n);
    assert.equal(await pair.read(pair.primary), n);
    if (n % 5n === 0n) await pair.borrowed(pair.mirror);
  }
});

test('what is written waits until a copy that cannot be told has nothing lent any more', async () => {
  await using on = await startDatabase();
  const pair = await Pair.start(on);
  pair.recall = () => new Promise(() => {});
  await pair.borrowed(pair.mirror);
  await run(pair.primary, ADD);
  assert.equal(pair.mirror.logEnd.lent, undefined);
  assert.equal(await pair.read(), 1n);
});

test('who takes over while the one before is only cut off writes nothing until its loans are over', async () => {
  await using on = await startDatabase();
  const pair = await Pair.start(on);
  pair.recall = () => new Promise(() => {});
  const next = await on.copy('n3', {
    loans: { borrow: () => Promise.resolve(undefined), mayBeOut: () => true },
  });
  const replaces = pair.primary.status.epoch;
  assert.ok(replaces !== undefined);
  await pair.borrowed(pair.mirror);
  assert.ok(await next.lead({ replaces }));
  assert.equal(pair.mirror.logEnd.lent, undefined);
  await run(next, ADD);
  assert.equal(await pair.read(), 1n);
});

test('a move calls back what is lent, and the next primary need not wait', async () => {
  await using on = await startDatabase();
  const pair = await Pair.start(on);
  await pair.borrowed(pair.mirror);
  await pair.primary.release(async (replaces) => {
    assert.equal(pair.mirror.logEnd.lent, undefined);
    assert.ok(await pair.mirror.lead({ replaces, isSettled: true }));
  });
  await run(pair.mirror, ADD);
  assert.equal(await pair.read(pair.primary), 1n);
  await pair.primary.catchUp();
  assert.deepEqual(await look(pair.primary, READ.sql), [[1n]]);
  await sameCopies(pair.primary, pair.mirror);
});

test('a copy that leads again counts on nothing that its term before has lent', async () => {
  await using on = await startDatabase();
  const pair = await Pair.start(on);
  await pair.borrowed(pair.primary);
  // As on a node that is alone: nobody else can have borrowed.
  pair.mayBeOut = false;
  await pair.primary.release();
  assert.ok(await pair.primary.lead());
  await run(pair.primary, ADD);
  const { index } = await on.log.head('s1');
  assert.equal(pair.primary.lentEnd ?? index, index);
});
