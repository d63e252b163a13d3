/** Which plan a text gets, on how many stripes it runs, and that nothing else was asked of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStripes } from '../testing/memory-stripes.ts';
import { NEVER } from '../testing/planner-pair.ts';
import { type Connection, type Given, Planner } from '../src/planner/planner.ts';

const SCHEMA: readonly string[] = [
  'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE)',
  'CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, amount INTEGER, day TEXT) /* moln: distribute by customer */',
  'CREATE TABLE items(customer INTEGER, sku TEXT, PRIMARY KEY (customer, sku))',
  'CREATE TABLE country(code TEXT PRIMARY KEY, name TEXT) /* moln: reference */',
  'CREATE TABLE settings(k TEXT PRIMARY KEY, v) /* moln: single */',
];

async function shop(): Promise<{
  connection: Connection;
  stripes: MemoryStripes;
  planner: Planner;
}> {
  const stripes = new MemoryStripes(4);
  const planner = new Planner(stripes);
  const connection = planner.connect();
  for (const sql of SCHEMA) await connection.execute(sql);
  return { connection, stripes, planner };
}

const PLANS: readonly (readonly [plan: string, stripes: number, sql: string, given?: Given])[] = [
  ['P0', 0, 'SELECT 1 + 1'],
  ['P0', 1, 'SELECT * FROM settings JOIN country ON v = code'],
  ['P1', 1, 'SELECT * FROM users WHERE id = 7'],
  ['P1', 1, 'SELECT * FROM users WHERE id = :id', { id: 7n }],
  ['P1', 1, "SELECT * FROM users WHERE id = '7' AND name > 'a'"],
  ['P1', 1, 'SELECT * FROM users WHERE id IN (7)'],
  [
    'P1',
    1,
    'SELECT * FROM orders o JOIN items i ON o.customer = i.customer WHERE o.customer = 5 AND i.customer = 5',
  ],
  [
    'P1',
    1,
    `SELECT id, (SELECT group_concat(sku, char(10)) FROM items WHERE customer = ? AND sku = day || '0' AND sku IN (?, ?))
       FROM orders WHERE customer = ? AND id IN (?, ?)`,
    [5n, 'a', 'b', 5n, 1n, 2n],
  ],
  ['P2', 4, 'SELECT * FROM users'],
  ['P2', 4, 'SELECT name FROM users ORDER BY name LIMIT 3 OFFSET 2'],
  ['P2', 2, 'SELECT * FROM users WHERE id IN (1, 2, 3)'],
  ['P2', 4, 'SELECT sku FROM orders o JOIN items i ON o.customer = i.customer'],
  ['P2', 4, 'SELECT c.name FROM users u LEFT JOIN country c ON c.code = u.name'],
  ['P3', 4, 'SELECT count(*) FROM users'],
  ['P3', 4, 'SELECT day, sum(amount), avg(amount) FROM orders GROUP BY day HAVING count(*) > 1'],
  ['P4', 4, 'SELECT * FROM orders o JOIN users u ON u.id = o.id'],
  ['P4', 4, 'SELECT c.name FROM country c LEFT JOIN users u ON c.code = u.name'],
  ['P4', 4, 'SELECT count(DISTINCT name) FROM users'],
  ['P4', 4, 'SELECT * FROM users WHERE random() > 0'],
  ['P4', 4, 'SELECT id FROM users UNION SELECT id FROM orders'],
  ['P4', 4, 'SELECT rank() OVER (ORDER BY name) FROM users'],
  ['routed write', 1, 'UPDATE users SET name = 1 WHERE id = 7'],
  ['routed write', 4, 'UPDATE users SET name = 1 WHERE name = 2'],
  ['routed write', 4, "DELETE FROM country WHERE code = 'se'"],
  ['routed write', 1, 'DELETE FROM settings'],
  ['gathered write', 4, 'UPDATE users SET id = id + 1'],
  ['gathered write', 4, 'UPDATE users SET email = 1'],
  ['gathered write', 4, 'UPDATE users SET name = random()'],
  ['routed insert', 4, 'INSERT INTO items VALUES (1, 2)'],
  ['narrow insert', 4, 'INSERT INTO users VALUES (1, 2, 3)'],
];

test('each text gets the plan that is proved for it', async () => {
  const { connection, planner, stripes } = await shop();
  for (const [plan, count, sql, given] of PLANS) {
    const told = connection.explain(sql, given);
    assert.equal(told.plan, plan, `${sql}: ${told.why}`);
    assert.equal(told.stripes.length, count, sql);
    if (plan === 'P4') assert.notEqual(told.why, '', sql);
  }
  planner[Symbol.dispose]();
  stripes[Symbol.dispose]();
});

