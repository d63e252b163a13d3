/** An INSERT that comes alone goes to its stripe without a session, and is answered as in one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { SqlValue, StatementResult } from '../src/hrana/hrana.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { ask, bound, rows, serveSql, type SqlUnderTest, startSql } from '../testing/sql-kit.ts';

const ADA = { id: 'ada', readOnly: false };

/** `x` stands for the table; its columns, then what is inserted one after the other. */
const CASES: readonly (readonly [string, readonly (readonly [string, ...SqlValue[]])[]])[] = [
  [
    '(id INTEGER PRIMARY KEY, name TEXT, n INTEGER DEFAULT 5)',
    [
      ['INSERT INTO x (name, n) VALUES (?, ?)', 'a', 1n],
      ['INSERT INTO x (name, n) VALUES (?, ?)', 'b', null],
      ['INSERT INTO x (name) VALUES (?)', 'c'],
      ['INSERT INTO x VALUES (?1, ?2, ?1)', 40n, 'forty'],
      ['INSERT INTO x VALUES (?1, ?2, ?1)', 40n, 'again'],
      ['INSERT INTO x VALUES (?1, ?2, ?1)', 'no id', 'again'],
      ['INSERT INTO x VALUES (?1, ?2, ?1)', 0n, 'zero'],
      ['INSERT OR IGNORE INTO x VALUES (?, ?, -3)', 40n, 'ignored'],
      ['INSERT OR IGNORE INTO x VALUES (?, ?, -3)', 41n, 'new'],
      ['INSERT OR REPLACE INTO x VALUES (?, ?, 0x1F)', 40n, 'replaced'],
      ['REPLACE INTO x VALUES (?, ?, 2.5)', 40n, 'replaced again'],
      ['INSERT INTO x (n, id) VALUES (?, NULL)', 1.5],
      ['INSERT INTO x (name) VALUES (?) RETURNING id', 'd'],
      ['INSERT INTO x (name) VALUES (?), (?)', 'e', 'f'],
      ['INSERT INTO x (name) VALUES (upper(?))', 'g'],
      ['INSERT INTO x (id, n) VALUES (?, 1) ON CONFLICT DO UPDATE SET n = 9', 40n],
      ['INSERT INTO x (nothing) VALUES (?)', 'h'],
      ['INSERT INTO x DEFAULT VALUES'],
    ],
  ],
  [
    '(k TEXT PRIMARY KEY COLLATE NOCASE, v REAL CHECK (v > 0))',
    [
      ['INSERT INTO x VALUES (?, ?)', 'a', 1n],
      ['INSERT INTO x VALUES (?, ?)', 'A', 2n],
      ['INSERT INTO x VALUES (?, ?)', 'b', -1n],
      ['INSERT INTO x VALUES (?, ?)', Uint8Array.of(1, 2), 0.5],
      ['INSERT INTO x VALUES (?, ?)', null, 3n],
    ],
  ],
  [
    '(k INTEGER, l TEXT NOT NULL, PRIMARY KEY (k, l)) WITHOUT ROWID',
    [
      ['INSERT INTO x VALUES (:k, :l)', 1n, 'a'],
      ['INSERT INTO x VALUES (:k, :l)', 1n, 'b'],
      ['INSERT INTO x VALUES (:k, :l)', 1n, 'a'],
      ['INSERT INTO x VALUES (:k, :l)', 2n, null],
    ],
  ],
  [
    '(id INTEGER PRIMARY KEY, n INTEGER UNIQUE) STRICT',
    [
      ['INSERT INTO x (n) VALUES (?)', 1n],
      ['INSERT INTO x (n) VALUES (?)', 'text'],
      ['INSERT INTO x (n) VALUES (?)', 1n],
      ['INSERT INTO x (n) VALUES (?)', 2n],
    ],
  ],
];

async function told(work: () => Promise<StatementResult>, table: string): Promise<unknown> {
  try {
    const { affectedRows, lastInsertRowid, rows: returned, columns } = await work();
    return { affectedRows, lastInsertRowid, returned, columns };
  } catch (error) {
    const { code, message } = error as { readonly code: string; readonly message: string };
    return `${code} ${message.replaceAll(table, 'x')}`;
  }
}

async function inSession(
  { engine }: SqlUnderTest,
  sql: string,
  values: readonly SqlValue[],
): Promise<StatementResult> {
  const session = await engine.openSession(ADA);
  try {
    return await ask(session, sql, ...values);
  } finally {
    await session.close();
  }
}

