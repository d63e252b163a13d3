/** Triggers whose rows their texts name: as one SQLite has them, and with no more rows than that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStripes } from '../testing/memory-stripes.ts';
import { Planner } from '../src/planner/planner.ts';
import { PlannerPair } from '../testing/planner-pair.ts';
import { randomSeed } from '../testing/seeded.ts';
import { tellTriggers } from '../testing/trigger-story.ts';

const FIXED_STORIES = 40;
const NEW_STORIES = 20;

test('statements that fire triggers leave what SQLite leaves, on any number of stripes', async (t) => {
  const first = randomSeed();
  t.diagnostic(`new stories begin at seed ${first}`);
  let named = 0;
  for (let seed = 1; seed <= FIXED_STORIES; seed++) named += await tellTriggers(seed, 12);
  for (let at = 0; at < NEW_STORIES; at++) named += await tellTriggers(first + at, 12);
  assert.ok(named > 100, `${named} statements named their rows: the stories have lost their aim`);
});

/** Where a row that no key names has a say: what fires, after tables `t` and `u` of five rows; `t` has 1 to 5, too. */
const EDGES: readonly (readonly [why: string, t: string, u: string, body: string, sql: string])[] =
  [
    [
      'text is compared as a number',
      'x INTEGER',
      'c TEXT',
      'UPDATE u SET v = 9 WHERE c = NEW.x',
      'INSERT INTO t VALUES (9, 3)',
    ],
    [
      'the left side collates',
      'x TEXT COLLATE NOCASE',
      'c TEXT',
      'UPDATE u SET v = 9 WHERE NEW.x = c',
      "INSERT INTO t VALUES (9, 'A')",
    ],
    [
      'the newest row goes',
      'x INTEGER',
      'c',
      'DELETE FROM u WHERE id = NEW.x; INSERT INTO u(v) VALUES (NEW.id)',
      'INSERT INTO t VALUES (9, 5)',
    ],
    [
      'another row has the key',
      'x INTEGER',
      'c UNIQUE',
      'UPDATE OR IGNORE u SET c = 2 WHERE id = NEW.x',
      'INSERT INTO t VALUES (9, 5)',
    ],
    [
      'a row is put in with a key that is computed',
      'x INTEGER',
      'c UNIQUE',
      'INSERT OR IGNORE INTO u(c) VALUES (NEW.x + 1)',
      'INSERT INTO t VALUES (9, 1)',
    ],
    [
      'what it looks for is computed',
      'x INTEGER',
      'c',
      'UPDATE u SET v = 9 WHERE id = NEW.x',
      'UPDATE t SET x = x + 1 WHERE id = 2',
    ],
    [
      'what it looks for is a default',
      'x INTEGER DEFAULT 3',
      'c',
      'UPDATE u SET v = 9 WHERE id = NEW.x',
      'INSERT INTO t(id) VALUES (9)',
    ],
    [
      'what it looks for is not the row itself',
      'x INTEGER',
      'c',
      'UPDATE u SET v = 9 WHERE id = (SELECT max(id) FROM u)',
      'INSERT INTO t VALUES (9, 1)',
    ],
    [
      'it asks for rows that there are not',
      'x INTEGER',
      'c',
      "SELECT RAISE(ABORT, 'none') WHERE 3 NOT IN (SELECT c FROM u)",
      'INSERT INTO t VALUES (9, 1)',
    ],
    [
      'it looks beside a LEFT JOIN',
      'x INTEGER',
      'c',
      'UPDATE u SET v = (SELECT count(*) FROM u y LEFT JOIN t z ON z.id = NEW.x) WHERE id = NEW.x',
      'INSERT INTO t VALUES (9, 2)',
    ],
    [
      'the text says REPLACE',
      'x INTEGER',
      'c UNIQUE',
      'INSERT INTO u(c, v) VALUES (2, NEW.x)',
      'INSERT OR REPLACE INTO t VALUES (2, 1)',
    ],
    [
      'rows of its own table follow from one another',
      'x INTEGER',
      'c',
      'UPDATE t SET x = id + 1 WHERE id = NEW.x',
      'UPDATE t SET x = x WHERE id > 1',
    ],
    [
      'a table is called new',
      'x INTEGER',
      'c',
      'UPDATE u SET v = (SELECT count(*) FROM t AS new WHERE new.x = id) WHERE id = 3',
      'INSERT INTO t VALUES (9, 1)',
    ],
    [
      'a rowid that SQLite chooses',
      'x INTEGER',
      'c',
      'UPDATE u SET v = 9 WHERE id + 1 = NEW.id',
      'INSERT INTO t(x) VALUES (1)',
    ],
  ];

