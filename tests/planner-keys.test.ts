/** Foreign keys over stripes: what a statement asks of which stripes, and that it says what one SQLite says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Planner } from '../src/planner/planner.ts';
import { MemoryStripes } from '../testing/memory-stripes.ts';
import { NEVER, PlannerPair } from '../testing/planner-pair.ts';
import { seeded } from '../testing/seeded.ts';

const SHOP: readonly string[] = [
  'CREATE TABLE country(code TEXT PRIMARY KEY) /* moln: reference */',
  'CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, country TEXT REFERENCES country)',
  'CREATE TABLE purchase(customer INTEGER REFERENCES customer ON DELETE CASCADE, no INTEGER, note TEXT, PRIMARY KEY (customer, no))',
  "INSERT INTO country VALUES ('se'), ('no')",
  'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 600) INSERT INTO customer SELECT i, i, NULL FROM c',
  'INSERT INTO purchase SELECT id, 1, NULL FROM customer',
];

test('rows that a foreign key leads to are read from their stripe, and no others', async () => {
  using stripes = new MemoryStripes(4);
  let last = 1_000_000n;
  const ids = {
    next: (_: string, count: number): Promise<bigint> => {
      const first = last + 1n;
      last += BigInt(count);
      return Promise.resolve(first);
    },
    taken: (): Promise<boolean> => Promise.resolve(false),
  };
  using planner = new Planner(stripes, { exact: NEVER, ids });
  const connection = planner.connect();
  for (const sql of SHOP) await connection.execute(sql);
  const asked = async (sql: string): Promise<{ readonly on: number; readonly texts: number }> => {
    stripes.log = [];
    await connection.execute(sql);
    const on = new Set(stripes.log.map((line) => line.split(':')[0]));
    return { on: on.size, texts: stripes.log.length };
  };
  for (const sql of [
    'INSERT INTO purchase VALUES (7, 2, NULL)',
    'INSERT INTO purchase VALUES (7, 3, NULL), (7, 4, NULL)',
    'DELETE FROM customer WHERE id = 7',
  ]) {
    const { on, texts } = await asked(sql);
    assert.equal(on, 1, sql);
    assert.ok(texts < 12, sql);
  }
  await connection.execute('CREATE TABLE remark(customer INTEGER REFERENCES customer, text TEXT)');
  // Those of the parent and of the row, whose id is hidden.
  for (let customer = 10; customer < 15; customer++) {
    const sql = `INSERT INTO remark VALUES (${customer}, 'x')`;
    assert.ok((await asked(sql)).on <= 2, sql);
  }
  // A reference table is read on the first stripe.
  for (const sql of [
    "INSERT INTO customer VALUES (1000, 'x', 'se')",
    "UPDATE customer SET country = 'no' WHERE id = 8",
  ])
    assert.ok((await asked(sql)).on <= 2, sql);
  for (const [plan, sql] of [
    ['narrow write', "UPDATE customer SET country = 'no' WHERE id = 8"],
    ['narrow write', 'DELETE FROM customer WHERE id = 8'],
    ['gathered write', "UPDATE country SET code = 'dk' WHERE code = 'se'"],
  ] as const)
    assert.equal(connection.explain(sql).plan, plan, sql);
  const { rows } = await connection.execute(
    'SELECT count(*), count(DISTINCT customer) FROM purchase',
  );
  assert.deepEqual(rows, [[599n, 599n]]);
});

const KINDS: readonly string[] = ['NO ACTION', 'CASCADE', 'SET NULL', 'RESTRICT', 'SET DEFAULT'];