const KEYED: readonly string[] = [
  'CREATE TABLE team(id INTEGER PRIMARY KEY, name TEXT)',
  'CREATE TABLE player(id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER, team INTEGER REFERENCES team(id))',
];
const INSERTED = "INSERT INTO player VALUES (9, 'q', 1, 5)";
const UPDATED = 'UPDATE player SET size = 2 WHERE id = 3';
/** With what is told of each, which is what the budget lets happen. */
const WRITES: readonly (readonly [plan: string, sql: string])[] = [
  ['narrow insert', "INSERT INTO player(name, team) VALUES ('x', 1)"],
  [
    'narrow insert',
    "INSERT INTO player(id, name) VALUES (1, 'y') ON CONFLICT(id) DO UPDATE SET size = 1",
  ],
  [
    'gathered write',
    "INSERT INTO player(id, name) VALUES (1, 'z') ON CONFLICT(id) DO UPDATE SET name = 'w'",
  ],
  ['gathered write', "INSERT OR REPLACE INTO team VALUES (1, 'a')"],
  ['narrow write', 'DELETE FROM team WHERE id = 9'],
  ['narrow write', 'UPDATE player SET team = 2 WHERE id = 3'],
  ['gathered write', "UPDATE player SET name = 'q' WHERE id = 3"],
];

test('what is told of a write is what happens', async () => {
  using stripes = new MemoryStripes(4);
  using planner = new Planner(stripes, { budget: { rowsMax: 20, bytesMax: 1e6 } });
  const connection = planner.connect();
  await connection.execute('PRAGMA foreign_keys = ON');
  for (const sql of KEYED) await connection.execute(sql);
  for (let n = 1; n <= 30; n += 1) {
    await connection.execute('INSERT INTO team VALUES (?, ?)', [BigInt(n), 'x']);
    await connection.execute('INSERT INTO player VALUES (?, ?, 1, 1)', [BigInt(n), `p${n}`]);
  }
  for (const [plan, sql] of WRITES) {
    const told = connection.explain(sql);
    assert.equal(told.plan, plan, `${sql}: ${told.why}`);
    const isTooLarge = (error: unknown): boolean => /more than 20 rows/.test(String(error));
    if (plan === 'gathered write') await assert.rejects(connection.execute(sql), isTooLarge, sql);
    else await connection.execute(sql);
  }
});

/** What fires; the table that is read whole for it, if there is one. */
const FIRED: readonly (readonly [trigger: string, sql: string, whole: string | undefined])[] = [
  ['INSERT ON player BEGIN UPDATE team SET name = 1 WHERE id = NEW.team', INSERTED, undefined],
  ['INSERT ON player BEGIN UPDATE team SET name = 1 WHERE id > NEW.team', INSERTED, 'team'],
  ['INSERT ON player BEGIN UPDATE team SET name = 1 WHERE name = NEW.size', INSERTED, 'team'],
  ['UPDATE ON player BEGIN UPDATE team SET name = 1 WHERE id = OLD.team', UPDATED, undefined],
  ['UPDATE ON player BEGIN UPDATE team SET name = 1 WHERE id < OLD.team', UPDATED, 'team'],
];

test('a table that a trigger needs whole is told, and read', async () => {
  for (const [trigger, sql, whole] of FIRED) {
    using stripes = new MemoryStripes(4);
    using planner = new Planner(stripes, { budget: { rowsMax: 20, bytesMax: 1e6 } });
    const connection = planner.connect();
    for (const text of KEYED) await connection.execute(text);
    await connection.execute("INSERT INTO team SELECT value, 'x' FROM json_each(?)", [
      JSON.stringify(Array.from({ length: 30 }, (_, n) => n + 1)),
    ]);
    await connection.execute("INSERT INTO player VALUES (3, 'p', 1, 5)");
    await connection.execute(`CREATE TRIGGER tr AFTER ${trigger}; END`);
    const { plan, why } = connection.explain(sql);
    assert.match(plan, /^narrow/, sql);
    const told = /of "(\w+)" all rows are read/.exec(why)?.[1];
    assert.equal(told, whole, `${trigger}: ${why}`);
    if (whole === undefined) await connection.execute(sql);
    else await assert.rejects(connection.execute(sql), /more than 20 rows/, trigger);
  }
});

