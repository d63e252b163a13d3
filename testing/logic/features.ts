/** What applications use beyond plain tables: upserts, RETURNING, windows, full text, JSON, generated columns, STRICT, views that write, recursion. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const SCHEMA: readonly string[] = [
  'CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, price REAL CHECK (price IS NULL OR price >= 0), tags TEXT)',
  `CREATE TABLE total(day TEXT, item INTEGER, n INTEGER NOT NULL DEFAULT 1, twice AS (n * 2) STORED, label GENERATED ALWAYS AS (day || '/' || item), PRIMARY KEY (day, item)) WITHOUT ROWID`,
  'CREATE TABLE exact(id INTEGER PRIMARY KEY, n INT, r REAL, t TEXT, a ANY) STRICT',
  'CREATE TABLE node(id INTEGER PRIMARY KEY, parent INTEGER, weight)',
  'CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT, item INTEGER)',
  'CREATE VIRTUAL TABLE note USING fts5(title, body)',
  "CREATE INDEX item_by_tag ON item(json_extract(tags, '$[0]')) WHERE tags IS NOT NULL",
  'CREATE VIEW cheap AS SELECT id, name, price FROM item WHERE price < 10',
  'CREATE VIEW daily(day, n, items) AS SELECT day, sum(n), count(DISTINCT item) FROM total GROUP BY day',
  `CREATE TRIGGER item_added AFTER INSERT ON item WHEN new.price > 15 BEGIN INSERT INTO audit(what, item) VALUES ('dear', new.id); END`,
  `CREATE TRIGGER item_changed AFTER UPDATE OF price ON item BEGIN INSERT INTO audit(what, item) SELECT 'price', new.id WHERE old.price IS NOT new.price; END`,
  `CREATE TRIGGER cheap_added INSTEAD OF INSERT ON cheap BEGIN INSERT OR IGNORE INTO item(id, name, price) VALUES (new.id, new.name, new.price); END`,
  `CREATE TRIGGER cheap_gone INSTEAD OF DELETE ON cheap BEGIN UPDATE item SET price = 10 WHERE id = old.id; END`,
  `CREATE TRIGGER cheap_set INSTEAD OF UPDATE ON cheap BEGIN UPDATE item SET name = new.name, price = new.price WHERE id = old.id; END`,
];

const WORDS = ['ash', 'Ash', 'birch', 'cedar', 'CEDAR', 'elm', 'fir', 'oak', 'yew'];

/** Statements over all of them. */
export function* features(random: Seeded, size: number): Generator<CorpusStatement> {
  for (const sql of SCHEMA) yield { sql, ordered: false };
  for (let at = 0; at < size; at += 1) {
    const write = random.pick(WRITES);
    const read = random.pick(READS);
    yield { sql: (random.chance(0.4) ? write : read)(random), ordered: false };
  }
}

const n = (random: Seeded): number => random.below(12);
const word = (random: Seeded): string => `'${random.pick(WORDS)}'`;
const day = (random: Seeded): string => `'2026-01-0${1 + random.below(5)}'`;
const value = (random: Seeded): string =>
  random.pick([
    () => String(n(random)),
    () => `${n(random)}.5`,
    () => word(random),
    () => 'NULL',
    () => `'${n(random)}'`,
    () => `x'6${random.below(9)}'`,
  ])();
const tags = (random: Seeded): string =>
  random.pick([
    'NULL',
    `'["${random.pick(WORDS)}", ${n(random)}]'`,
    `'{"k": ${n(random)}, "w": "${random.pick(WORDS)}"}'`,
    `'[]'`,
  ]);

type Text = (random: Seeded) => string;

