/** Subqueries in every place, joins of every kind with commas and USING, compounds within compounds, views over views, CTEs. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const inOrder = (sql: string): CorpusStatement => ({ sql, ordered: true });
const TABLES = ['p', 'q', 'r', 's'];
const SHAPES: Readonly<Record<string, string>> = {
  p: '(id INTEGER PRIMARY KEY, a INTEGER, b TEXT)',
  q: '(id INTEGER, a INTEGER, c TEXT COLLATE NOCASE, PRIMARY KEY(a, id)) WITHOUT ROWID',
  r: '(id TEXT PRIMARY KEY, a, d REAL)',
  s: '(id, b TEXT, d)',
};
/** The third column of each. */
const LAST: Readonly<Record<string, string>> = { p: 'b', q: 'c', r: 'd', s: 'd' };
const WORDS = ['x', 'X', 'y', 'z', '1', '2', ''];
const JOINS = ['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'CROSS JOIN', 'INNER JOIN', ','];

const number = (random: Seeded): number => random.below(8);
const value = (random: Seeded): string =>
  random.pick([
    () => String(number(random)),
    () => `'${random.pick(WORDS)}'`,
    () => 'NULL',
    () => `${number(random)}.0`,
  ])();

/** Statements over four tables that share some names of columns. */
export function* nested(random: Seeded, size: number): Generator<CorpusStatement> {
  for (const [name, shape] of Object.entries(SHAPES)) {
    yield inOrder(`CREATE TABLE ${name}${shape}`);
    for (let row = 0; row < 9; row += 1) yield inOrder(insert(random, name));
  }
  yield inOrder('CREATE INDEX pa ON p(a)');
  yield inOrder('CREATE INDEX sd ON s(d, b DESC)');
  yield inOrder('CREATE VIEW one AS SELECT p.id, p.a, q.c FROM p LEFT JOIN q USING (a)');
  yield inOrder('CREATE VIEW two(id, n) AS SELECT id, count(*) FROM one GROUP BY id');
  yield inOrder(
    'CREATE VIEW three AS SELECT * FROM two NATURAL JOIN p UNION SELECT 0, 0, 0, id FROM s',
  );
  for (let at = 0; at < size; at += 1) {
    yield inOrder(
      random.pick([
        () => plain(random),
        () => plain(random),
        () => joined(random),
        () => joined(random),
        () => compound(random, 2),
        () => common(random),
        () => grouped(random),
        () => viewed(random),
        () => insert(random, random.pick(TABLES)),
        () => changed(random),
      ])(),
    );
  }
}

function insert(random: Seeded, table: string): string {
  const id = table === 'r' ? `'${random.pick(WORDS)}${number(random)}'` : String(random.below(16));
  return `INSERT OR IGNORE INTO ${table} VALUES(${id}, ${random.chance(0.5) ? number(random) : value(random)}, ${value(random)})`;
}

function changed(random: Seeded): string {
  const [table, other] = [random.pick(TABLES), random.pick(TABLES)];
  const column = LAST[table] ?? 'id';
  return random.pick([
    () =>
      `UPDATE ${table} SET ${column} = (SELECT max(o.id) FROM ${other} AS o WHERE o.id <> ${table}.id) WHERE ${term(random, table, 1)}`,
    () =>
      `UPDATE ${table} SET ${column} = o.id FROM (SELECT id, count(*) AS n FROM ${other} GROUP BY id) AS o WHERE o.id = ${table}.id AND o.n ${random.pick(['=', '>'])} 1`,
    () =>
      `DELETE FROM ${table} WHERE ${term(random, table, 1)} AND (SELECT count(*) FROM ${table}) > 7`,
    () =>
      `INSERT OR IGNORE INTO ${table} SELECT id || '', 3, ${value(random)} FROM ${other} WHERE ${term(random, other, 1)} LIMIT 2`,
    () =>
      `DELETE FROM ${table} WHERE (id, ${column}) IN (SELECT id, ${LAST[other]} FROM ${other} WHERE id > ${number(random)}) AND EXISTS (SELECT 1 FROM ${table} LIMIT 1 OFFSET 6)`,
  ])();
}

/** A question about `name` that may ask others. */
function term(random: Seeded, name: string, depth: number): string {
  const other = random.pick(TABLES);
  const inner = `o${depth}`;
  const more = depth > 0 ? ` AND ${term(random, inner, depth - 1)}` : '';
  const of =
    name.startsWith('o') || name.length > 1 ? 'id' : random.pick(['id', LAST[name] ?? 'id']);
  return random.pick([
    () => `${name}.${of} ${random.pick(['=', '<>', '<', '>=', 'IS'])} ${value(random)}`,
    () => `${name}.${of} IS ${random.pick(['', 'NOT '])}NULL`,
    () => `${name}.${of} BETWEEN ${value(random)} AND ${value(random)}`,
    () =>
      `${random.pick(['', 'NOT '])}EXISTS (SELECT 1 FROM ${other} AS ${inner} WHERE ${inner}.id = ${name}.id${more})`,
    () =>
      `${name}.id ${random.pick(['IN', 'NOT IN'])} (SELECT ${inner}.id FROM ${other} AS ${inner} WHERE ${inner}.id IS NOT ${name}.${of}${more})`,
    () =>
      `${name}.id ${random.pick(['=', '<', '>'])} (SELECT ${random.pick(['max', 'min', 'count'])}(${inner}.id) FROM ${other} AS ${inner} WHERE ${inner}.id <> ${name}.id${more})`,
    () => `(${name}.id > ${number(random)} OR ${name}.${of} = ${value(random)})`,
    () =>
      `(SELECT ${inner}.id FROM ${other} AS ${inner} WHERE ${inner}.id = ${name}.id ORDER BY ${inner}.id DESC LIMIT 1) IS ${name}.id`,
  ])();
}

function plain(random: Seeded): string {
  const [table, other] = [random.pick(TABLES), random.pick(TABLES)];
  const shown = random.pick([
    () => '*',
    () => `id, (SELECT count(*) FROM ${other} AS x WHERE x.id = ${table}.id)`,
    () =>
      `id, (SELECT group_concat(x.id, '/' ORDER BY x.id) FROM ${other} AS x WHERE x.id < ${table}.id)`,
    () =>
      `id, EXISTS (SELECT 1 FROM ${other} AS x WHERE ${term(random, 'x', 0)} AND x.id > ${table}.id)`,
    () =>
      `id, CASE WHEN id IN (SELECT id FROM ${other}) THEN (SELECT min(id) FROM ${other}) ELSE ${value(random)} END`,
    () =>
      `(SELECT (SELECT max(y.id) FROM ${other} AS y WHERE y.id < x.id AND y.id <> ${table}.id) FROM ${other} AS x WHERE x.id > ${table}.id ORDER BY x.id LIMIT 1)`,
  ])();
  const order = random.pick([
    '',
    ' ORDER BY 1',
    ' ORDER BY 1 DESC, id',
    ` ORDER BY (SELECT count(*) FROM ${other} AS x WHERE x.id < ${table}.id), id`,
    ` ORDER BY id COLLATE NOCASE LIMIT ${number(random)} OFFSET (SELECT count(*) / 4 FROM ${other})`,
  ]);
  return `SELECT ${shown} FROM ${table} WHERE ${term(random, table, 2)}${order}`;
}

function joined(random: Seeded): string {
  const count = 2 + random.below(3);
  const picked = Array.from({ length: count }, () => random.pick(TABLES));
  const from = picked.map((table, at) => {
    const source = random.chance(0.2)
      ? `(SELECT * FROM ${table} WHERE ${term(random, table, 0)})`
      : table;
    const item = `${source} AS t${at}`;
    if (at === 0) return item;
    const join = random.pick(JOINS);
    if (random.chance(0.15))
      return `NATURAL ${join === ',' || join === 'CROSS JOIN' ? 'JOIN' : join} ${item}`;
    if (join === ',' || join === 'CROSS JOIN') return `${join} ${item}`;
    return random.chance(0.4)
      ? `${join} ${item} USING (id)`
      : `${join} ${item} ON t${at}.id ${random.pick(['=', '=', '<'])} t${random.below(at)}.id${random.chance(0.3) ? ` AND t${at}.id <> ${value(random)}` : ''}`;
  });
  const last = count - 1;
  const where = random.pick([
    '',
    ` WHERE t0.id > ${number(random)}`,
    ` WHERE t${last}.id IS NULL`,
    ` WHERE ${term(random, `t${random.below(count)}`, 1)}`,
    ` WHERE t0.id = t${last}.id AND t0.id <> ${number(random)}`,
  ]);
  const shown = random.pick([
    '*',
    `t0.*, t${last}.id`,
    `t0.id, t${last}.${LAST[picked[last] ?? ''] ?? 'id'}`,
    'count(*), min(t0.id)',
    `DISTINCT t${last}.id`,
  ]);
  return `SELECT ${shown} FROM ${from.join(' ')}${where} LIMIT 60`;
}

function compound(random: Seeded, depth: number): string {
  const part = (): string => {
    if (depth > 0 && random.chance(0.3)) return `SELECT * FROM (${compound(random, depth - 1)})`;
    if (random.chance(0.15)) return `VALUES (${value(random)}, ${value(random)}), (1, 'x')`;
    const table = random.pick(TABLES);
    return `SELECT id AS k, ${LAST[table]} AS v FROM ${table} WHERE ${term(random, table, 1)}`;
  };
  const operator = (): string => random.pick(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT']);
  const parts = [`SELECT id AS k, b AS v FROM p WHERE ${term(random, 'p', 0)}`];
  for (let at = random.below(4); at >= 0; at -= 1) parts.push(operator(), part());
  const order = random.pick([
    'ORDER BY 1, 2',
    'ORDER BY k DESC, v',
    'ORDER BY v COLLATE NOCASE, k, v',
    'ORDER BY 2 NULLS LAST, 1 LIMIT 5',
    'ORDER BY 1, v LIMIT 3 OFFSET 1',
  ]);
  return `${parts.join(' ')} ${order}`;
}

function common(random: Seeded): string {
  const [table, other] = [random.pick(TABLES), random.pick(TABLES)];
  const hint = random.pick(['', 'MATERIALIZED ', 'NOT MATERIALIZED ']);
  return random.pick([
    () =>
      `WITH w AS ${hint}(SELECT id, count(*) AS n FROM ${table} GROUP BY id) SELECT w.n, o.* FROM ${other} AS o LEFT JOIN w ON w.id = o.id ORDER BY o.id, w.n`,
    () =>
      `WITH w(k) AS (SELECT id FROM ${table}), ${other}(k) AS (SELECT k FROM w WHERE k > ${number(random)}) SELECT * FROM ${other} ORDER BY k`,
    () =>
      `WITH RECURSIVE w(k, d) AS (SELECT ${number(random)}, 0 UNION SELECT o.id, d + 1 FROM ${table} AS o JOIN w ON o.id > w.k WHERE d < 3) SELECT k, min(d) FROM w GROUP BY k ORDER BY k`,
    () =>
      `WITH a AS (SELECT id FROM ${table}), b AS (SELECT id FROM a EXCEPT SELECT id FROM ${other}) SELECT (SELECT count(*) FROM a), count(*) FROM b WHERE id IN a`,
    () =>
      `SELECT id FROM ${table} WHERE id IN (WITH w AS (SELECT id FROM ${other} WHERE id <> ${table}.id) SELECT id FROM w) ORDER BY id`,
  ])();
}

function grouped(random: Seeded): string {
  const [table, other] = [random.pick(TABLES), random.pick(TABLES)];
  const last = LAST[table] ?? 'id';
  return random.pick([
    () =>
      `SELECT ${last}, count(*), (SELECT count(*) FROM ${other} AS x WHERE x.id = max(${table}.id)) FROM ${table} GROUP BY ${last} ORDER BY 1`,
    () =>
      `SELECT ${last} AS g, sum(id) FROM ${table} GROUP BY g HAVING sum(id) > (SELECT avg(id) FROM ${other}) ORDER BY g`,
    () => `SELECT max(id), ${last} FROM ${table}`,
    () =>
      `SELECT min(id), ${last} FROM ${table} WHERE ${term(random, table, 1)} GROUP BY typeof(${last}) ORDER BY 1`,
    () =>
      `SELECT count(DISTINCT ${last}), group_concat(id, ',' ORDER BY id DESC) FILTER (WHERE ${last} IS NOT NULL) FROM ${table} WHERE ${term(random, table, 0)}`,
    () =>
      `SELECT n, count(*) FROM (SELECT count(*) AS n FROM ${table} GROUP BY ${last}) GROUP BY n ORDER BY n`,
    () =>
      `SELECT id, count(*) OVER (PARTITION BY ${last} ORDER BY id), (SELECT count(*) FROM ${other} AS x WHERE x.id >= ${table}.id) FROM ${table} ORDER BY id`,
  ])();
}

function viewed(random: Seeded): string {
  return random.pick([
    () => `SELECT * FROM one WHERE id ${random.pick(['=', '>'])} ${value(random)} ORDER BY 1, 2, 3`,
    () => `SELECT n, count(*) FROM two GROUP BY n ORDER BY n`,
    () => `SELECT * FROM three ORDER BY 1, 2, 3, 4`,
    () =>
      `SELECT one.c, t.n FROM one JOIN two AS t USING (id) LEFT JOIN three AS h ON h.id = t.n ORDER BY 1, 2`,
    () =>
      `SELECT count(*) FROM one, two, ${random.pick(TABLES)} AS o WHERE one.id = two.id AND o.id = two.n`,
    () =>
      `SELECT id FROM three WHERE id IN (SELECT id FROM two WHERE n > ${number(random)}) ORDER BY id`,
  ])();
}