test('many rows with several keys ask for the rows that have those keys, and no others', async () => {
  using stripes = new MemoryStripes(4);
  using planner = new Planner(stripes, { budget: { rowsMax: 20, bytesMax: 1e6 } });
  const connection = planner.connect();
  await connection.execute('PRAGMA foreign_keys = ON');
  await connection.execute('CREATE TABLE team(id INTEGER PRIMARY KEY)');
  await connection.execute(
    'CREATE TABLE player(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, number TEXT UNIQUE, team INTEGER REFERENCES team(id))',
  );
  const insert = async (from: number, to: number, end = ''): Promise<number> => {
    const numbers = Array.from({ length: to - from }, (_, at) => from + at);
    const rows = numbers.map((n) => `(${n}, 'P${n}', ${n * 10}, ${(n % 3) + 1})`).join(', ');
    return (await connection.execute(`INSERT INTO player VALUES ${rows} ${end}`)).changes;
  };
  for (let id = 1; id <= 30; id += 1)
    await connection.execute('INSERT INTO team VALUES (?)', [BigInt(id)]);
  assert.equal(await insert(1000, 2000), 1000);
  // One has the id, one the name in other letters, one the number, as the column keeps it.
  await connection.execute("INSERT INTO player VALUES (2500, 'a', 1, 1), (1, 'p2501', 2, 1)");
  await connection.execute("INSERT INTO player VALUES (2, 'c', 25020, 1)");
  await assert.rejects(insert(2400, 3000), /UNIQUE constraint failed: player/);
  assert.equal(await insert(2400, 3000, 'ON CONFLICT DO NOTHING'), 597);
  await assert.rejects(
    connection.execute("INSERT INTO player VALUES (3, 'd', 3, 31)"),
    /FOREIGN KEY constraint failed/,
  );
});

test('a routed text asks one stripe only', async () => {
  const { connection, stripes } = await shop();
  await connection.execute('INSERT INTO items VALUES (?, ?)', [5n, 'x']);
  stripes.log = [];
  await connection.execute('SELECT * FROM items WHERE customer = 5');
  assert.equal(stripes.log.length, 1);
});

test('a gathered text fetches what its terms leave', async () => {
  const { connection } = await shop();
  const told = connection.explain(
    'SELECT * FROM orders o JOIN users u ON u.id = o.id WHERE o.customer = 5 AND u.name = ?1',
    ['ann'],
  );
  assert.equal(told.plan, 'P4');
  assert.ok(
    told.stripeTexts.some((text) => text.includes('"name" = ?1') || text.includes('u.name = ?1')),
  );
  assert.ok(told.stripeTexts.some((text) => text.includes('o.customer = 5')));
});

test('a statement that needs too much in one place says so, and what to do', async () => {
  using stripes = new MemoryStripes(2);
  using planner = new Planner(stripes, { budget: { rowsMax: 50, bytesMax: 1e6 } });
  const connection = planner.connect();
  await connection.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a)');
  const rows = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)';
  await connection.execute(`${rows} INSERT INTO t SELECT i, i FROM n`);
  await assert.rejects(connection.execute('SELECT count(DISTINCT a) FROM t'), {
    code: 'PLANNER_TOO_LARGE',
    message: /more than 50 rows/,
  });
  assert.deepEqual((await connection.execute('SELECT count(*), sum(a) FROM t')).rows, [
    [100n, 5050n],
  ]);
});

test('what cannot be is refused by name, and changes nothing', async () => {
  const { connection } = await shop();
  const refused: readonly (readonly [string, string])[] = [
    ["ATTACH 'x' AS y", 'PLANNER_ATTACH'],
    ["VACUUM INTO 'x'", 'PLANNER_VACUUM_INTO'],
    ['PRAGMA writable_schema = ON', 'PLANNER_PRAGMA'],
    ['CREATE TABLE x(a) /* moln: distribute by b */', 'PLANNER_DISTKEY'],
    ['CREATE TABLE x(a) /* moln: sideways */', 'PLANNER_CLAUSE'],
    ['CREATE VIRTUAL TABLE x USING dbstat', 'PLANNER_MODULE'],
  ];
  for (const [sql, code] of refused) await assert.rejects(connection.execute(sql), { code }, sql);
  const tables = await connection.execute(
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
  );
  assert.deepEqual(tables.rows, [[BigInt(SCHEMA.length)]]);
});

