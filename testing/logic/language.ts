/** Families that follow SQLite's description of its language, sentence by sentence, with what must fail. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const plain = (sql: string): CorpusStatement => ({ sql, ordered: false });
const inOrder = (sql: string): CorpusStatement => ({ sql, ordered: true });
/** A script, a statement a line; reads give their rows in SQLite's own order. */
const script = (text: string): readonly CorpusStatement[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map(inOrder);

const VALUES = [
  '1',
  '2',
  '3',
  'NULL',
  '-1',
  '2.0',
  "'1'",
  "'hello'",
  "''",
  "x'303132'",
  '1e300',
  '4611686018427387905',
  '9223372036854775807',
];
/** Beside the largest rowid SQLite gives NULL one at random. */
const STORED = VALUES.filter((value) => value !== '9223372036854775807');
const TYPES = [
  'INTEGER',
  'TEXT',
  'REAL',
  'BLOB',
  '',
  'INTEGER UNIQUE',
  'TEXT UNIQUE',
  'REAL UNIQUE',
  'INTEGER PRIMARY KEY',
  'TEXT PRIMARY KEY',
  'TEXT COLLATE NOCASE',
  'FLOAT PRIMARY KEY',
];

/** IN with lists, empty ones, tables, subqueries, over columns of every affinity. */
export function* membership(random: Seeded, size: number): Generator<CorpusStatement> {
  const list = (most: number): string =>
    Array.from({ length: random.below(most) }, () => random.pick(VALUES)).join(',');
  for (const [at, type] of TYPES.entries()) {
    yield plain(`CREATE TABLE t${at}(x ${type}, y TEXT)`);
    for (let row = 0; row < 5; row += 1) {
      yield plain(`INSERT INTO t${at} VALUES(${random.pick(STORED)}, 'row${row}')`);
    }
    yield plain(`CREATE TABLE o${at}(x ${type})`);
    yield plain(`INSERT OR IGNORE INTO o${at} SELECT x FROM t${random.below(at + 1)}`);
  }
  for (let at = 0; at < size; at += 1) {
    const [one, other] = [random.below(TYPES.length), random.below(TYPES.length)];
    const not = random.pick(['', 'NOT ']);
    yield plain(
      random.pick([
        `SELECT ${random.pick(VALUES)} ${not}IN (${list(4)})`,
        `SELECT ${random.pick(VALUES)} ${not}IN o${one}`,
        `SELECT ${random.pick(VALUES)} ${not}IN (SELECT x FROM o${one})`,
        `SELECT x, y FROM t${one} WHERE x ${not}IN (${list(6)})`,
        `SELECT x, y, x ${not}IN o${other} FROM t${one}`,
        `SELECT y FROM t${one} WHERE x ${not}IN o${other}`,
        `SELECT y FROM t${one} WHERE +x ${not}IN (SELECT x FROM o${other} WHERE x IS NOT ${random.pick(VALUES)})`,
        `SELECT y FROM t${one} WHERE (x, y) ${not}IN (SELECT x, y FROM t${other})`,
        `SELECT y FROM t${one} WHERE x IN (SELECT o.x FROM o${other} o WHERE o.x = t${one}.x)`,
        `SELECT a.y, b.y FROM t${one} a, t${other} b WHERE a.x ${random.pick(['=', 'IS', '<', '>='])} b.x`,
        `SELECT a.y, b.y FROM t${one} a LEFT JOIN t${other} b ON a.x = b.x WHERE a.x ${not}IN o${other}`,
        `SELECT count(*) FROM t${one} WHERE x ${not}IN t${other}`,
        `SELECT x FROM t${one} WHERE x ${not}IN (VALUES(1),('hello'),(NULL))`,
        `SELECT 1 FROM t${one} WHERE 1 IN (SELECT x, y FROM t${one})`,
        `SELECT x ${not}IN () FROM t${one}`,
        `DELETE FROM o${one} WHERE x ${not}IN t${other} AND x IN (${list(3)})`,
        `SELECT DISTINCT typeof(x) FROM t${one} WHERE x ${not}BETWEEN ${random.pick(VALUES)} AND ${random.pick(VALUES)}`,
      ]),
    );
  }
}

const DEFINITIONS = `
  CREATE TABLE t1(x INTEGER, y VARCHAR(8))
  INSERT INTO t1 VALUES(1,'true')
  INSERT INTO t1 VALUES(0,'false')
  INSERT INTO t1 VALUES(NULL,'NULL')
  CREATE INDEX t1i1 ON t1(x)
  CREATE INDEX t1i1 ON t1(x)
  CREATE INDEX IF NOT EXISTS t1i1 ON t1(y)
  CREATE INDEX t1 ON t1(x)
  CREATE INDEX i9 ON tX(x)
  CREATE INDEX i9 ON t1(nope)
  CREATE INDEX part ON t1(y) WHERE x > 0
  CREATE INDEX expr ON t1(x + 1, lower(y))
  CREATE INDEX bad ON t1(random())
  SELECT y FROM t1 WHERE x + 1 = 2 ORDER BY y
  REINDEX
  REINDEX t1
  REINDEX t1i1
  REINDEX NOCASE
  REINDEX tXiX
  REINDEX main.t1
  CREATE VIEW view1 AS SELECT x FROM t1 WHERE x>0
  CREATE VIEW view1 AS SELECT x FROM t1 WHERE x>0
  CREATE VIEW IF NOT EXISTS view1 AS SELECT 1
  CREATE VIEW t1 AS SELECT 1
  SELECT * FROM view1
  SELECT x FROM view1 ORDER BY x
  CREATE TEMP VIEW view2 AS SELECT x FROM t1 WHERE x>0
  CREATE TEMPORARY VIEW view2 AS SELECT x FROM t1 WHERE x>0
  CREATE TEMPORARY VIEW IF NOT EXISTS view2 AS SELECT 9
  SELECT x FROM view2
  SELECT view1.x, view2.x FROM view1, view2
  DELETE FROM view1 WHERE x>0
  DELETE FROM view1
  INSERT INTO view1 VALUES(2,'unknown')
  INSERT OR REPLACE INTO view1 VALUES(2,'unknown')
  REPLACE INTO view1 VALUES(2,'unknown')
  UPDATE view1 SET x=2
  CREATE VIEW named(p, q) AS SELECT y, x FROM t1
  SELECT q, p FROM named ORDER BY p
  CREATE VIEW nested AS SELECT p || '!' AS loud, x FROM named, view1
  SELECT * FROM nested ORDER BY 1
  CREATE VIEW lost AS SELECT * FROM gone
  SELECT * FROM lost
  CREATE TABLE gone(g)
  INSERT INTO gone VALUES ('back')
  SELECT * FROM lost
  DROP TABLE gone
  SELECT * FROM lost
  DROP VIEW lost
  CREATE VIEW few(p) AS SELECT x, y FROM t1
  SELECT * FROM few
  DROP VIEW few
  DROP VIEW view1
  DROP VIEW view1
  SELECT * FROM nested
  DROP VIEW viewX
  DROP VIEW IF EXISTS view1
  DROP TABLE view2
  DROP VIEW t1
  DROP INDEX t1
  DROP VIEW view2
  DROP INDEX t1i1
  DROP INDEX t1i1
  DROP INDEX IF EXISTS t1i1
  DROP INDEX tXiX
  DROP INDEX main.part
  DROP TABLE t1
  DROP TABLE t1
  DROP TABLE IF EXISTS t1
  DROP TABLE tX
  SELECT * FROM t1
  SELECT * FROM named
  DROP VIEW named
  DROP VIEW nested
  CREATE TABLE t1(x INTEGER PRIMARY KEY, y, UNIQUE(y), CHECK(x < 1000))
  CREATE TABLE t1(z)
  CREATE TABLE IF NOT EXISTS t1(z)
  CREATE TABLE T1(z)
  CREATE TABLE sqlite_mine(z)
  CREATE TABLE double(a, A)
  CREATE TABLE two(a PRIMARY KEY, b PRIMARY KEY)
  CREATE TABLE nokey(a) WITHOUT ROWID
  CREATE TABLE auto(a TEXT PRIMARY KEY AUTOINCREMENT)
  CREATE TABLE def(a DEFAULT (b))
  INSERT INTO t1 SELECT value, 'y' || value FROM generate_series(1,5)
  INSERT INTO t1 VALUES (1,'one'),(2,'two'),(3,NULL),(4,NULL)
  INSERT INTO t1 VALUES (5,'two')
  INSERT INTO t1 VALUES (1000,'k')
  SELECT * FROM t1
  CREATE TABLE t2 AS SELECT x * 2 AS d, y FROM t1
  SELECT * FROM t2
  CREATE TABLE IF NOT EXISTS t2 AS SELECT 1
  CREATE TABLE t3 AS SELECT * FROM nowhere
  CREATE TEMP TABLE t1(own)
  INSERT INTO t1 VALUES ('mine')
  SELECT * FROM t1
  SELECT * FROM main.t1
  SELECT * FROM temp.t1
  DROP TABLE t1
  SELECT * FROM t1
  ALTER TABLE t1 ADD COLUMN w DEFAULT 'dflt'
  ALTER TABLE t1 ADD COLUMN v NOT NULL
  ALTER TABLE t1 ADD COLUMN u UNIQUE
  ALTER TABLE t1 RENAME COLUMN y TO yy
  SELECT x, yy, w FROM t1
  ALTER TABLE t1 DROP COLUMN w
  ALTER TABLE t1 DROP COLUMN x
  ALTER TABLE t1 DROP COLUMN yy
  ALTER TABLE t1 RENAME TO t9
  SELECT * FROM t1
  SELECT * FROM t9
  BEGIN
  CREATE TABLE inside(a)
  INSERT INTO inside VALUES (1)
  CREATE INDEX insidei ON inside(a)
  ROLLBACK
  SELECT * FROM inside
  DROP TABLE t9
  SELECT type, name, tbl_name FROM sqlite_schema ORDER BY name
  CREATE TABLE "quoted name"("a b" INTEGER, "select" TEXT)
  INSERT INTO "quoted name" VALUES (1, 'x')
  SELECT "a b", "select" FROM "quoted name"
  SELECT [a b], \`select\` FROM [quoted name]
  DROP TABLE "quoted name"
  DROP TABLE t2
`;

export function* definitions(): Generator<CorpusStatement> {
  yield* script(DEFINITIONS);
  yield* script(
    DEFINITIONS.replaceAll(
      'x INTEGER, y VARCHAR(8)',
      'y VARCHAR(8) PRIMARY KEY, x INTEGER',
    ).replaceAll(/VALUES\((\w+),('\w+')\)/g, 'VALUES($2,$1)'),
  );
}

/** The same name made and dropped again and again, in other shapes. */
export function* namedTwice(random: Seeded, size: number): Generator<CorpusStatement> {
  const shapes = [
    '(a, b)',
    '(a INTEGER PRIMARY KEY, b)',
    '(a TEXT PRIMARY KEY, b UNIQUE)',
    '(a, b, PRIMARY KEY(b, a)) WITHOUT ROWID',
    '(a UNIQUE, b, UNIQUE(a, b))',
    '(a INTEGER PRIMARY KEY AUTOINCREMENT, b NOT NULL DEFAULT 7)',
  ];
  for (let at = 0; at < size; at += 1) {
    const name = `n${random.below(4)}`;
    const own = random.pick(['', '', '', 'TEMP ']);
    const number = random.below(9);
    yield inOrder(
      random.pick([
        `CREATE ${own}TABLE ${random.pick(['', 'IF NOT EXISTS '])}${name}${random.pick(shapes)}`,
        `CREATE ${own}TABLE ${name}${random.pick(shapes)}`,
        `DROP TABLE ${random.pick(['', 'IF EXISTS '])}${name}`,
        `CREATE ${own}VIEW ${random.pick(['', 'IF NOT EXISTS '])}v_${name} AS SELECT a, count(*) AS b FROM ${name} GROUP BY a`,
        `DROP VIEW ${random.pick(['', 'IF EXISTS '])}v_${name}`,
        `CREATE ${random.pick(['', 'UNIQUE '])}INDEX i_${name} ON ${name}(b)`,
        `DROP INDEX ${random.pick(['', 'IF EXISTS '])}i_${name}`,
        `CREATE TRIGGER r_${name} AFTER INSERT ON ${name} BEGIN UPDATE ${name} SET b = b + 1 WHERE a = new.a - 1; END`,
        `DROP TRIGGER ${random.pick(['', 'IF EXISTS '])}r_${name}`,
        `INSERT INTO ${name} VALUES(${number}, ${random.below(9)})`,
        `INSERT INTO ${name}(b) VALUES(${number}), (${random.below(9)})`,
        `INSERT OR REPLACE INTO ${name} VALUES(${number}, ${random.below(9)})`,
        `UPDATE ${name} SET a = a + 1 WHERE b > ${number}`,
        `DELETE FROM ${name} WHERE a = ${number}`,
        `SELECT * FROM ${name} ORDER BY 1, 2`,
        `SELECT a, b FROM ${name}`,
        `SELECT * FROM v_${name}`,
        `SELECT n.a, v.b FROM ${name} AS n JOIN v_${name} AS v USING(a) ORDER BY 1, 2`,
        `ALTER TABLE ${name} RENAME TO n${random.below(4)}`,
        `REINDEX ${random.pick([name, `i_${name}`])}`,
      ]),
    );
  }
}

/** UPDATE with every word that it has. */
export function* updating(random: Seeded, size: number): Generator<CorpusStatement> {
  yield* script(`
    CREATE TABLE t1(x INTEGER, y VARCHAR(8))
    INSERT INTO t1 VALUES(1,'true'),(0,'false'),(NULL,'NULL')
    CREATE INDEX t1i1 ON t1(x)
    CREATE TABLE t2(k INTEGER PRIMARY KEY, u TEXT UNIQUE, v INTEGER NOT NULL DEFAULT 5, w CHECK(w < 50))
    INSERT INTO t2 VALUES (1,'a',1,1),(2,'b',2,2),(3,'c',3,3),(4,'d',4,4)
    CREATE TABLE t3(p TEXT, q INTEGER, r, PRIMARY KEY(p, q)) WITHOUT ROWID
    INSERT INTO t3 VALUES ('a',1,1),('a',2,2),('b',1,3),('c',1,NULL)
    UPDATE t1 SET z='foo'
    UPDATE t1 SET z='foo' WHERE x=1
    UPDATE tX SET x=1
    UPDATE t1 SET x=1 WHERE nope=1
  `);
  const or = (): string =>
    random.pick(['', '', 'OR ABORT ', 'OR IGNORE ', 'OR REPLACE ', 'OR FAIL ', 'OR ROLLBACK ']);
  const number = (): number => random.below(6);
  const word = (): string => `'${random.pick('abcdef'.split(''))}'`;
  for (let at = 0; at < size; at += 1) {
    yield inOrder(
      random.pick([
        `UPDATE ${or()}t1 SET x=${number()} WHERE x=${number()}`,
        `UPDATE t1 SET x=x+1, y=y||x WHERE x>0 OR x IS NULL`,
        `UPDATE t1 SET x=1, x=2 WHERE y=${word()}`,
        `UPDATE t1 SET (x,y)=(SELECT k, u FROM t2 WHERE v=${number()}) WHERE x IN (SELECT q FROM t3)`,
        `UPDATE t1 SET y=${word()} WHERE rowid=${1 + random.below(3)}`,
        `UPDATE ${or()}t2 SET u=${word()} WHERE k${random.pick(['=', '>', '<>'])}${number()}`,
        `UPDATE ${or()}t2 SET k=k+1`,
        `UPDATE ${or()}t2 SET k=${number()} WHERE u=${word()}`,
        `UPDATE ${or()}t2 SET v=NULL WHERE k=${number()}`,
        `UPDATE ${or()}t2 SET w=w*${1 + number()}, k=10-k WHERE v>=${number()}`,
        `UPDATE ${or()}t3 SET q=q+1 WHERE p=${word()}`,
        `UPDATE ${or()}t3 SET p=${word()}`,
        `UPDATE t3 SET r=(SELECT max(w) FROM t2 WHERE t2.v=t3.q), q=q WHERE p<>${word()}`,
        `UPDATE t2 SET w=t3.r FROM t3 WHERE t3.p=t2.u AND t3.q=${number()}`,
        `UPDATE ${or()}t2 SET u=${word()} WHERE k=${number()} RETURNING *`,
        `INSERT ${or()}INTO t2(u, w) VALUES(${word()}, ${number()})`,
        `INSERT ${or()}INTO t3 VALUES(${word()}, ${number()}, ${number()}), (${word()}, ${number()}, 0)`,
        `INSERT INTO t1 SELECT k, u FROM t2 WHERE k=${number()}`,
        `DELETE FROM t1 WHERE x>${number()} AND (SELECT count(*) FROM t1)>8`,
        `DELETE FROM t2 WHERE k NOT IN (SELECT q FROM t3) AND k>6`,
        `DELETE FROM t3 WHERE (p, q) IN (SELECT u, v FROM t2)`,
        'SELECT rowid, * FROM t1',
        'SELECT * FROM t2 ORDER BY k',
        'SELECT * FROM t3',
        'SELECT count(*) FROM t1 WHERE x=1',
        'SELECT changes(), total_changes()',
      ]),
    );
  }
}

/** INSERT OR …, REPLACE and upsert into tables with several unique keys. */
export function* replacing(random: Seeded, size: number): Generator<CorpusStatement> {
  yield* script(`
    CREATE TABLE t1(x INTEGER PRIMARY KEY, y VARCHAR(8))
    INSERT INTO t1 VALUES(1,'true'),(0,'false')
    CREATE TABLE t2(a UNIQUE, b UNIQUE, c, d NOT NULL DEFAULT 3)
    CREATE TABLE t3(a TEXT PRIMARY KEY ON CONFLICT REPLACE, b INTEGER UNIQUE ON CONFLICT IGNORE, c NOT NULL ON CONFLICT FAIL)
    CREATE TABLE t4(a TEXT COLLATE NOCASE PRIMARY KEY, b REAL) WITHOUT ROWID
    CREATE UNIQUE INDEX t2c ON t2(c, d) WHERE c > 2
  `);
  const verb = (): string =>
    random.pick([
      'INSERT',
      'INSERT OR REPLACE',
      'REPLACE',
      'INSERT OR IGNORE',
      'INSERT OR ABORT',
      'INSERT OR FAIL',
      'INSERT OR ROLLBACK',
    ]);
  const value = (): string =>
    random.pick(['1', '2', '3', '4', '5', "'a'", "'A'", "'b'", 'NULL', '2.0', "'3'"]);
  const row = (columns: number): string => `(${Array.from({ length: columns }, value).join(', ')})`;
  const rows = (columns: number): string =>
    Array.from({ length: 1 + random.below(3) }, () => row(columns)).join(', ');
  for (let at = 0; at < size; at += 1) {
    yield inOrder(
      random.pick([
        `${verb()} INTO t1 VALUES${rows(2)}`,
        `${verb()} INTO t1(y) VALUES(${value()})`,
        `${verb()} INTO t2 VALUES${rows(4)}`,
        `${verb()} INTO t2(c, b) VALUES${rows(2)}`,
        `${verb()} INTO t3 VALUES${rows(3)}`,
        `${verb()} INTO t4 VALUES${rows(2)}`,
        `${verb()} INTO t2 SELECT b, a, c, d FROM t2 WHERE a IS NOT NULL`,
        `${verb()} INTO t4 SELECT a, b FROM t3`,
        `INSERT INTO t1 VALUES${rows(2)} ON CONFLICT(x) DO UPDATE SET y = excluded.y || y WHERE y IS NOT NULL`,
        `INSERT INTO t2 VALUES${row(4)} ON CONFLICT(a) DO UPDATE SET c = excluded.c ON CONFLICT(b) DO NOTHING`,
        `INSERT INTO t4 VALUES${rows(2)} ON CONFLICT DO UPDATE SET b = coalesce(b, 0) + 1 RETURNING a, b`,
        `UPDATE OR REPLACE t2 SET a = ${value()} WHERE b = ${value()}`,
        `UPDATE t3 SET b = ${value()} WHERE a = ${value()}`,
        `${verb()} INTO t9 VALUES(1)`,
        `${verb()} INTO t1 VALUES(1)`,
        `${verb()} INTO t1(nope) VALUES(1)`,
        `DELETE FROM t2 WHERE a = ${value()} OR c = ${value()}`,
        'SELECT * FROM t1',
        'SELECT rowid, * FROM t2',
        'SELECT * FROM t3 ORDER BY a, b',
        'SELECT * FROM t4',
        'SELECT x, y FROM t1 WHERE x>0',
      ]),
    );
  }
}

/** Triggers of every timing over tables, temporary tables and views. */
export function* triggers(random: Seeded, size: number): Generator<CorpusStatement> {
  yield* script(`
    CREATE TABLE t1(x INTEGER, y VARCHAR(8))
    INSERT INTO t1 VALUES(1,'true'),(0,'false'),(NULL,'NULL')
    CREATE INDEX t1i1 ON t1(x)
    CREATE TABLE t2(k TEXT PRIMARY KEY, n INTEGER DEFAULT 0)
    CREATE TABLE log(id INTEGER PRIMARY KEY, what TEXT, was, became)
    CREATE VIEW v1 AS SELECT x, y, n FROM t1 LEFT JOIN t2 ON y = k
    CREATE TEMP TABLE own(x, y)
  `);
  const body = (): string =>
    random.pick([
      'SELECT 1;',
      "INSERT INTO log(what, became) VALUES('made', 1);",
      "INSERT INTO t2(k, n) VALUES(lower('MADE'), 1) ON CONFLICT(k) DO UPDATE SET n = n + 1;",
      'UPDATE t2 SET n = n + 1; DELETE FROM log WHERE id < (SELECT max(id) FROM log) - 20;',
      "INSERT OR IGNORE INTO t2 VALUES('x', (SELECT count(*) FROM t1));",
      'SELECT RAISE(IGNORE) WHERE (SELECT count(*) FROM t1) > 25;',
      "SELECT RAISE(ABORT, 'too many') WHERE (SELECT count(*) FROM log) > 30;",
      "SELECT RAISE(FAIL, 'failed') WHERE (SELECT n FROM t2 LIMIT 1) = 7;",
    ]);
  const rowBody = (event: string): string =>
    event === 'DELETE'
      ? "INSERT INTO log(what, was) VALUES('gone', old.x);"
      : event === 'INSERT'
        ? "INSERT INTO log(what, became) VALUES('new', new.x);"
        : "INSERT INTO log(what, was, became) VALUES('now', old.y, new.y);";
  for (let at = 0; at < size; at += 1) {
    const event = random.pick(['INSERT', 'UPDATE', 'DELETE']);
    const name = `r${random.below(6)}`;
    const own = random.pick(['', '', '', '', 'TEMP ']);
    const when = random.pick([
      '',
      '',
      event === 'DELETE' ? ' WHEN old.x > 1' : ' WHEN new.x IS NOT NULL',
    ]);
    const of = event === 'UPDATE' && random.chance(0.5) ? ' OF x' : '';
    const actions = `${random.chance(0.7) ? rowBody(event) : ''} ${random.chance(0.6) ? body() : 'SELECT 2;'}`;
    const number = random.below(5);
    yield inOrder(
      random.pick([
        `CREATE ${own}TRIGGER ${random.pick(['', 'IF NOT EXISTS '])}${name} ${random.pick(['', 'BEFORE ', 'AFTER '])}${event}${of} ON t1${when} BEGIN ${actions} END`,
        `CREATE ${own}TRIGGER ${name} INSTEAD OF ${event}${of} ON v1${when} BEGIN ${actions} END`,
        `CREATE TRIGGER ${name} INSTEAD OF ${event} ON t1 BEGIN SELECT 1; END`,
        `CREATE TRIGGER ${name} BEFORE ${event} ON v1 BEGIN SELECT 1; END`,
        `CREATE TRIGGER ${name} AFTER ${event} ON tX BEGIN SELECT 1; END`,
        `CREATE TEMP TRIGGER ${name} AFTER ${event} ON own BEGIN ${actions} END`,
        `DROP TRIGGER ${random.pick(['', 'IF EXISTS '])}${name}`,
        `DROP TRIGGER ${name}`,
        'DROP TRIGGER rX',
        `INSERT INTO t1 VALUES(${number}, 'w${number}')`,
        `INSERT INTO t1 SELECT x + 1, k FROM t1, t2 LIMIT ${number}`,
        `INSERT INTO v1(x, y) VALUES(${number}, 'v')`,
        `INSERT INTO own VALUES(${number}, 'o')`,
        `UPDATE t1 SET x = x + 1 WHERE x = ${number}`,
        `UPDATE t1 SET y = y || 'u' WHERE x <= ${number}`,
        `UPDATE v1 SET x = ${number} WHERE y = 'true'`,
        `UPDATE own SET x = x + 1`,
        `DELETE FROM t1 WHERE x > ${number}`,
        `DELETE FROM v1 WHERE x = ${number}`,
        `DELETE FROM own WHERE x > ${number}`,
        `REPLACE INTO t2 VALUES('w${number}', ${number})`,
        'SELECT rowid, * FROM t1',
        'SELECT * FROM t2 ORDER BY k',
        'SELECT * FROM log',
        'SELECT * FROM own',
        'SELECT changes(), last_insert_rowid()',
      ]),
    );
  }
}