test('what triggers do to rows that no key names', async () => {
  for (const clauses of [
    [' ', ' '],
    [' /* moln: distribute by x */', ' /* moln: distribute by c */'],
  ]) {
    for (const [why, t, u, body, sql] of EDGES) {
      using pair = new PlannerPair([1, 3, 8]);
      const event = sql.split(' ')[0];
      for (const text of [
        `CREATE TABLE t(id INTEGER PRIMARY KEY, ${t})${clauses[0]}`,
        `CREATE TABLE u(id INTEGER PRIMARY KEY, ${u}, v)${clauses[1]}`,
        "INSERT INTO t SELECT value, value FROM json_each('[1,2,3,4,5]')",
        "INSERT INTO u VALUES (1, '01', 1), (2, 2, 2), (3, '03', 3), (4, 'a', 4), (5, 'b', 5)",
        `CREATE TRIGGER tr AFTER ${event} ON t BEGIN ${body}; END`,
        sql,
        'SELECT * FROM t',
        'SELECT * FROM u',
      ])
        await pair.ask(text).catch((error: unknown) => assert.fail(`${why}: ${String(error)}`));
    }
  }
});

/** Of what a trigger does that its plainest reading does not tell: tables `t` and `u` as above, without a key that is unique. */
const HIDDEN: readonly (readonly [why: string, ...texts: string[]])[] = [
  [
    'a FROM in brackets reads what another text names rows of',
    'CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE u SET v = (SELECT count(*) FROM (u y JOIN t z ON z.id = y.id)) WHERE id = NEW.x; END',
    'INSERT INTO t VALUES (9, 2)',
  ],
  [
    "the trigger is the connection's own",
    'CREATE TEMP TRIGGER tr AFTER INSERT ON main.t BEGIN UPDATE t SET x = 9 WHERE id < NEW.id; END',
    'INSERT INTO t VALUES (9, 2)',
  ],
  [
    'an upsert fires the others with another row',
    'CREATE TRIGGER a AFTER UPDATE ON t WHEN NEW.id = 1 BEGIN INSERT INTO t VALUES (2, 0) ON CONFLICT(id) DO UPDATE SET x = 3; END',
    'CREATE TRIGGER b AFTER UPDATE ON t BEGIN UPDATE u SET v = 9 WHERE id = NEW.x; END',
    'UPDATE t SET x = 1 WHERE id = 1',
  ],
  [
    'a trigger that does not say when is one before',
    'ALTER TABLE t ADD COLUMN y',
    'CREATE TRIGGER a UPDATE ON t BEGIN INSERT OR REPLACE INTO t VALUES (OLD.id, 3, 0); END',
    'CREATE TRIGGER b AFTER UPDATE ON t BEGIN UPDATE u SET v = 9 WHERE id = NEW.x; END',
    'UPDATE t SET y = 5 WHERE id = 1',
  ],
  [
    'a table further out is called new',
    'CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE u SET v = (SELECT sum((SELECT y.v FROM u y WHERE y.id = new.x)) FROM t AS new) WHERE id = 1; END',
    'INSERT INTO t VALUES (9, 2)',
  ],
  [
    'a default takes the place of NULL',
    'CREATE TABLE w(id INTEGER PRIMARY KEY, x INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 3)',
    'INSERT INTO w VALUES (1, 1)',
    'CREATE TRIGGER tr AFTER UPDATE ON w BEGIN UPDATE u SET v = 9 WHERE id = NEW.x; END',
    'UPDATE w SET x = NULL WHERE id = 1',
  ],
  [
    'a rowid is given as text',
    'CREATE TABLE k(id INTEGER PRIMARY KEY, c UNIQUE)',
    'INSERT INTO k VALUES (1, 7), (2, 8)',
    'CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT OR IGNORE INTO k(c) VALUES (NEW.rowid); END',
    "INSERT INTO t VALUES ('7', 1)",
    'SELECT * FROM k',
  ],
];

for (const [why, ...texts] of HIDDEN) {
  test(`what triggers do that is not seen at once: ${why}`, async () => {
    using pair = new PlannerPair([1, 3, 8]);
    for (const text of [
      'CREATE TABLE t(id INTEGER PRIMARY KEY, x INTEGER)',
      'CREATE TABLE u(id INTEGER PRIMARY KEY, v)',
      "INSERT INTO t SELECT value, value FROM json_each('[1,2,3,4,5]')",
      "INSERT INTO u SELECT value, value FROM json_each('[1,2,3,4,5]')",
      ...texts,
      'SELECT * FROM t',
      'SELECT * FROM u',
    ])
      await pair.ask(text);
  });
}