test('full text over the text of another table is refused where it would miss rows', async () => {
  const { connection } = await shop();
  const refuse = async (sql: string): Promise<void> =>
    assert.rejects(connection.execute(sql), { code: 'PLANNER_FTS_CONTENT' }, sql);
  await connection.script(`CREATE TABLE spread(id INTEGER PRIMARY KEY, a);
    INSERT INTO spread VALUES (1, 'x'), (2, 'y'), (3, 'x'), (4, 'z'), (5, 'x'), (6, 'y');
    CREATE VIEW shown AS SELECT * FROM spread;
    CREATE TABLE text(id INTEGER PRIMARY KEY, a);
    CREATE VIRTUAL TABLE found USING fts5(a, content='text', content_rowid='id');
    CREATE VIRTUAL TABLE bare USING fts5(a, content='');
    CREATE TRIGGER bad AFTER DELETE ON text BEGIN DELETE FROM found WHERE rowid = old.id; END;
    INSERT INTO text VALUES (1, 'x');`);
  await refuse("CREATE VIRTUAL TABLE f USING fts5(a, content='spread')");
  await refuse("CREATE VIRTUAL TABLE f USING fts5(a, content='shown')");
  await refuse('DELETE FROM text');
  await refuse("SELECT * FROM spread JOIN bare ON bare.rowid = id WHERE bare MATCH 'x'");
  assert.equal(connection.explain('SELECT * FROM text').plan, 'P0');
});

test('the catalogue survives a new planner, and a change is seen by the others', async () => {
  const { connection, stripes } = await shop();
  using other = new Planner(stripes);
  const late = other.connect();
  assert.equal(late.explain('SELECT * FROM orders WHERE customer = 1').plan, 'P1');
  await connection.execute('ALTER TABLE orders RENAME COLUMN customer TO buyer');
  assert.equal(late.explain('SELECT * FROM orders WHERE buyer = 1').plan, 'P1');
  assert.throws(() => late.explain('SELECT customer FROM orders'), /no such column: customer/);
});

test('ids come from their source when there is one', async () => {
  using stripes = new MemoryStripes(3);
  const taken = new Map<string, bigint>();
  const ids = {
    next: (table: string, count: number): Promise<bigint> => {
      const first = taken.get(table) ?? 1000n;
      taken.set(table, first + BigInt(count));
      return Promise.resolve(first);
    },
    taken: (table: string, id: bigint): Promise<boolean> => {
      if (id >= (taken.get(table) ?? 1000n)) taken.set(table, id + 1n);
      return Promise.resolve(false);
    },
  };
  using planner = new Planner(stripes, { ids });
  const connection = planner.connect();
  const last = async (sql: string): Promise<bigint> =>
    (await connection.execute(sql)).lastInsertRowid;
  await connection.execute('CREATE TABLE plain(id INTEGER PRIMARY KEY, a)');
  await connection.execute(
    'CREATE TABLE uniq(id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE DEFAULT 5)',
  );
  await connection.execute('CREATE TABLE keyless(a, b UNIQUE)');
  assert.equal(await last('INSERT INTO plain(a) VALUES (1), (2)'), 1001n);
  assert.equal(await last('INSERT INTO plain VALUES (2000, 1)'), 2000n);
  assert.equal(await last('INSERT INTO plain VALUES (NULL, 1)'), 2001n);
  assert.equal(await last('INSERT INTO uniq(a) VALUES (1), (2)'), 2n);
  assert.equal(await last('INSERT INTO uniq VALUES (NULL, 3)'), 3n);
  assert.equal(await last('INSERT INTO uniq DEFAULT VALUES'), 4n);
  assert.equal(await last('INSERT INTO keyless VALUES (1, 2)'), 1000n);
  assert.equal(await last('INSERT INTO keyless(b) VALUES (3)'), 1001n);
  const { rows } = await connection.execute('SELECT rowid, * FROM keyless ORDER BY rowid');
  assert.deepEqual(rows, [
    [1000n, 1n, 2n],
    [1001n, null, 3n],
  ]);
});

test('a stream gives batches and reads no further than it is asked', async () => {
  using stripes = new MemoryStripes(2, 10);
  using planner = new Planner(stripes, { exact: NEVER });
  const connection = planner.connect();
  await connection.execute('CREATE TABLE t(id INTEGER PRIMARY KEY)');
  const rows = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)';
  await connection.execute(`${rows} INSERT INTO t SELECT i FROM n`);
  let seen = 0n;
  for await (const batch of connection.stream('SELECT id FROM t')) {
    assert.ok(batch.length <= 20);
    for (const [id] of batch) assert.equal(id, (seen += 1n), 'rows come by rowid');
  }
  assert.equal(seen, 100n);
  stripes.log = [];
  for await (const batch of connection.stream('SELECT id FROM t')) if (batch.length > 0) break;
  assert.equal(stripes.log.length, 2);
});

