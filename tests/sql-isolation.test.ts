/** The ten anomalies of Hermitage, with both rows on one stripe and on two: none may happen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, startSql, type SqlUnderTest } from '../testing/sql-kit.ts';
import { play, requireSerial, type Schedule } from '../testing/sql-schedules.ts';

const FINAL = 'SELECT id, value FROM test ORDER BY id';
/** Stands for the second row's id, which decides its stripe. */
const SECOND = ':b';

const read = (id: string): string => `SELECT value FROM test WHERE id = ${id}`;
const write = (id: string, value: number): string =>
  `UPDATE test SET value = ${value} WHERE id = ${id}`;

const ANOMALIES: Readonly<Record<string, Schedule>> = {
  'G0, writes of two transactions in turn': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, write('1', 11)],
    [2, write('1', 12)],
    [1, write(SECOND, 21)],
    [1, 'COMMIT'],
    [2, write(SECOND, 22)],
    [2, 'COMMIT'],
  ],
  'G1a, what is later rolled back is read': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, write('1', 101)],
    [2, FINAL],
    [1, 'ROLLBACK'],
    [2, FINAL],
    [2, 'COMMIT'],
  ],
  'G1b, a value on the way is read': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, write('1', 101)],
    [2, FINAL],
    [1, write('1', 11)],
    [1, 'COMMIT'],
    [2, FINAL],
    [2, 'COMMIT'],
  ],
  'G1c, each sees what the other writes': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, write('1', 11)],
    [2, write(SECOND, 22)],
    [1, read(SECOND)],
    [2, read('1')],
    [1, 'COMMIT'],
    [2, 'COMMIT'],
  ],
  'OTV, a transaction that was seen vanishes in part': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [3, 'BEGIN'],
    [1, write('1', 11)],
    [1, write(SECOND, 19)],
    [2, write('1', 12)],
    [1, 'COMMIT'],
    [3, read('1')],
    [2, write(SECOND, 18)],
    [3, read(SECOND)],
    [2, 'COMMIT'],
    [3, read(SECOND)],
    [3, read('1')],
    [3, 'COMMIT'],
  ],
  'PMP, what a predicate finds changes': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, 'SELECT id FROM test WHERE value = 30'],
    [2, 'INSERT INTO test VALUES (3000, 30)'],
    [2, 'COMMIT'],
    [1, 'SELECT id FROM test WHERE value % 3 = 0'],
    [1, 'COMMIT'],
  ],
  'P4, a lost update': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, read('1')],
    [2, read('1')],
    [1, write('1', 11)],
    [2, write('1', 12)],
    [1, 'COMMIT'],
    [2, 'COMMIT'],
  ],
  'G-single, read skew': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, read('1')],
    [2, write('1', 12)],
    [2, write(SECOND, 18)],
    [2, 'COMMIT'],
    [1, read(SECOND)],
    [1, 'COMMIT'],
  ],
  'G2-item, write skew on two rows': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, read('1')],
    [2, read(SECOND)],
    [1, write(SECOND, 21)],
    [2, write('1', 11)],
    [1, 'COMMIT'],
    [2, 'COMMIT'],
  ],
  'G2, write skew through a predicate': [
    [1, 'BEGIN'],
    [2, 'BEGIN'],
    [1, 'SELECT id FROM test WHERE value % 3 = 0'],
    [2, 'SELECT id FROM test WHERE value % 3 = 0'],
    [1, 'INSERT INTO test VALUES (3000, 30)'],
    [2, 'INSERT INTO test VALUES (4000, 42)'],
    [1, 'COMMIT'],
    [2, 'COMMIT'],
  ],
};

/** An id whose row lies with row 1, or elsewhere. */
async function secondId(on: SqlUnderTest, elsewhere: boolean): Promise<number> {
  const session = await on.open();
  const stripeOf = async (id: number): Promise<number | undefined> =>
    (await session.explain(`SELECT * FROM test WHERE id = ${id}`)).stripes[0];
  const first = await stripeOf(1);
  for (let id = 2; id < 1000; id++) {
    if (((await stripeOf(id)) === first) !== elsewhere) return id;
  }
  throw new Error(`${on.engine.set.count} stripes have no such id`);
}

for (const elsewhere of [false, true]) {
  test(`no anomaly with both rows on ${elsewhere ? 'two stripes' : 'one stripe'}`, async (t) => {
    await using on = await startSql(2, { limits: { lockWaitMs: 200 } });
    const session = await on.open();
    await ask(session, 'CREATE TABLE test (id INTEGER PRIMARY KEY, value INTEGER)');
    const second = await secondId(on, elsewhere);
    const rowsAt = `INSERT INTO test VALUES (1, 10), (${second}, 20)`;
    for (const [name, schedule] of Object.entries(ANOMALIES)) {
      await t.test(name, async () => {
        await ask(session, 'DELETE FROM test');
        await ask(session, rowsAt);
        const own = schedule.map(
          ([client, sql]) => [client, sql.replace(SECOND, String(second))] as const,
        );
        const played = await play(on, own, FINAL);
        requireSerial(
          ['CREATE TABLE test (id INTEGER PRIMARY KEY, value INTEGER)', rowsAt],
          played,
          FINAL,
        );
        assert.ok(played.committed.size > 0, 'one of them gets through');
      });
    }
  });
}
