/** A stripe is split while clients write and read: nobody gets an error, sums stay, and every row ends up on the stripe of its slot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stripe } from '../src/database/database.ts';
import { slotOf } from '../src/planner/planner.ts';
import { sameCopies } from '../testing/database-kit.ts';
import { ask, rows, startSql, type SqlUnderTest } from '../testing/sql-kit.ts';
import { until } from '../testing/until.ts';

const ACCOUNTS = 300;

async function startBank(): Promise<SqlUnderTest & { readonly joined: Stripe[] }> {
  const joined: Stripe[] = [];
  const bank = await startSql(2, {
    more: (number) => {
      const stripe = joined[number - 2];
      assert.ok(stripe !== undefined);
      return stripe;
    },
  });
  for (const name of ['s2', 's3']) {
    const stripe = await bank.on.copy('n1', { name });
    await stripe.lead();
    joined.push(stripe);
  }
  const admin = await bank.open();
  for (const sql of [
    'CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)',
    'CREATE TABLE line (account INTEGER, n INTEGER, text TEXT, PRIMARY KEY (account, n)) WITHOUT ROWID',
    'CREATE TABLE note (name TEXT PRIMARY KEY COLLATE NOCASE, at REAL, data BLOB, twice GENERATED ALWAYS AS (at * 2))',
    'CREATE TABLE currency (code TEXT PRIMARY KEY, rate REAL) /* moln: reference */',
    'CREATE VIRTUAL TABLE word USING fts5(text)',
    'CREATE INDEX note_at ON note (at)',
    "INSERT INTO currency VALUES ('EUR', 1), ('SEK', 11.2)",
    "INSERT INTO word VALUES ('a word'), ('another')",
    `INSERT INTO account VALUES ${Array.from({ length: ACCOUNTS }, (_, at) => `(${at + 1}, 100)`).join(', ')}`,
  ]) {
    await ask(admin, sql);
  }
  for (let n = 0; n < 200; n++) {
    await ask(admin, 'INSERT INTO line VALUES (?, ?, ?)', BigInt(n % 50), BigInt(n), `line ${n}`);
    await ask(
      admin,
      'INSERT INTO note (name, at, data) VALUES (?, ?, ?)',
      `Note ${n}`,
      n / 3,
      new Uint8Array([n]),
    );
  }
  await admin.close();
  return Object.assign(bank, { joined });
}

