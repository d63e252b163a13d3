/** The same questions after each of many indexes was made and dropped, by names of indexes too, and over views of views. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';
import { shuffled } from './selects.ts';

const COLUMNS = ['a', 'b', 'c', 'd', 'e'];
const TERMS = [
  ...COLUMNS,
  'a COLLATE NOCASE',
  'b + 1',
  'lower(d)',
  'coalesce(e, -1)',
  'abs(c)',
  "d || '!'",
  'c IS NULL',
];
const PARTIAL = [
  '',
  '',
  '',
  ' WHERE a IS NOT NULL',
  ' WHERE b > 5',
  " WHERE d LIKE 'a%'",
  ' WHERE c',
];
const ROWS = 25;

const inOrder = (sql: string): CorpusStatement => ({ sql, ordered: true });
const number = (random: Seeded): number => random.below(12);
const word = (random: Seeded): string =>
  random.pick(['a', 'A', 'ab', 'B', 'b', 'ba', 'Ba', '']).toString();
const value = (random: Seeded): string =>
  random.pick([
    () => String(number(random)),
    () => `${number(random)}.5`,
    () => `'${word(random)}'`,
    () => `'${number(random)}'`,
    () => 'NULL',
  ])();

/** Statements over two tables, one of them WITHOUT ROWID. */
export function* permutations(random: Seeded, size: number): Generator<CorpusStatement> {
  yield inOrder('CREATE TABLE t1(a INTEGER, b INTEGER, c REAL, d TEXT, e)');
  yield inOrder(
    'CREATE TABLE t2(a TEXT, b INTEGER, c REAL, d TEXT COLLATE NOCASE, e, PRIMARY KEY(b DESC, a)) WITHOUT ROWID',
  );
  for (let row = 0; row < ROWS; row += 1) {
    const rest = `${number(random)}.25,'${word(random)}',${value(random)}`;
    yield inOrder(`INSERT INTO t1 VALUES(${value(random)},${number(random)},${rest})`);
    yield inOrder(`INSERT OR IGNORE INTO t2 VALUES('${word(random)}',${number(random)},${rest})`);
  }
  const asked = Array.from({ length: 6 }, () => question(random));
  let [indexes, views] = [0, 0];
  for (let at = 0; at < size; at += 1) {
    const index = `i${random.below(Math.max(indexes, 1) + 1)}`;
    const roll = random.below(20);
    if (roll < 4) {
      yield inOrder(definition(random, indexes++));
      for (const sql of asked) yield inOrder(sql);
      at += asked.length;
    } else if (roll === 4) {
      yield inOrder(`DROP INDEX ${random.pick(['', 'IF EXISTS '])}${index}`);
    } else if (roll === 5) {
      yield inOrder(`REINDEX ${random.pick(['', 'NOCASE', 't1', 't2', index])}`);
    } else if (roll === 6) {
      yield inOrder(view(random, views++));
    } else if (roll === 7) {
      yield inOrder(`DROP VIEW ${random.pick(['', 'IF EXISTS '])}v${random.below(views + 1)}`);
    } else if (roll === 8) {
      asked[random.below(asked.length)] = question(random);
    } else if (roll < 12) {
      yield inOrder(change(random));
    } else if (roll < 14) {
      const hint = random.pick([`INDEXED BY ${index}`, 'NOT INDEXED']);
      yield inOrder(
        random.pick([
          `SELECT a, b FROM t${1 + random.below(2)} ${hint} WHERE ${condition(random)} ORDER BY ${order(random)}, b, a`,
          `DELETE FROM t1 ${hint} WHERE ${condition(random)} AND (SELECT count(*) FROM t1) > 20`,
          `UPDATE t1 ${hint} SET e = ${value(random)} WHERE ${condition(random)}`,
        ]),
      );
    } else if (roll < 16 && views > 0) {
      const of = `v${random.below(views)}`;
      yield inOrder(
        random.pick([
          `SELECT * FROM ${of} ORDER BY p, q`,
          `SELECT q, count(*) FROM ${of} WHERE p > ${number(random)} GROUP BY q ORDER BY q`,
          `SELECT v.p, t1.d FROM ${of} AS v JOIN t1 ON t1.b = v.p ORDER BY 1, 2`,
          `SELECT count(*) FROM ${of} WHERE p IN (SELECT b FROM t2)`,
        ]),
      );
    } else {
      yield inOrder(question(random));
    }
  }
}

