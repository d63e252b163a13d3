/** Where values meet their limits: NULL, empty lists, overflow, division by zero, CAST of everything, aggregates of nothing. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const CONSTANTS = [
  'NULL',
  '0',
  '1',
  '-1',
  '7',
  '2.5',
  '-0.0',
  '1e308',
  '-1e308',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '4611686018427387904',
  '9007199254740993',
  "''",
  "'0'",
  "'12abc'",
  "' 3 '",
  "'1e2'",
  "'-9223372036854775809'",
  "'abc'",
  "'ABC '",
  "x''",
  "x'3132'",
  "x'ff00'",
  '0x7f',
  'TRUE',
  'FALSE',
];
const TYPES = [
  'INTEGER',
  'REAL',
  'TEXT',
  'BLOB',
  'NUMERIC',
  'SIGNED',
  'VARCHAR(3)',
  'DECIMAL(4,2)',
];
const COLUMNS = ['i', 'r', 't', 'n', 'x'];
/** Not read as an id: SQLite chooses one at random beside the largest. */
const STORED = CONSTANTS.filter((one) => !one.startsWith('0x'));

/** Statements over three tables with columns of every affinity. */
export function* edges(random: Seeded, size: number): Generator<CorpusStatement> {
  const inOrder = (sql: string): CorpusStatement => ({ sql, ordered: true });
  const shape = 'i INTEGER, r REAL, t TEXT, n NUMERIC, x';
  yield inOrder(`CREATE TABLE e0(k INTEGER PRIMARY KEY, ${shape})`);
  yield inOrder(`CREATE TABLE e1(${shape}, k TEXT COLLATE NOCASE PRIMARY KEY)`);
  yield inOrder(`CREATE TABLE e2(${shape}, k)`);
  yield inOrder('CREATE TABLE none(i INTEGER, r REAL, t TEXT, n, x, k)');
  for (let row = 0; row < 30; row += 1) {
    const values = COLUMNS.map((name) => `${random.pick(STORED)} AS ${name}`).join(', ');
    yield inOrder(
      `INSERT INTO e${row % 3}(k, i, r, t, n, x) SELECT ${row}, i, r, t, n, x FROM (SELECT ${values})`,
    );
  }
  for (let at = 0; at < size; at += 1) {
    const table = random.pick(['e0', 'e1', 'e2', 'none']);
    const value = (depth = 2): string => expression(random, depth);
    yield inOrder(
      random.pick([
        () => `SELECT ${value()}, ${value(3)}`.replaceAll(/\b[irtnx]\b(?!')/g, constant(random)),
        () => `SELECT k, ${value()}, typeof(${value(1)}) FROM ${table} ORDER BY k`,
        () => `SELECT k FROM ${table} WHERE ${value(3)} ORDER BY k`,
        () =>
          `SELECT k FROM ${table} WHERE ${value(1)} BETWEEN ${value(1)} AND ${value(0)} BETWEEN 0 AND 1`,
        () =>
          `SELECT k FROM ${table} WHERE ${random.pick(COLUMNS)} ${random.pick(['IN', 'NOT IN'])} (${list(random)})`,
        () =>
          `SELECT k FROM ${table} WHERE ${random.pick(COLUMNS)} ${random.pick(['IN', 'NOT IN'])} (SELECT ${random.pick(COLUMNS)} FROM ${random.pick(['e0', 'e1', 'none'])} WHERE ${value(1)})`,
        () => `SELECT ${aggregate(random)}, ${aggregate(random)} FROM ${table}`,
        () => `SELECT ${aggregate(random)} FROM ${table} WHERE ${value(1)}`,
        () =>
          `SELECT ${aggregate(random)}, count(*) FROM ${table} GROUP BY ${value(1)} ORDER BY 1, 2`,
        () =>
          `SELECT typeof(${random.pick(COLUMNS)}) AS ty, ${aggregate(random)} FROM ${table} GROUP BY ty HAVING ${aggregate(random)} IS NOT ${constant(random)} ORDER BY ty`,
        () =>
          `SELECT ${aggregate(random)} OVER (PARTITION BY typeof(x) ORDER BY k) FROM ${table} ORDER BY k`
            .replace(/DISTINCT /, '')
            .replace(/ ORDER BY k( DESC)?\)/, ')')
            .replace(' FILTER', ' FILTER'),
        () => `SELECT DISTINCT ${value(1)}, ${value(0)} FROM ${table} ORDER BY 1, 2`,
        () =>
          `SELECT ${value(1)} AS o FROM ${table} ORDER BY o ${random.pick(['', 'DESC', 'COLLATE NOCASE', 'NULLS LAST', 'DESC NULLS FIRST'])}, k LIMIT ${random.pick(['5', '-1', '0', '3 OFFSET 2', '2, 4', "'4'"])}`,
        () =>
          `SELECT k, ${random.pick(COLUMNS)} FROM ${table} WHERE ${value(1)} ${random.pick(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'])} SELECT k, ${value(1)} FROM e${random.below(3)} ORDER BY 1, 2`,
        () =>
          `SELECT a.k, b.k FROM ${table} AS a JOIN e${random.below(3)} AS b ON a.${random.pick(COLUMNS)} ${random.pick(['=', 'IS', '<', '=='])} b.${random.pick(COLUMNS)} ORDER BY 1, 2`,
        () =>
          `UPDATE e${random.below(3)} SET ${random.pick(COLUMNS)} = ${value(1)} WHERE ${value(1)} IS ${constant(random)}`,
        () =>
          `UPDATE ${table} SET x = CAST(${value(1)} AS ${random.pick(TYPES)}) WHERE k = ${random.below(30)} RETURNING k, x, typeof(x)`,
        () => `DELETE FROM e2 WHERE ${value(1)} AND (SELECT count(*) FROM e2) > 6`,
        () =>
          `INSERT INTO e2(k, ${random.pick(COLUMNS)}) SELECT k, ${value(1)} FROM e${random.below(2)} WHERE (SELECT count(*) FROM e2) < 25`,
        () =>
          `INSERT INTO e2(k, i, x) VALUES(${random.pick(STORED)}, ${random.pick(STORED)}, ${constant(random)})`,
      ])(),
    );
  }
}

const constant = (random: Seeded): string => random.pick(CONSTANTS);

function list(random: Seeded): string {
  return Array.from({ length: random.below(4) }, () => expression(random, 0)).join(', ');
}

function expression(random: Seeded, depth: number): string {
  if (depth === 0) return random.chance(0.6) ? random.pick(COLUMNS) : constant(random);
  const next = (): string => expression(random, depth - 1);
  return random.pick([
    () =>
      `(${next()} ${random.pick(['+', '-', '*', '/', '%', '||', '&', '|', '<<', '>>'])} ${next()})`,
    () =>
      `(${next()} ${random.pick(['=', '<>', '<', '>=', 'IS', 'IS NOT', 'AND', 'OR', 'IS DISTINCT FROM'])} ${next()})`,
    () => `CAST(${next()} AS ${random.pick(TYPES)})`,
    () => `${random.pick(['-', '+', '~', 'NOT '])}${next()}`,
    () => `coalesce(${next()}, ${next()})`,
    () => `nullif(${next()}, ${next()})`,
    () => `ifnull(${next()}, ${constant(random)})`,
    () => `iif(${next()}, ${next()}, ${next()})`,
    () => `CASE ${next()} WHEN ${next()} THEN ${next()} WHEN NULL THEN 1 ELSE ${next()} END`,
    () => `CASE WHEN ${next()} THEN ${next()} END`,
    () =>
      `${random.pick(['abs', 'sign', 'round', 'length', 'hex', 'quote', 'typeof', 'upper', 'trim', 'unicode', 'likely'])}(${next()})`,
    () => `${random.pick(['max', 'min', 'instr', 'round'])}(${next()}, ${next()})`,
    () => `substr(${next()}, ${random.pick(['1', '-2', '0', '2, 1', '-1, -1', '0, 3'])})`,
    () => `${next()} ${random.pick(['', 'NOT '])}BETWEEN ${next()} AND ${next()}`,
    () => `${next()} ${random.pick(['', 'NOT '])}IN (${list(random)})`,
    () =>
      `${next()} ${random.pick(['LIKE', 'NOT LIKE', 'GLOB'])} ${random.pick(["'a%'", "'%c'", "'A_C%'", "'[a-c]*'", 'NULL', "'%'"])}`,
    () =>
      `${next()} ${random.pick(['IS NULL', 'NOTNULL', 'IS TRUE', 'IS NOT FALSE', 'COLLATE NOCASE', 'COLLATE RTRIM = x'])}`,
    () =>
      `(SELECT ${random.pick(['max', 'count', 'min', 'sum'])}(${random.pick(COLUMNS)}) FROM none)`,
    () => `EXISTS (SELECT 1 FROM e1 WHERE e1.${random.pick(COLUMNS)} = ${constant(random)})`,
    () => `printf('%d %s %.2f', ${next()}, ${next()}, ${constant(random)})`,
  ])();
}

function aggregate(random: Seeded): string {
  const value = expression(random, 1);
  const filter = random.chance(0.3) ? ` FILTER (WHERE ${expression(random, 1)})` : '';
  return random.pick([
    () => `count(${random.pick(['', 'DISTINCT '])}${value})${filter}`,
    () =>
      `${random.pick(['sum', 'total', 'avg'])}(${random.pick(['', 'DISTINCT '])}${value})${filter}`,
    () => `${random.pick(['min', 'max'])}(${value})${filter}`,
    () =>
      `group_concat(${random.pick(COLUMNS)}, '-' ORDER BY k${random.pick(['', ' DESC'])})${filter}`,
    () => `string_agg(${random.pick(COLUMNS)}, ',' ORDER BY typeof(x), k)`,
    () => `group_concat(DISTINCT ${random.pick(COLUMNS)})`,
    () => `sum(CAST(${value} AS INTEGER))`,
  ])();
}
