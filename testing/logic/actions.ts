/** What a write sets off: actions of foreign keys, triggers that fire triggers, savepoints that take it back, ids that are given once. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const SCHEMA: readonly string[] = [
  'CREATE TABLE region(code TEXT COLLATE NOCASE PRIMARY KEY, name TEXT UNIQUE) WITHOUT ROWID',
  'CREATE TABLE buyer(id INTEGER PRIMARY KEY AUTOINCREMENT, region TEXT COLLATE NOCASE REFERENCES region ON DELETE SET NULL ON UPDATE CASCADE, boss INTEGER REFERENCES buyer ON DELETE CASCADE, points INTEGER NOT NULL DEFAULT 0)',
  'CREATE TABLE sale(id INTEGER PRIMARY KEY, buyer INTEGER DEFAULT 1 REFERENCES buyer ON DELETE SET DEFAULT ON UPDATE CASCADE, price, CHECK (price IS NULL OR price < 900))',
  'CREATE TABLE line(sale INTEGER REFERENCES sale ON DELETE CASCADE, no INTEGER, what TEXT, PRIMARY KEY(sale, no)) WITHOUT ROWID',
  'CREATE TABLE later(id INTEGER PRIMARY KEY, buyer INTEGER REFERENCES buyer(id) DEFERRABLE INITIALLY DEFERRED)',
  'CREATE TABLE strictly(id INTEGER PRIMARY KEY, sale INTEGER REFERENCES sale ON DELETE RESTRICT ON UPDATE RESTRICT)',
  'CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT, one, other)',
  'CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL)',
  'CREATE INDEX sale_by_buyer ON sale(buyer, price DESC)',
  'CREATE UNIQUE INDEX later_once ON later(buyer) WHERE buyer > 5',
];

const n = (random: Seeded): number => random.below(10);
const region = (random: Seeded): string => random.pick(["'eu'", "'EU'", "'us'", "'asia'", 'NULL']);
const or = (random: Seeded): string =>
  random.pick(['', '', '', 'OR IGNORE ', 'OR REPLACE ', 'OR FAIL ', 'OR ROLLBACK ', 'OR ABORT ']);

type Text = (random: Seeded) => string;

const TRIGGERS: readonly Text[] = [
  (r) =>
    `AFTER INSERT ON sale${r.pick(['', ' WHEN new.price > 5'])} BEGIN INSERT INTO log(what, one, other) VALUES ('sale', new.id, new.buyer); END`,
  () =>
    `AFTER UPDATE OF price ON sale BEGIN INSERT INTO log(what, one, other) VALUES ('price', old.price, new.price); END`,
  () => `AFTER DELETE ON sale BEGIN INSERT INTO log(what, one) VALUES ('gone', old.id); END`,
  () => `AFTER INSERT ON sale BEGIN UPDATE buyer SET points = points + 1 WHERE id = new.buyer; END`,
  () =>
    `AFTER DELETE ON sale BEGIN UPDATE buyer SET points = points - 1 WHERE id = old.buyer; DELETE FROM later WHERE id = old.id; END`,
  () =>
    `AFTER INSERT ON sale BEGIN INSERT INTO counter VALUES ('sales', 1) ON CONFLICT(name) DO UPDATE SET n = n + 1; END`,
  () => `AFTER INSERT ON sale BEGIN UPDATE counter SET n = n + new.id WHERE name = 'sum'; END`,
  () =>
    `AFTER INSERT ON log WHEN new.id % 3 = 0 BEGIN INSERT OR REPLACE INTO counter VALUES (new.what, new.id); END`,
  () =>
    `AFTER UPDATE ON buyer WHEN new.points > 3 BEGIN INSERT INTO log(what, one) VALUES ('points', new.id); UPDATE buyer SET points = 0 WHERE id = new.id; END`,
  () => `BEFORE DELETE ON buyer WHEN old.id = 7 BEGIN SELECT RAISE(ABORT, 'seven stays'); END`,
  () => `BEFORE INSERT ON line WHEN new.no > 8 BEGIN SELECT RAISE(IGNORE); END`,
  () => `BEFORE INSERT ON line WHEN new.what = 'bad' BEGIN SELECT RAISE(FAIL, 'bad line'); END`,
  () =>
    `BEFORE UPDATE ON line WHEN new.what = 'worse' BEGIN SELECT RAISE(ROLLBACK, 'worse line'); END`,
  () =>
    `AFTER INSERT ON line BEGIN UPDATE sale SET price = coalesce(price, 0) + (SELECT count(*) FROM line WHERE sale = new.sale) WHERE id = new.sale; END`,
  () =>
    `AFTER DELETE ON line BEGIN INSERT INTO log(what, one, other) SELECT 'line', old.sale, price FROM sale WHERE id = old.sale; END`,
  () => `BEFORE INSERT ON sale BEGIN INSERT OR IGNORE INTO buyer(id) VALUES (new.buyer); END`,
];

const WRITES: readonly Text[] = [
  (r) =>
    `INSERT ${or(r)}INTO region VALUES (${region(r)}, ${r.pick(["'Europe'", "'States'", "'Asia'", 'NULL'])})`,
  (r) => `UPDATE ${or(r)}region SET code = ${region(r)} WHERE code = ${region(r)}`,
  (r) => `DELETE FROM region WHERE code = ${region(r)}`,
  (r) =>
    `INSERT ${or(r)}INTO buyer(region, boss) VALUES (${region(r)}, ${r.pick(['NULL', String(n(r))])}), (NULL, NULL)`,
  (r) => `INSERT ${or(r)}INTO buyer VALUES (${n(r)}, ${region(r)}, NULL, ${n(r)})`,
  (r) => `UPDATE buyer SET id = id + 20 WHERE id = ${n(r)}`,
  (r) => `UPDATE ${or(r)}buyer SET boss = ${n(r)}, region = ${region(r)} WHERE id > ${n(r)}`,
  (r) => `DELETE FROM buyer WHERE id = ${n(r)}`,
  (r) => `DELETE FROM buyer WHERE id > 20`.concat(r.pick(['', ' RETURNING id'])),
  (r) => `INSERT ${or(r)}INTO sale VALUES (${n(r)}, ${n(r)}, ${n(r) * 3})`,
  (r) =>
    `INSERT INTO sale(buyer, price) VALUES (${n(r)}, ${n(r)}), (${n(r)}, NULL), (NULL, ${n(r)})`,
  (r) => `INSERT INTO sale(buyer, price) SELECT id, points FROM buyer WHERE id < ${n(r)}`,
  (r) =>
    `INSERT INTO sale VALUES (${n(r)}, 1, 2) ON CONFLICT DO UPDATE SET price = excluded.price + sale.price`,
  (r) =>
    `UPDATE ${or(r)}sale SET price = ${r.pick(['price + 1', 'price * 40', 'NULL', String(n(r))])} WHERE buyer = ${n(r)}`,
  (r) => `UPDATE ${or(r)}sale SET buyer = ${n(r)}, id = id + ${n(r)} WHERE id = ${n(r)}`,
  (r) => `DELETE FROM sale WHERE ${r.pick(['id', 'buyer', 'price'])} = ${n(r)}`,
  (r) => `DELETE FROM sale WHERE id IN (SELECT sale FROM line) AND id > ${n(r)} RETURNING *`,
  (r) =>
    `INSERT ${or(r)}INTO line VALUES (${n(r)}, ${n(r)}, ${r.pick(["'a'", "'b'", "'bad'"])}), (${n(r)}, ${n(r)}, 'c')`,
  (r) =>
    `UPDATE ${or(r)}line SET no = no + 1, what = ${r.pick(["'d'", "'worse'"])} WHERE sale = ${n(r)}`,
  (r) => `DELETE FROM line WHERE no > ${n(r)}`,
  (r) => `INSERT ${or(r)}INTO later VALUES (NULL, ${n(r)})`,
  (r) => `INSERT ${or(r)}INTO strictly VALUES (${n(r)}, ${n(r)})`,
  (r) => `DELETE FROM strictly WHERE id > ${n(r)}`,
  (r) => `REPLACE INTO counter VALUES (${r.pick(["'sum'", "'sales'", "'x'"])}, ${n(r)})`,
  () => `DELETE FROM log WHERE id < (SELECT max(id) FROM log) - 10`,
];

const READS: readonly Text[] = [
  () => 'SELECT * FROM region',
  () => 'SELECT * FROM buyer',
  () => 'SELECT * FROM sale ORDER BY id',
  () => 'SELECT * FROM line',
  () => 'SELECT * FROM later',
  () => 'SELECT * FROM log',
  () => 'SELECT * FROM counter ORDER BY name',
  () => 'SELECT changes(), total_changes(), last_insert_rowid()',
  () => 'SELECT name, seq FROM sqlite_sequence ORDER BY name',
  () => 'PRAGMA foreign_key_check',
  () =>
    'SELECT b.id, count(s.id), sum(price) FROM buyer AS b LEFT JOIN sale AS s ON s.buyer = b.id GROUP BY b.id ORDER BY 1',
];

const CONTROL: readonly string[] = [
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'END',
  'SAVEPOINT one',
  'SAVEPOINT two',
  'SAVEPOINT one',
  'RELEASE one',
  'ROLLBACK TO one',
  'ROLLBACK TO two',
  'RELEASE two',
  'BEGIN IMMEDIATE',
  'PRAGMA defer_foreign_keys = ON',
];

/** Statements over all of them, while triggers come and go. */
export function* actions(random: Seeded, size: number): Generator<CorpusStatement> {
  const inOrder = (sql: string): CorpusStatement => ({ sql, ordered: true });
  for (const sql of SCHEMA) yield inOrder(sql);
  yield inOrder("INSERT INTO region VALUES ('eu', 'Europe'), ('us', 'States')");
  for (let id = 1; id < 8; id += 1) {
    yield inOrder(`INSERT INTO buyer(region, boss) VALUES (${region(random)}, NULL)`);
    yield inOrder(`INSERT INTO sale VALUES (${id}, ${1 + random.below(id)}, ${n(random)})`);
    yield inOrder(`INSERT INTO line VALUES (${1 + random.below(id)}, ${id}, 'first')`);
  }
  for (let at = 0; at < size; at += 1) {
    const roll = random.below(20);
    const trigger = `r${random.below(6)}`;
    if (roll === 0) yield inOrder(`CREATE TRIGGER ${trigger} ${random.pick(TRIGGERS)(random)}`);
    else if (roll === 1) yield inOrder(`DROP TRIGGER ${random.pick(['', 'IF EXISTS '])}${trigger}`);
    else if (roll < 4) yield inOrder(random.pick(CONTROL));
    else yield inOrder(random.pick(roll < 13 ? WRITES : READS)(random));
  }
}