test('hidden ids of rows that triggers put in are not those of rows that were not gathered', async () => {
  for (const [before, after] of [
    // Somebody might see a hidden id.
    [
      'CREATE VIEW seen AS SELECT rowid FROM g',
      'CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO g VALUES (NEW.x, 0); END',
    ],
    // Of the table that fires them.
    [
      'CREATE TABLE h(x)',
      'CREATE TRIGGER tr AFTER UPDATE ON g BEGIN INSERT INTO g VALUES (NEW.what + 50, 1); END',
    ],
  ] as const) {
    let last = 0n;
    const ids = {
      next: async (_: string, count: number): Promise<bigint> =>
        (last += BigInt(count)) - BigInt(count - 1),
      taken: async (_: string, id: bigint): Promise<boolean> => {
        if (id > last) last = id;
        return false;
      },
    };
    using stripes = new MemoryStripes(4);
    using planner = new Planner(stripes, { ids });
    const connection = planner.connect();
    for (const sql of [
      'CREATE TABLE t(id INTEGER PRIMARY KEY, x)',
      'CREATE TABLE g(what INTEGER, n) /* moln: distribute by what */',
      "INSERT INTO g SELECT value, 0 FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')",
      before,
      after,
      'INSERT INTO t VALUES (1, 21)',
      'INSERT INTO t VALUES (2, 22)',
      'UPDATE g SET n = 5 WHERE what = 3',
      'UPDATE g SET n = 6 WHERE what = 7',
    ])
      await connection.execute(sql);
    const { rows } = await connection.execute('SELECT count(*), count(DISTINCT rowid) FROM g');
    assert.deepEqual(rows, [[14n, 14n]]);
  }
});

test('tables beyond what may be gathered take rows that fire triggers', async () => {
  for (const count of [1, 4]) {
    using stripes = new MemoryStripes(count);
    using planner = new Planner(stripes, { budget: { rowsMax: 50, bytesMax: 1e6 } });
    const connection = planner.connect();
    for (const sql of [
      'CREATE TABLE orders(id INTEGER PRIMARY KEY, total INTEGER, changed TEXT)',
      'CREATE TABLE lines(id INTEGER PRIMARY KEY, o INTEGER, amount INTEGER)',
      'CREATE INDEX lines_o ON lines(o)',
      'CREATE TABLE log(id INTEGER PRIMARY KEY, what TEXT, o INTEGER)',
    ])
      await connection.execute(sql);
    for (let at = 1; at <= 200; at++) {
      await connection.execute('INSERT INTO orders VALUES (?, 0, NULL)', [BigInt(at)]);
      await connection.execute('INSERT INTO lines VALUES (?, ?, 1)', [BigInt(at), BigInt(at)]);
      await connection.execute("INSERT INTO log VALUES (?, 'old', 0)", [BigInt(at)]);
    }
    for (const sql of [
      `CREATE TRIGGER added AFTER INSERT ON lines BEGIN
        UPDATE orders SET total = (SELECT sum(amount) FROM lines WHERE o = NEW.o) WHERE id = NEW.o;
        INSERT INTO log(what, o) VALUES ('added', NEW.o);
      END`,
      `CREATE TRIGGER touched AFTER UPDATE ON orders BEGIN
        UPDATE orders SET changed = datetime('now') WHERE id = NEW.id;
      END`,
      'CREATE TRIGGER gone AFTER DELETE ON orders BEGIN DELETE FROM lines WHERE o = OLD.id; END',
    ])
      await connection.execute(sql);
    await connection.execute('DROP TRIGGER touched');
    await connection.execute('INSERT INTO lines(o, amount) VALUES (7, 10), (8, 20)');
    await connection.execute('DELETE FROM orders WHERE id = 9');
    await connection.execute(
      "CREATE TRIGGER touched AFTER UPDATE ON orders BEGIN UPDATE orders SET changed = datetime('now') WHERE id = NEW.id; END",
    );
    await connection.execute('UPDATE orders SET total = 5 WHERE id = 10');
    const { rows } = await connection.execute(
      'SELECT id, total, changed IS NULL FROM orders WHERE id IN (7, 8, 9, 10) ORDER BY id',
    );
    assert.deepEqual(rows, [
      [7n, 11n, 1n],
      [8n, 21n, 1n],
      [10n, 5n, 0n],
    ]);
    for (const [table, count] of [
      ['lines', 201n],
      ['log', 202n],
    ] as const) {
      const all = await connection.execute(`SELECT count(*) FROM ${table}`);
      assert.deepEqual(all.rows, [[count]]);
    }
  }
});
