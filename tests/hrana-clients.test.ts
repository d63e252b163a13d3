/** The clients that people use, against the wire over real SQLite: the same story over HTTP, fetch and WebSocket. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import {
  type Client,
  createHttpClient,
  createSocketClient,
  createWebClient,
} from '../testing/libsql-clients.ts';
import { startHrana, TOKENS, type HranaKit } from './hrana-kit.ts';

type Make = (kit: HranaKit) => Client;

const FORMS: Readonly<Record<string, Make>> = {
  http: ({ url }) => createHttpClient({ url, authToken: TOKENS.ada, intMode: 'bigint' }),
  web: ({ url }) => createWebClient({ url, authToken: TOKENS.ada, intMode: 'bigint' }),
  ws: ({ socketUrl }) =>
    createSocketClient({ url: socketUrl, authToken: TOKENS.ada, intMode: 'bigint' }),
};

/** The same test for each form of the client. */
function eachForm(
  name: string,
  run: (client: Client, kit: HranaKit, t: TestContext) => Promise<void>,
): void {
  for (const [form, make] of Object.entries(FORMS)) {
    test(`${form}: ${name}`, async (t) => {
      await using kit = await startHrana();
      const client = make(kit);
      t.after(() => client.close());
      await run(client, kit, t);
    });
  }
}

const NOTES = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, size REAL, data BLOB)';

eachForm('values keep type and digits', async (client) => {
  const values = [
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 53n + 1n,
    0n,
    1.5,
    -1e300,
    5e-324,
    '',
    'å\u0000😀',
  ];
  const { rows } = await client.execute({
    sql: `SELECT ${values.map(() => '?').join(', ')}`,
    args: values,
  });
  assert.deepEqual(Array.from(rows[0] as ArrayLike<unknown>), values);
  const types = await client.execute({
    sql: 'SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d, typeof(?) AS e',
    args: [1n, 1, '', null, new Uint8Array()],
  });
  assert.deepEqual(Array.from(types.rows[0] as ArrayLike<unknown>), [
    'integer',
    'real',
    'text',
    'null',
    'blob',
  ]);
  const infinite = await client.execute(
    'SELECT 9e999 AS up, -9e999 AS down, 9e999 - 9e999 AS none',
  );
  assert.deepEqual(Array.from(infinite.rows[0] as ArrayLike<unknown>), [Infinity, -Infinity, null]);
  for (const length of [0, 1, 2, 3, 100_000]) {
    const bytes = new Uint8Array(length).map((_byte, index) => index * 7);
    const found = await client.execute({ sql: 'SELECT ? AS b', args: [bytes] });
    assert.deepEqual(new Uint8Array(found.rows[0]?.['b'] as ArrayBuffer), bytes);
  }
});

eachForm('named arguments, columns, rowid and counts', async (client) => {
  await client.execute(NOTES);
  const added = await client.execute({
    sql: 'INSERT INTO notes (id, text, size) VALUES (:id, @text, $size)',
    args: { id: 2n ** 62n, text: 'hello', size: 2 },
  });
  assert.equal(added.rowsAffected, 1);
  assert.equal(added.lastInsertRowid, 2n ** 62n);
  const found = await client.execute('SELECT id, text AS words, size + 1 FROM notes');
  assert.deepEqual(found.columns, ['id', 'words', 'size + 1']);
  assert.deepEqual(found.columnTypes, ['INTEGER', 'TEXT', '']);
  assert.deepEqual(Array.from(found.rows[0] as ArrayLike<unknown>), [2n ** 62n, 'hello', 3]);
  const back = await client.execute({
    sql: 'INSERT INTO notes (text) VALUES (?), (?) RETURNING text',
    args: ['a', 'b'],
  });
  assert.deepEqual(
    back.rows.map((row) => row['text']),
    ['a', 'b'],
  );
  assert.equal(back.rowsAffected, 2);
});

eachForm('a batch is all or nothing', async (client) => {
  await client.batch([NOTES, "INSERT INTO notes (text) VALUES ('kept')"], 'write');
  await assert.rejects(
    client.batch(
      [
        "INSERT INTO notes (text) VALUES ('lost')",
        "INSERT INTO notes (text) VALUES ('kept')",
        "INSERT INTO notes (text) VALUES ('never')",
      ],
      'write',
    ),
    {
      code: 'SQLITE_CONSTRAINT_UNIQUE',
      statementIndex: 1,
      message: /UNIQUE constraint failed: notes\.text/,
    },
  );
  const { rows } = await client.execute('SELECT text FROM notes');
  assert.deepEqual(
    rows.map((row) => row['text']),
    ['kept'],
  );
});

eachForm('the same text many times, stored and repeated', async (client) => {
  await client.execute(NOTES);
  const statements = Array.from({ length: 200 }, (_value, index) => ({
    sql: 'INSERT INTO notes (text, size) VALUES (?, ?)',
    args: [`note ${index}`, index],
  }));
  await client.batch(statements, 'write');
  const sums = await client.batch(
    Array.from({ length: 20 }, () => 'SELECT count(*) AS n, sum(size) AS s FROM notes'),
    'read',
  );
  for (const { rows } of sums) assert.deepEqual({ ...rows[0] }, { ...rows[0], n: 200n, s: 19_900 });
});