test('statements that break and keep foreign keys, as many as chance finds, say what SQLite says', async () => {
  for (const seed of [1, 2, 3]) {
    const random = seeded(seed);
    const kind = (): string => random.pick(KINDS);
    const late = (): string => random.pick(['', ' DEFERRABLE INITIALLY DEFERRED']);
    using pair = new PlannerPair([1, 3, 8], { foreignKeys: true, exact: NEVER });
    const type = random.pick(['INTEGER', 'TEXT', '']);
    await pair.ask(
      `CREATE TABLE a(id INTEGER PRIMARY KEY, u ${random.pick(['TEXT', 'INTEGER'])} UNIQUE, n)`,
    );
    await pair.ask(
      `CREATE TABLE b(id INTEGER PRIMARY KEY, a ${type} DEFAULT 2 REFERENCES a(id) ON DELETE ${kind()}${late()}, u TEXT REFERENCES a(u) ON DELETE ${kind()}, up INTEGER REFERENCES b(id) ON DELETE ${kind()}${late()})`,
    );
    await pair.ask(
      `CREATE TABLE c(b INTEGER REFERENCES b(id) ON DELETE ${kind()}, k INTEGER, a INTEGER REFERENCES a(id)${late()}, PRIMARY KEY (b, k))`,
    );
    const id = (): string => random.pick(['1', '2', '3', '4', '5', '6', 'NULL', "'3'", '2.0']);
    const ids = (): string => Array.from({ length: 1 + random.below(3) }, id).join(', ');
    const statements: readonly (() => string)[] = [
      () => `INSERT INTO a VALUES (${id()}, ${id()}, 1)`,
      () => `INSERT OR REPLACE INTO a VALUES (${id()}, ${id()}, 2)`,
      () => `INSERT INTO b VALUES (${id()}, ${id()}, ${id()}, ${id()})`,
      () =>
        `INSERT INTO b VALUES (${id()}, ${id()}, NULL, ${id()}), (${id()}, NULL, NULL, ${id()})`,
      () =>
        `INSERT OR REPLACE INTO b VALUES (${id()}, ${id()}, NULL, NULL), (${id()}, ${id()}, NULL, NULL)`,
      () => `INSERT INTO c VALUES (${id()}, ${id()}, ${id()})`,
      () => `UPDATE b SET a = ${id()} WHERE id IN (${ids()})`,
      () => `UPDATE b SET u = ${id()}, up = ${id()} WHERE id = ${id()}`,
      () => `UPDATE OR IGNORE c SET a = ${id()} WHERE k > ${id()}`,
      () => `UPDATE a SET n = n + 1 WHERE id = ${id()} RETURNING *`,
      () => `DELETE FROM a WHERE id IN (${ids()})`,
      () => `DELETE FROM a WHERE u = ${id()}`,
      () => `DELETE FROM b WHERE id IN (${ids()}) OR up IN (${ids()})`,
      () => `DELETE FROM c WHERE b = ${id()}`,
    ];
    for (let n = 0; n < 80; n++) {
      await pair.ask(random.pick(statements)());
      for (const table of ['a', 'b', 'c'])
        await pair.ask(`SELECT * FROM ${table} ORDER BY 1, 2`, { ordered: true });
    }
  }
});

test('a text of WHERE that looks like a parameter is none', async () => {
  using pair = new PlannerPair([1, 3], { foreignKeys: true, exact: NEVER });
  await pair.ask('CREATE TABLE a(id INTEGER PRIMARY KEY)');
  await pair.ask('CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER REFERENCES a, text TEXT)');
  await pair.ask('INSERT INTO a VALUES (1), (2)');
  await pair.ask("INSERT INTO b VALUES (1, 1, 'is it ?1')");
  await pair.ask("UPDATE b SET a = ? WHERE text = 'is it ?1'", { values: [2n] });
  await pair.ask('UPDATE b SET text = ?, a = ? WHERE id = ? /* ?3 */', { values: ['x', 1n, 1n] });
  await pair.ask('SELECT * FROM b');
});

test('what a cascade fires is known too where others made the tables', async () => {
  using stripes = new MemoryStripes(3);
  for (const script of [
    [
      'CREATE TABLE a(id INTEGER PRIMARY KEY)',
      'CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER REFERENCES a ON DELETE CASCADE)',
      'CREATE TABLE noted(b INTEGER)',
      'CREATE TRIGGER note AFTER DELETE ON b BEGIN INSERT INTO noted VALUES (old.id); END',
      'INSERT INTO a VALUES (1)',
      'INSERT INTO b VALUES (2, 1)',
    ],
    ['DELETE FROM a'],
  ]) {
    using planner = new Planner(stripes, { foreignKeys: true });
    const connection = planner.connect();
    for (const sql of script) await connection.execute(sql);
    const { rows } = await connection.execute('SELECT * FROM noted');
    assert.deepEqual(rows, script.length > 1 ? [] : [[2n]]);
  }
});