function definition(random: Seeded, at: number): string {
  const unique = random.chance(0.15) ? 'UNIQUE ' : '';
  const terms = shuffled(random, TERMS).slice(0, 1 + random.below(4));
  const list = terms.map((term) => `${term}${random.pick(['', '', ' ASC', ' DESC'])}`);
  return `CREATE ${unique}INDEX i${at} ON t${1 + random.below(2)}(${list.join(', ')})${random.pick(PARTIAL)}`;
}

function view(random: Seeded, at: number): string {
  const from = at > 0 && random.chance(0.6) ? `v${random.below(at)}` : undefined;
  const shown = random.pick(['p, q', 'q, p', 'p + 1, q', 'max(p), q', 'DISTINCT p, q']);
  const group = shown.startsWith('max') ? ' GROUP BY q' : '';
  const body =
    from === undefined
      ? `SELECT b, d FROM t${1 + random.below(2)} WHERE ${condition(random)}`
      : random.pick([
          `SELECT ${shown} FROM ${from}${group}`,
          `SELECT ${shown} FROM ${from} WHERE p > ${number(random)}${group}`,
          `SELECT p, q FROM ${from} UNION SELECT b, a FROM t2`,
          `SELECT one.p, t1.d FROM ${from} AS one LEFT JOIN t1 ON t1.a = one.p`,
        ]);
  return `CREATE VIEW v${at}(p, q) AS ${body}`;
}

function order(random: Seeded): string {
  return `${random.pick(TERMS)}${random.pick(['', '', ' DESC', ' NULLS LAST', ' DESC NULLS FIRST'])}`;
}

function condition(random: Seeded, depth = 2): string {
  if (depth > 0 && random.chance(0.4)) {
    const next = (): string => condition(random, depth - 1);
    return `${random.pick(['', '', 'NOT '])}(${next()} ${random.pick(['AND', 'OR'])} ${next()})`;
  }
  const term = random.pick(TERMS);
  return random.pick([
    () =>
      `${term} ${random.pick(['=', '<', '>', '<=', '>=', '<>', 'IS', 'IS NOT'])} ${value(random)}`,
    () => `${term} BETWEEN ${value(random)} AND ${value(random)}`,
    () => `${term} IN (${value(random)}, ${value(random)}, ${number(random)})`,
    () =>
      `d ${random.pick(['LIKE', 'NOT LIKE', 'GLOB'])} '${word(random)}${random.pick(['%', '*', ''])}'`,
    () => `(a, b) ${random.pick(['<', '>', '='])} (${value(random)}, ${number(random)})`,
  ])();
}

function question(random: Seeded): string {
  const table = `t${1 + random.below(2)}`;
  const where = condition(random);
  return random.pick([
    () =>
      `SELECT a, b, c, d, e FROM ${table} WHERE ${where} ORDER BY ${order(random)}, ${order(random)}, b, a, c, d, e`,
    () =>
      `SELECT count(*), min(${random.pick(COLUMNS)}), max(${random.pick(COLUMNS)}) FROM ${table} WHERE ${where}`,
    () =>
      `SELECT b FROM ${table} WHERE ${where} ORDER BY b DESC LIMIT ${number(random)} OFFSET ${random.below(4)}`,
    () => `SELECT DISTINCT d FROM ${table} WHERE ${where} ORDER BY d COLLATE BINARY`,
    () =>
      `SELECT lower(d), count(*), sum(b) FROM ${table} WHERE ${where} GROUP BY lower(d) HAVING count(*) > 1 ORDER BY 1`,
    () =>
      `SELECT x.a, y.b FROM t1 AS x JOIN t2 AS y ON x.b = y.b WHERE x.c > ${number(random)} ORDER BY 1, 2, x.d, y.a`,
    () => `SELECT b FROM ${table} WHERE ${where} UNION SELECT a FROM t2 ORDER BY 1 DESC`,
    () => `SELECT a FROM ${table} WHERE b = (SELECT max(b) FROM t1 WHERE ${where}) ORDER BY a`,
  ])();
}

function change(random: Seeded): string {
  const where = condition(random);
  return random.pick([
    `INSERT INTO t1 VALUES(${value(random)},${number(random)},${number(random)}.5,'${word(random)}',${value(random)})`,
    `INSERT OR REPLACE INTO t2 VALUES('${word(random)}',${number(random)},${number(random)},'${word(random)}',${value(random)})`,
    `UPDATE OR IGNORE t1 SET a = ${value(random)}, b = b + 1 WHERE ${where}`,
    `UPDATE OR REPLACE t2 SET b = b + 1 WHERE ${where}`,
    `DELETE FROM t1 WHERE ${where} AND (SELECT count(*) FROM t1) > 15`,
    `DELETE FROM t2 WHERE ${where} AND b > 6`,
  ]);
}