eachForm('interactive transactions commit, roll back, and see themselves', async (client) => {
  await client.execute(NOTES);
  const count = async (): Promise<unknown> =>
    (await client.execute('SELECT count(*) AS n FROM notes')).rows[0]?.['n'];
  const kept = await client.transaction('write');
  await kept.execute("INSERT INTO notes (text) VALUES ('one')");
  await kept.batch(["INSERT INTO notes (text) VALUES ('two')", 'SELECT 1']);
  assert.equal((await kept.execute('SELECT count(*) AS n FROM notes')).rows[0]?.['n'], 2n);
  assert.equal(await count(), 0n);
  await kept.commit();
  assert.equal(await count(), 2n);

  const dropped = await client.transaction('write');
  await dropped.execute('DELETE FROM notes');
  await dropped.rollback();
  assert.equal(await count(), 2n);

  const left = await client.transaction('write');
  await left.execute('DELETE FROM notes');
  left.close();
  // The next writer waits until the close has arrived.
  await client.execute("INSERT INTO notes (text) VALUES ('three')");
  assert.equal(await count(), 3n);
});

eachForm('scripts and migrations', async (client) => {
  await client.executeMultiple(
    "CREATE TABLE a (x); INSERT INTO a VALUES (1), (2); CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a WHERE x = 1; SELECT 1; END; INSERT INTO a VALUES ('it''s; fine')",
  );
  assert.equal((await client.execute('SELECT count(*) AS n FROM a')).rows[0]?.['n'], 2n);
  await client.execute('CREATE TRIGGER u AFTER DELETE ON a BEGIN SELECT 1; SELECT 2; END;');
  await assert.rejects(client.executeMultiple('INSERT INTO a VALUES (9); SELEC 1; DELETE FROM a'), {
    message: /near "SELEC": syntax error/,
  });
  assert.equal((await client.execute('SELECT count(*) AS n FROM a')).rows[0]?.['n'], 3n);
  await client.migrate(['CREATE TABLE b (y)', 'ALTER TABLE b ADD COLUMN z']);
  assert.deepEqual((await client.execute('SELECT * FROM b')).columns, ['y', 'z']);
});

eachForm('errors have codes and positions', async (client) => {
  const fails = (sql: string, code: string, message: RegExp): Promise<void> =>
    assert.rejects(client.execute(sql), { code, message });
  await client.execute('CREATE TABLE parents (id INTEGER PRIMARY KEY)');
  await client.execute(
    'CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES parents, c CHECK (c < 5), n NOT NULL DEFAULT 1)',
  );
  await client.execute('INSERT INTO t (id) VALUES (1)');
  await fails('SELECT * FRM t', 'SQL_INPUT_ERROR', /near "FRM": syntax error \(at offset 9\)/);
  await fails("SELECT 'å', 1 FRM FRM t", 'SQL_INPUT_ERROR', /"FRM": syntax error \(at offset 19\)/);
  await fails('SELECT * FROM nowhere', 'SQLITE_ERROR', /no such table: nowhere/);
  await fails('INSERT INTO t (id) VALUES (1)', 'SQLITE_CONSTRAINT_PRIMARYKEY', /UNIQUE/);
  await fails('INSERT INTO t (p) VALUES (7)', 'SQLITE_CONSTRAINT_FOREIGNKEY', /FOREIGN KEY/);
  await fails('INSERT INTO t (c) VALUES (7)', 'SQLITE_CONSTRAINT_CHECK', /CHECK/);
  await fails('INSERT INTO t (n) VALUES (NULL)', 'SQLITE_CONSTRAINT_NOTNULL', /NOT NULL/);
  await fails('SELECT 1; SELECT 2', 'SQL_MANY_STATEMENTS', /more than one/);
  await fails(' -- nothing', 'SQL_NO_STATEMENT', /no statement/);
  await assert.rejects(client.execute({ sql: 'SELECT ?, ?', args: [1] }), { code: 'ARGS_INVALID' });
  await assert.rejects(client.execute({ sql: 'SELECT ?', args: [1, 2] }), { code: 'ARGS_INVALID' });
  await assert.rejects(client.execute({ sql: 'SELECT :a', args: { b: 1 } }), {
    code: 'ARGS_INVALID',
  });
});

eachForm('two clients at once', async (client, kit, t) => {
  const other = createHttpClient({ url: kit.url, authToken: TOKENS.bob });
  t.after(() => other.close());
  await client.execute('CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER)');
  await client.execute('INSERT INTO counters VALUES (1, 0)');
  const add = 'UPDATE counters SET n = n + 1 WHERE id = 1';
  await Promise.all(
    [client, other].flatMap((one) => Array.from({ length: 30 }, () => one.execute(add))),
  );
  assert.equal((await client.execute('SELECT n FROM counters')).rows[0]?.['n'], 60n);
});

eachForm('10,000 rows in one answer', async (client) => {
  const { rows } = await client.execute(
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i, i * 0.5 AS half, hex(i) AS text FROM n',
  );
  assert.equal(rows.length, 10_000);
  assert.deepEqual(Array.from(rows[9_999] as ArrayLike<unknown>), [10_000n, 5_000, '3130303030']);
});

test('a wrong token and a read-only one', async (t) => {
  await using kit = await startHrana();
  for (const [make, url] of [
    [createHttpClient, kit.url],
    [createSocketClient, kit.socketUrl],
  ] as const) {
    const stranger = make({ url, authToken: 'of-nobody' });
    t.after(() => stranger.close());
    await assert.rejects(stranger.execute('SELECT 1'), /No such token|closed/);
    const reader = make({ url, authToken: TOKENS.reader });
    t.after(() => reader.close());
    assert.equal((await reader.execute('SELECT 1 AS n')).rows[0]?.['n'], 1);
    await assert.rejects(reader.execute('CREATE TABLE t (a)'), { code: 'SQLITE_READONLY' });
  }
});