test('without foreign keys a child comes before its parent, as in a dump', async () => {
  using pair = new PlannerPair([1, 3], { foreignKeys: true });
  await pair.ask('CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER REFERENCES a)');
  await pair.ask('INSERT INTO b VALUES (1, 2)');
  await pair.ask('PRAGMA foreign_keys = OFF');
  await pair.ask('INSERT INTO b VALUES (1, 2)');
  await pair.ask('PRAGMA foreign_keys = ON');
  await pair.ask('INSERT INTO b VALUES (2, 2)');
  await pair.ask('SELECT * FROM b');
});

test('that keys are deferred is forgotten with the next transaction, also one of a single text', async () => {
  using pair = new PlannerPair([1, 3]);
  await pair.ask('CREATE TABLE parent(id INTEGER PRIMARY KEY)');
  await pair.ask('CREATE TABLE child(id INTEGER PRIMARY KEY, parent REFERENCES parent)');
  const between = [
    'SELECT 1',
    'SELECT * FROM nowhere',
    'PRAGMA foreign_keys = ON',
    'SELECT * FROM child',
    'SELECT name FROM sqlite_schema',
    'DELETE FROM child',
    'INSERT INTO child VALUES (1, 1)',
    'CREATE TABLE IF NOT EXISTS other(x)',
  ];
  const said: (string | undefined)[] = [];
  for (const sql of between) {
    await pair.ask('PRAGMA defer_foreign_keys = ON');
    await pair.ask(sql);
    await pair.ask('BEGIN');
    said.push((await pair.ask('INSERT INTO child VALUES (2, 2)')).error);
    await pair.ask('ROLLBACK');
  }
  const isDeferred = said.map((error) => error === undefined);
  assert.deepEqual(isDeferred, [true, true, true, false, false, false, false, false]);
  for (const connection of pair.connections) {
    await connection.execute('PRAGMA defer_foreign_keys = ON');
    for await (const _ of connection.stream('SELECT * FROM child'));
    const { rows } = await connection.execute('PRAGMA defer_foreign_keys');
    assert.deepEqual(rows, [[0n]], 'also when rows come as they are wanted');
  }
});

test('cascades in a circle end: a tree, and two tables that lead to each other', async () => {
  using pair = new PlannerPair([1, 3], { foreignKeys: true, exact: NEVER });
  await pair.ask(
    'CREATE TABLE tree(id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree ON DELETE CASCADE)',
  );
  await pair.ask('INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, NULL), (5, 5)');
  await pair.ask(
    'CREATE TABLE a(id INTEGER PRIMARY KEY, b INTEGER REFERENCES b ON DELETE CASCADE)',
  );
  await pair.ask(
    'CREATE TABLE b(id INTEGER PRIMARY KEY, a INTEGER REFERENCES a ON DELETE CASCADE)',
  );
  await pair.ask('INSERT INTO a VALUES (1, NULL), (2, NULL)');
  await pair.ask('INSERT INTO b VALUES (1, 1), (2, 2)');
  await pair.ask('UPDATE a SET b = 1 WHERE id = 1');
  for (const sql of ['DELETE FROM tree WHERE id IN (1, 5)', 'DELETE FROM a WHERE id = 1'])
    await pair.ask(sql);
  for (const table of ['tree', 'a', 'b'])
    await pair.ask(`SELECT * FROM ${table} ORDER BY id`, { ordered: true });
});

test('what an INSERT says of conflicts goes before what its table says', async () => {
  using pair = new PlannerPair([1, 3]);
  await pair.ask('CREATE TABLE t(k TEXT PRIMARY KEY ON CONFLICT REPLACE, v)');
  for (const v of [1, 2]) await pair.ask(`INSERT INTO t VALUES ('a', ${v})`);
  assert.match((await pair.ask("INSERT OR ABORT INTO t VALUES ('a', 3)")).error ?? '', /UNIQUE/);
  await pair.ask('SELECT * FROM t');
});