for (const count of [1, 3]) {
  test(`inserts that come alone are answered as in a session, over ${count} stripes`, async () => {
    await using on = await startSql(count);
    let alone = 0;
    for (const [at, [columns, inserts]] of CASES.entries()) {
      const [plain, lone] = [`plain${at}`, `alone${at}`];
      for (const name of [plain, lone]) await inSession(on, `CREATE TABLE ${name} ${columns}`, []);
      for (const [sql, ...values] of inserts) {
        const wanted = await told(() => inSession(on, sql.replace('x', plain), values), plain);
        const text = sql.replace('x', lone);
        const got = await told(async () => {
          const found = await on.engine.once(ADA, bound(text, values));
          if (found !== undefined) alone++;
          return found ?? (await inSession(on, text, values));
        }, lone);
        assert.deepEqual(got, wanted, `${sql} with ${values.join(', ')}`);
      }
      const all = async (name: string): Promise<unknown> =>
        await rows(await on.open(), `SELECT * FROM ${name} ORDER BY 1, 2`);
      assert.deepEqual(await all(lone), await all(plain));
    }
    // Over several stripes ids come from a source that has to be asked.
    assert.ok(alone >= (count === 1 ? 5 : 1), `${alone} went without a session`);
    assert.equal(on.engine.queries.size, 0);
  });
}

test('a schema that another node has changed is noticed by an insert that comes alone', async () => {
  await using on = await startSql(1);
  const insert = bound('INSERT INTO item (name) VALUES (?)', ['a']);
  await inSession(on, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)', []);
  await inSession(on, insert.sql, insert.values);
  assert.equal((await on.engine.once(ADA, insert))?.lastInsertRowid, 2n);
  await using other = new SqlEngine({
    name: 'shop',
    stripes: on.stripes,
    log: on.on.log,
    ids: new TableIds(on.on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
  });
  const session = await other.openSession(ADA);
  await ask(session, 'ALTER TABLE item RENAME COLUMN name TO label');
  // A session learns of it, and says what is wrong now.
  assert.equal(await on.engine.once(ADA, insert), undefined);
  await assert.rejects(inSession(on, insert.sql, insert.values), /no column named name/);
  assert.equal(await on.engine.once(ADA, insert), undefined);
  assert.equal(await on.engine.once({ id: 'bob', readOnly: true }, insert), undefined);
});

test('what a stripe refuses late goes to a session too', async () => {
  await using on = await startSql(1, { limits: { retryMs: 0 } });
  const insert = bound('INSERT INTO item VALUES (?)', ['a']);
  await inSession(on, 'CREATE TABLE item (name TEXT PRIMARY KEY)', []);
  await inSession(on, insert.sql, insert.values);
  assert.equal(await on.engine.once(ADA, insert), undefined);
  const { stripeVersion } = on.engine.set.schema;
  on.engine.set.adopt({ ...on.engine.set.schema, stripeVersion: stripeVersion + 1 });
  assert.equal(await on.engine.once(ADA, bound(insert.sql, ['b'])), undefined);
});

test('over the wire an insert that comes alone is one statement of one stream', async () => {
  await using on = await startSql(1);
  await using served = await serveSql(on.engine);
  await inSession(on, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE)', []);
  const send = async (token: string, value: string): Promise<string> => {
    const stmt = {
      sql: 'INSERT INTO item (name) VALUES (:name)',
      named_args: [{ name: 'name', value: { type: 'text', value } }],
    };
    const response = await fetch(`${served.url}/v2/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ requests: [{ type: 'execute', stmt }, { type: 'close' }] }),
    });
    return (await response.text()).replace(/"query_duration_ms":[\d.]+/, '"query_duration_ms":0');
  };
  const answers: string[] = [];
  for (const name of ['a', 'b', 'a']) answers.push(await send('writer', name));
  const [first = '', second = '', third = ''] = answers;
  assert.equal(second, first.replace('"last_insert_rowid":"1"', '"last_insert_rowid":"2"'));
  assert.match(third, /UNIQUE constraint failed: item.name.*SQLITE_CONSTRAINT_UNIQUE/);
  assert.match(await send('reader', 'c'), /SQLITE_READONLY/);
  const { statements, failed } = on.engine.figures;
  // Those of the sessions, and those that came alone; what a session had to find out about is counted there.
  assert.deepEqual([statements, failed], [5, 2]);
  assert.equal((await ask(await on.open(), 'SELECT count(*) FROM item')).rows[0]?.[0], 2n);
});