test('a split and the split of what it gave, under load', async () => {
  await using bank = await startBank();
  const failures: unknown[] = [];
  const done = { transfers: 0, sums: 0, adds: 0 };
  let isOver = false;
  const loop = (work: (n: number) => Promise<void>): Promise<void> =>
    (async () => {
      for (let n = 0; !isOver; n++) {
        await work(n).catch((error: unknown) => failures.push(error));
      }
    })();
  const sessions = await Promise.all(Array.from({ length: 6 }, () => bank.open()));
  const [one, two, adder, sums, moment, near] = sessions;
  assert.ok(one && two && adder && sums && moment && near);
  const pair = (n: number): readonly [bigint, bigint] => [
    BigInt(1 + (n % ACCOUNTS)),
    BigInt(1 + ((n * 7 + 5) % ACCOUNTS)),
  ];
  const transfer = async (n: number): Promise<void> => {
    const sql = 'UPDATE account SET cents = cents + iif(id = ?1, -1, 1) WHERE id IN (?1, ?2)';
    const [from, to] = pair(3 * n);
    if (from !== to) await ask(one, sql, from, to);
    done.transfers++;
  };
  /** What one statement takes the next one gives back, with the stripe held in between. */
  const loan = async (n: number): Promise<void> => {
    const [id] = pair(n);
    await ask(two, 'BEGIN');
    await ask(two, 'UPDATE account SET cents = cents - 5 WHERE id = ?', id);
    await ask(two, 'UPDATE account SET cents = cents + 5 WHERE id = ?', id);
    await ask(two, 'COMMIT');
  };
  const whole = async (session: typeof one): Promise<void> => {
    const [[count, sum] = []] = await rows(session, 'SELECT count(*), sum(cents) FROM account');
    assert.deepEqual([count, sum], [BigInt(ACCOUNTS), BigInt(100 * ACCOUNTS)]);
    done.sums++;
  };
  await ask(near, "PRAGMA moln_read = 'stale'");
  const loops = [
    loop(transfer),
    loop(loan),
    loop(async (n) => {
      await ask(adder, 'INSERT INTO note (name, at) VALUES (?, ?)', `Added ${n}`, n);
      await ask(adder, 'UPDATE note SET at = at + 1 WHERE name = ?', `added ${n}`);
      await ask(adder, 'INSERT INTO currency VALUES (?, ?)', `C${n}`, n);
      const [[at] = []] = await rows(adder, 'SELECT at FROM note WHERE name = ?', `ADDED ${n}`);
      assert.equal(at, n + 1);
      done.adds++;
    }),
    loop(() => whole(sums)),
    loop(async () => {
      await ask(moment, 'BEGIN READONLY');
      await whole(moment);
      await whole(moment);
      await ask(moment, 'COMMIT');
    }),
    loop(async (n) => {
      const [row] = await rows(
        near,
        'SELECT cents FROM account WHERE id = ?',
        BigInt(1 + (n % ACCOUNTS)),
      );
      assert.ok(row !== undefined);
    }),
  ];
  const more = async (): Promise<void> => {
    const { transfers, sums: before, adds } = done;
    await until(
      'more of everything',
      () => done.transfers > transfers + 3 && done.sums > before + 3 && done.adds > adds + 3,
    );
  };
  const steps: string[] = [];
  const signal = AbortSignal.timeout(120_000);
  const splitter = bank.engine.splitter((step) => steps.push(step));
  try {
    await more();
    await splitter.run({ from: 0, into: 2 }, signal);
    await more();
    await splitter.run({ from: 2, into: 3 }, signal);
    await more();
  } finally {
    isOver = true;
  }
  await Promise.all(loops);
  assert.deepEqual(failures, []);
  assert.deepEqual(steps.slice(0, 2), ['held', 'copied']);
  const { slots } = bank.engine.set;
  assert.equal(slots.moving, undefined);
  const homes = [0, 1, 2, 3].map((stripe) => slots.stripes.filter((one) => one === stripe).length);
  assert.deepEqual(homes, [256, 512, 128, 128]);
  await whole(sums);
  for (const [table, key, collation] of [
    ['account', 'id', 'BINARY'],
    ['line', 'account', 'BINARY'],
    ['note', 'name', 'NOCASE'],
  ] as const) {
    for (const [number, stripe] of [...bank.stripes, ...bank.joined].entries()) {
      const found = await stripe.query({ sql: `SELECT ${key} FROM ${table}` }, { kind: 'strong' });
      for (const [value = null] of found.rows)
        assert.equal(slots.stripes[slotOf(value, collation)], number, `${table} ${String(value)}`);
      assert.ok(found.rows.length > 0);
    }
  }
  const currencies = await Promise.all(
    [...bank.stripes, ...bank.joined].map(async (stripe) => {
      const { rows: all } = await stripe.query(
        { sql: 'SELECT * FROM currency ORDER BY code' },
        { kind: 'strong' },
      );
      return all.length;
    }),
  );
  assert.deepEqual(new Set(currencies), new Set([done.adds + 2]));
  const counted = await rows(sums, 'SELECT count(*) FROM note');
  assert.deepEqual(counted, [[BigInt(200 + done.adds)]]);
  for (const [at, name] of ['s0', 's2', 's3'].entries()) {
    const mirror = await bank.on.copy('n2', { name });
    await mirror.catchUp();
    const own = [bank.stripes[0], ...bank.joined][at];
    assert.ok(own !== undefined);
    await sameCopies(own, mirror);
  }
  // Changes of the schema go on, on all stripes.
  await ask(sums, 'ALTER TABLE note ADD COLUMN later TEXT');
  assert.deepEqual(await rows(sums, "SELECT count(*) FROM word WHERE word MATCH 'word'"), [[1n]]);
  await Promise.all(sessions.map((session) => session.close()));
});

test('ids go on when a single stripe, which gave them by itself, is split', async () => {
  const joined: Stripe[] = [];
  await using one = await startSql(1, {
    more: (number) => {
      const stripe = joined[number - 1];
      assert.ok(stripe !== undefined);
      return stripe;
    },
  });
  const stripe = await one.on.copy('n1', { name: 's1' });
  await stripe.lead();
  joined.push(stripe);
  const session = await one.open();
  await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await ask(session, 'CREATE TABLE word (text TEXT)');
  const add = async (n: number): Promise<void> => {
    await ask(session, 'INSERT INTO item (name) VALUES (?)', `item ${n}`);
    await ask(session, 'INSERT INTO word VALUES (?)', `word ${n}`);
  };
  for (let n = 0; n < 50; n++) await add(n);
  await one.engine.splitter().run({ from: 0, into: 1 }, AbortSignal.timeout(60_000));
  for (let n = 50; n < 100; n++) await add(n);
  const counts = 'SELECT (SELECT count(*) FROM item), (SELECT count(DISTINCT text) FROM word)';
  assert.deepEqual(await rows(session, counts), [[100n, 100n]]);
  assert.deepEqual(await rows(session, 'SELECT max(id) FROM item'), [[100n]]);
  await session.close();
});