const WRITES: readonly Text[] = [
  (r) => `INSERT INTO item VALUES (${n(r)}, ${word(r)}, ${n(r) * 2}, ${tags(r)})`,
  (r) =>
    `INSERT INTO item(name, price, tags) VALUES (${word(r)}, ${n(r) * 2}, ${tags(r)}) ON CONFLICT(name) DO UPDATE SET price = excluded.price + 1 WHERE item.price < 20 RETURNING id, name, price`,
  (r) =>
    `INSERT INTO item(id, name, price) VALUES (${n(r)}, ${word(r)}, ${n(r)}), (${n(r)}, ${word(r)}, ${n(r)}) ON CONFLICT(id) DO UPDATE SET price = price + excluded.price ON CONFLICT(name) DO NOTHING RETURNING *`,
  (r) =>
    `INSERT OR REPLACE INTO item(id, name, price) VALUES (${n(r)}, ${word(r)}, ${n(r)}), (NULL, ${word(r)}, 3) RETURNING id`,
  (r) =>
    `INSERT OR IGNORE INTO item SELECT id + ${n(r)}, name || id, price, tags FROM item WHERE id < ${n(r)} RETURNING id, name`,
  (r) =>
    `UPDATE item SET price = price + 1, tags = json_set(coalesce(tags, '{}'), '$.k', ${n(r)}) WHERE id = ${n(r)} RETURNING id, tags`,
  (r) =>
    `UPDATE item SET price = t.n FROM (SELECT item, max(n) AS n FROM total GROUP BY item) AS t WHERE t.item = item.id AND item.id < ${n(r)}`,
  (r) => `UPDATE item SET name = ${word(r)} WHERE name = ${word(r)} RETURNING name, upper(name)`,
  (r) => `DELETE FROM item WHERE id > 11 OR id = ${n(r)} RETURNING *`,
  (r) =>
    `INSERT INTO total(day, item) VALUES (${day(r)}, ${n(r)}) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING day, n, twice, label`,
  (r) =>
    `INSERT INTO total(day, item, n) SELECT ${day(r)}, id, price FROM item WHERE price IS NOT NULL ON CONFLICT(day, item) DO UPDATE SET n = max(n, excluded.n)`,
  (r) => `UPDATE total SET n = n + ${n(r)} WHERE twice > ${n(r)} RETURNING label, twice`,
  () =>
    `DELETE FROM total WHERE (day, item) IN (SELECT day, max(item) FROM total GROUP BY day HAVING count(*) > 3)`,
  (r) => `INSERT INTO exact VALUES (${n(r)}, ${value(r)}, ${value(r)}, ${value(r)}, ${value(r)})`,
  (r) =>
    `INSERT INTO exact(id, a) VALUES (${n(r)}, ${value(r)}) ON CONFLICT(id) DO UPDATE SET a = excluded.a, n = ${value(r)} RETURNING *`,
  (r) =>
    `REPLACE INTO node VALUES (${n(r)}, ${random3(r)}, ${value(r)}), (${n(r)}, ${random3(r)}, ${value(r)})`,
  (r) =>
    `WITH RECURSIVE down(id) AS (SELECT ${n(r)} UNION SELECT node.id FROM node JOIN down ON node.parent = down.id) DELETE FROM node WHERE id IN down AND id > 8`,
  (r) =>
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${1 + n(r)}) INSERT OR IGNORE INTO node SELECT i, i / 2, i * ${n(r)} FROM c`,
  (r) => `INSERT INTO note VALUES (${word(r)}, ${word(r)} || ' ' || ${word(r)})`,
  (r) => `UPDATE note SET body = body || ' ' || ${word(r)} WHERE rowid = ${n(r)}`,
  (r) => `DELETE FROM note WHERE note MATCH ${word(r)} AND rowid > 6`,
  (r) => `INSERT INTO cheap VALUES (${n(r)}, ${word(r)}, ${n(r)})`,
  (r) => `UPDATE cheap SET price = price + 1 WHERE id < ${n(r)}`,
  (r) => `DELETE FROM cheap WHERE name = ${word(r)}`,
  () => 'DELETE FROM audit WHERE id <= (SELECT max(id) - 10 FROM audit)',
];

function random3(random: Seeded): string {
  return random.chance(0.2) ? 'NULL' : String(random.below(9));
}

const FRAMES = [
  '',
  'ROWS BETWEEN 1 PRECEDING AND CURRENT ROW',
  'RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES',
  'GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING',
];
const WINDOWS = [
  'row_number()',
  'rank()',
  'ntile(3)',
  'lag(price, 1, -1)',
  'first_value(name)',
  'sum(price)',
  'count(*) FILTER (WHERE price > 5)',
  'group_concat(id)',
];

const READS: readonly Text[] = [
  (r) => `SELECT id, ${r.pick(WINDOWS)} OVER (ORDER BY price, id ${r.pick(FRAMES)}) FROM item`,
  (r) =>
    `SELECT name, ${r.pick(WINDOWS)} OVER w, dense_rank() OVER (w) FROM item WINDOW w AS (PARTITION BY price > ${n(r)} ORDER BY id)`,
  (r) =>
    `SELECT day, item, sum(n) OVER (PARTITION BY day ORDER BY item), n - avg(n) OVER (PARTITION BY item) FROM total WHERE n < ${n(r) * 3}`,
  (r) =>
    `SELECT id, tags ->> '$.k', json_extract(tags, '$[0]'), tags -> '$.w' FROM item WHERE tags IS NOT NULL AND id <> ${n(r)}`,
  (r) =>
    `SELECT i.id, j.key, j.value, j.type FROM item AS i, json_each(i.tags) AS j WHERE i.id < ${n(r)}`,
  (r) =>
    `SELECT json_group_array(name ORDER BY id), json_group_object(id, price) FROM item WHERE price > ${n(r)}`,
  (r) =>
    `SELECT json_object('id', id, 'name', name) FROM item WHERE json_extract(tags, '$[0]') = ${word(r)}`,
  (r) => `SELECT * FROM total WHERE label = ${day(r)} || '/' || ${n(r)} OR twice = ${n(r)}`,
  (r) => `SELECT label, twice FROM total WHERE day = ${day(r)} AND item = ${n(r)}`,
  (r) =>
    `SELECT typeof(n), typeof(r), typeof(t), typeof(a), * FROM exact WHERE a IS ${value(r)} OR id < ${n(r)}`,
  (r) =>
    `WITH RECURSIVE up(id, depth) AS (SELECT ${n(r)}, 0 UNION SELECT parent, depth + 1 FROM node JOIN up USING (id) WHERE depth < 9) SELECT * FROM up`,
  (r) =>
    `WITH RECURSIVE tree(id, path) AS (SELECT id, '/' || id FROM node WHERE parent IS NULL OR parent = ${n(r)} UNION ALL SELECT node.id, path || '/' || node.id FROM node JOIN tree ON node.parent = tree.id WHERE length(path) < 20 LIMIT 30) SELECT count(*), max(length(path)) FROM tree`,
  (r) =>
    `WITH RECURSIVE fib(a, b) AS (VALUES (0, 1) UNION ALL SELECT b, a + b FROM fib LIMIT ${5 + n(r)}) SELECT a, (SELECT count(*) FROM item WHERE id < a) FROM fib`,
  (r) =>
    `SELECT rowid, title, highlight(note, 1, '<', '>') FROM note WHERE note MATCH ${word(r)} ORDER BY rowid`,
  (r) =>
    `SELECT count(*) FROM note JOIN item ON item.name = note.title WHERE note MATCH 'body: ${r.pick(WORDS)} OR ${r.pick(WORDS)}*'`,
  (r) => `SELECT * FROM cheap WHERE price > ${n(r)} ORDER BY name DESC, id`,
  (r) =>
    `SELECT d.day, d.n, d.items, t.item FROM daily AS d JOIN total AS t USING (day) WHERE t.n > ${n(r)} ORDER BY 1, 4`,
  (r) => `SELECT what, count(*), max(item) FROM audit GROUP BY what HAVING count(*) > ${n(r)}`,
  (r) =>
    `SELECT name FROM item WHERE name IN (${word(r)}, ${word(r)}) OR name LIKE '${r.pick(WORDS).slice(0, 2)}%' ORDER BY name COLLATE BINARY`,
  (r) =>
    `SELECT name COLLATE BINARY, count(*) FROM (SELECT name FROM item UNION ALL SELECT title FROM note) GROUP BY 1 ORDER BY 1 LIMIT ${1 + n(r)}`,
  (r) =>
    `SELECT max(name), min(name COLLATE BINARY), count(DISTINCT name) FROM item WHERE name > ${word(r)} COLLATE RTRIM`,
  (r) =>
    `SELECT i.name, (SELECT sum(n) FROM total WHERE item = i.id AND day >= ${day(r)}) AS s FROM item AS i ORDER BY s NULLS LAST, i.name, i.id`,
  (r) =>
    `SELECT id FROM item EXCEPT SELECT item FROM total WHERE n > ${n(r)} INTERSECT SELECT id FROM node ORDER BY 1`,
  (r) =>
    `SELECT iif(price > ${n(r)}, 'dear', 'cheap') AS k, round(avg(price), 2), printf('%05.1f', total(price)) FROM item GROUP BY k`,
  (r) =>
    `PRAGMA ${r.pick(['table_info(item)', 'table_xinfo(total)', 'index_list(item)', 'index_info(item_by_tag)', 'foreign_key_list(node)', 'foreign_keys', 'table_list(cheap)', 'index_xinfo(item_by_tag)', 'user_version', 'integrity_check', 'quick_check', 'encoding', 'foreign_key_check', 'recursive_triggers'])}`,
  (r) =>
    `SELECT name, type FROM pragma_table_info('${r.pick(['item', 'total', 'exact', 'cheap', 'daily'])}') ORDER BY cid`,
  () =>
    `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'note%' ORDER BY name`,
];
