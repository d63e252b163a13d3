/** Tables with keys of every kind, written to and read by their keys, by ranges, by unique columns and by each other. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const SHAPES: readonly string[] = [
  '(a INTEGER, b TEXT, c)',
  '(a INTEGER PRIMARY KEY, b TEXT, c)',
  '(a TEXT PRIMARY KEY, b TEXT, c)',
  '(a INTEGER, b TEXT, c, PRIMARY KEY(b, a))',
  '(a INTEGER, b TEXT, c, PRIMARY KEY(b, a)) WITHOUT ROWID',
  '(a REAL PRIMARY KEY, b TEXT UNIQUE, c)',
  '(a INTEGER UNIQUE, b TEXT COLLATE NOCASE PRIMARY KEY, c) WITHOUT ROWID',
  '(a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT, c, UNIQUE(b, c))',
  '(a INTEGER PRIMARY KEY, b TEXT, c, d GENERATED ALWAYS AS (a * 2 + length(b)))',
  '(a ANY PRIMARY KEY, b TEXT, c INTEGER) STRICT',
];

/** Statements over all of them. */
export function* keyed(random: Seeded, size: number): Generator<CorpusStatement> {
  for (const [at, shape] of SHAPES.entries()) {
    yield { sql: `CREATE TABLE k${at}${shape}`, ordered: false };
    for (let row = 0; row < 12; row += 1) yield { sql: insert(random, at), ordered: false };
  }
  for (let at = 0; at < size; at += 1) {
    const table = random.below(SHAPES.length);
    yield { sql: statement(random, table), ordered: false };
  }
}

const value = (random: Seeded): string =>
  random.pick([
    () => String(random.below(20)),
    () => `'${random.pick('abcdefgh'.split(''))}'`,
    () => 'NULL',
    () => `${random.below(20)}.5`,
    () => `'${random.below(20)}'`,
  ])();
const number = (random: Seeded): string => String(random.below(20));
const word = (random: Seeded): string => `'${random.pick('abcdefghABC'.split(''))}'`;

function insert(random: Seeded, table: number): string {
  const or = random.pick(['', '', ' OR IGNORE', ' OR REPLACE']);
  const row = (): string =>
    `(${random.chance(0.1) ? value(random) : number(random)}, ${word(random)}, ${value(random)})`;
  const rows = Array.from({ length: 1 + random.below(4) }, row).join(', ');
  return `INSERT${or} INTO k${table}(a, b, c) VALUES ${rows}`;
}

function statement(random: Seeded, table: number): string {
  const other = random.below(SHAPES.length);
  const k = `k${table}`;
  const [n, w, v] = [() => number(random), () => word(random), () => value(random)];
  const where = (name: string): string =>
    random.pick([
      () => `${name}.a = ${n()}`,
      () => `${name}.a = ${v()}`,
      () => `${name}.b = ${w()}`,
      () => `${name}.b = ${w()} AND ${name}.a = ${n()}`,
      () => `${name}.a IN (${n()}, ${n()}, ${v()})`,
      () => `${name}.a BETWEEN ${n()} AND ${n()}`,
      () => `${name}.a = ${n()} + 1 - 1`,
      () => `${name}.c IS ${v()}`,
      () => `${name}.a > ${n()} AND NOT ${name}.b LIKE ${w()}`,
      () => `${name}.a = ${n()} OR ${name}.b = ${w()}`,
      () => `${name}.a = (SELECT min(a) FROM k${other})`,
      () => `EXISTS (SELECT 1 FROM k${other} AS o WHERE o.a = ${name}.a)`,
      () => `${name}.a IN (SELECT a FROM k${other} WHERE c IS NOT NULL)`,
    ])();
  return random.pick([
    () => insert(random, table),
    () => `SELECT a, b, c FROM ${k} WHERE ${where(k)}`,
    () => `SELECT count(*), sum(a), min(b), max(c) FROM ${k} WHERE ${where(k)}`,
    () => `SELECT b, count(*), total(a) FROM ${k} GROUP BY b HAVING count(*) > 1`,
    () => `SELECT count(*) FROM ${k} HAVING max(a) > ${n()}`,
    () => `SELECT x.a, y.b FROM ${k} AS x JOIN k${other} AS y ON x.a = y.a WHERE ${where('x')}`,
    () => `SELECT x.a, y.c FROM ${k} AS x LEFT JOIN k${other} AS y USING (a) WHERE y.c IS NULL`,
    () => `SELECT x.b, y.b FROM ${k} AS x FULL JOIN k${other} AS y ON x.b = y.b AND ${where('x')}`,
    () => `SELECT x.b FROM ${k} AS x RIGHT JOIN k${other} AS y ON x.a = y.a WHERE ${where('y')}`,
    () => `SELECT b FROM ${k} WHERE ${where(k)} UNION SELECT b FROM k${other} ORDER BY 1 LIMIT 5`,
    () => `SELECT DISTINCT c FROM ${k} WHERE ${where(k)} ORDER BY c DESC`,
    () =>
      `SELECT a, (SELECT count(*) FROM k${other} AS o WHERE o.b = ${k}.b) FROM ${k} WHERE ${where(k)}`,
    () => `SELECT a, row_number() OVER (PARTITION BY b ORDER BY a, c) FROM ${k}`,
    () =>
      `WITH w(a, n) AS (SELECT a, count(*) FROM ${k} GROUP BY a) SELECT w.a, n FROM w JOIN k${other} AS o ON o.a = w.a`,
    () => `UPDATE ${k} SET c = ${v()} WHERE ${where(k)}`,
    () => `UPDATE OR IGNORE ${k} SET a = a + 1 WHERE ${where(k)}`,
    () => `UPDATE OR REPLACE ${k} SET b = ${w()} WHERE ${where(k)}`,
    () => `UPDATE ${k} SET a = ${n()}, b = ${w()} WHERE ${where(k)}`,
    () => `DELETE FROM ${k} WHERE ${where(k)} AND (SELECT count(*) FROM ${k}) > 10`,
    () => `DELETE FROM ${k} WHERE a = ${n()} RETURNING a, b`,
    () =>
      `INSERT OR IGNORE INTO ${k}(a, b, c) SELECT a, b, c FROM k${other} WHERE ${where(`k${other}`)}`,
    () =>
      `INSERT INTO ${k}(a, b, c) VALUES (${n()}, ${w()}, ${v()}) ON CONFLICT DO UPDATE SET c = excluded.a`,
  ])();
}