test("temporary objects are one connection's, and what does not touch them is planned as ever", async () => {
  const { connection, planner, stripes } = await shop();
  const other = planner.connect();
  await connection.execute('CREATE TEMP TABLE picked(customer)');
  await connection.execute('INSERT INTO picked SELECT DISTINCT customer FROM orders');
  await assert.rejects(other.execute('SELECT * FROM picked'), /no such table: picked/);
  assert.equal(stripes.catalogue.includes('picked'), false);
  const plan = (sql: string): string => connection.explain(sql).plan;
  assert.equal(plan('SELECT * FROM orders WHERE customer = 1'), 'P1');
  assert.equal(plan('SELECT * FROM picked'), 'P0');
  assert.equal(plan('SELECT * FROM orders JOIN picked USING (customer)'), 'P4');
  await connection.execute('CREATE TEMP TABLE orders(x)');
  assert.equal(plan('SELECT * FROM orders'), 'P0');
  assert.equal(plan('SELECT * FROM main.orders WHERE customer = 1'), 'P4');
  assert.equal(other.explain('SELECT * FROM orders WHERE customer = 1').plan, 'P1');
  // Another connection changes the schema: the own objects lie over the new one.
  await other.execute('CREATE TABLE fresh(a INTEGER PRIMARY KEY)');
  await connection.execute('INSERT INTO fresh VALUES (1)');
  assert.deepEqual((await connection.execute('SELECT count(*) FROM fresh, picked')).rows.length, 1);
  await connection.close();
  assert.equal(planner.temporaryRoom.usedBytes, 0);
});

test('temporary tables have a limit, and a transaction that meets it is over', async () => {
  using stripes = new MemoryStripes(3);
  using planner = new Planner(stripes, { temporaryBytesMax: 64 * 1024 });
  const connection = planner.connect();
  const count = async (): Promise<unknown> =>
    (await connection.execute('SELECT count(*) FROM t')).rows[0]?.[0];
  await connection.script('CREATE TEMP TABLE t(a); INSERT INTO t VALUES (1)');
  const large = { code: 'PLANNER_TEMPORARY_FULL' };
  await assert.rejects(connection.execute('INSERT INTO t VALUES (zeroblob(100000))'), large);
  assert.equal(await count(), 1n);
  await connection.script('BEGIN; INSERT INTO t VALUES (2)');
  const many =
    'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 99) INSERT INTO t SELECT zeroblob(2000) FROM c';
  await assert.rejects(connection.execute(many), large);
  if (connection.inTransaction) await connection.execute('ROLLBACK');
  assert.equal(await count(), 1n);
  await connection.close();
});

for (const count of [1, 3]) {
  test(`a large table comes page by page from ${count} stripes, and is never whole in one place`, async () => {
    using stripes = new MemoryStripes(count, Infinity);
    using planner = new Planner(stripes, { budget: { rowsMax: 2000, bytesMax: 2 ** 20 } });
    const connection = planner.connect();
    await connection.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, v)');
    const more =
      'WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + 999) INSERT INTO t SELECT i, i % 7 FROM n';
    for (let from = 1n; from < 7000n; from += 1000n) await connection.execute(more, [from]);
    const texts: readonly (readonly [string, Given, number])[] = [
      ['SELECT * FROM t', [], 7000],
      ['SELECT v, id AS k FROM t WHERE v = ?2 OR v > ?1', [4n, 0n], 3000],
      ['SELECT id FROM t WHERE id > :low AND v <> 0', { low: 3500n }, 3000],
    ];
    for (const [sql, given, expected] of texts) {
      let rows = 0;
      for await (const batch of connection.stream(sql, given)) {
        assert.ok(batch.length <= 1001 * count, `${batch.length} rows at once`);
        rows += batch.length;
      }
      assert.equal(rows, expected, sql);
    }
    stripes.log = [];
    for await (const batch of connection.stream('SELECT * FROM t')) if (batch.length > 0) break;
    assert.ok(stripes.log.length <= 2 * count);
    assert.deepEqual((await connection.execute('SELECT count(*) FROM t')).rows, [[7000n]]);
  });
}
