/** Families that read: one table from every side, and selections joined by UNION, EXCEPT and INTERSECT. */
import type { Seeded } from '../seeded.ts';
import type { CorpusStatement } from '../sql-corpus.ts';

const plain = (sql: string): CorpusStatement => ({ sql, ordered: false });
const ROWS = 30;
const COLUMNS = ['a', 'b', 'c', 'd', 'e'];

/** t1 of five integers, all different or some of them NULL, and expressions, subqueries and orders over it. */
export const oneTable = (values: 'unique' | 'nulls') =>
  function* (random: Seeded, size: number): Generator<CorpusStatement> {
    yield plain('CREATE TABLE t1(a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER)');
    for (let row = 0; row < ROWS; row += 1) {
      const given = shuffled(random, COLUMNS);
      const numbers = given.map((_, at) =>
        values === 'nulls' && random.chance(0.12) ? 'NULL' : String(100 + row * 5 + at),
      );
      yield plain(`INSERT INTO t1(${given.join(',')}) VALUES(${numbers.join(',')})`);
    }
    for (let at = 0; at < size; at += 1) {
      const shown = Array.from({ length: 1 + random.below(6) }, () => value(random));
      const where = random.chance(0.75) ? `\n WHERE ${condition(random, 2)}` : '';
      const order = shuffled(
        random,
        shown.map((_, column) => column + 1),
      ).map((column) => `${column}${random.pick(['', '', ' DESC', ' ASC'])}`);
      const isOrdered = random.chance(0.8);
      yield {
        sql: `SELECT ${shown.join(',\n       ')}\n  FROM t1${where}${isOrdered ? `\n ORDER BY ${order.join(',')}` : ''}`,
        ordered: isOrdered,
      };
    }
  };

function value(random: Seeded): string {
  const column = (): string => random.pick(COLUMNS);
  return random.pick([
    column,
    column,
    () => `${column()}-${column()}`,
    () => `abs(${column()})`,
    () => `abs(${column()}-${column()})`,
    () => '(a+b+c+d+e)/5',
    () => 'a+b*2+c*3+d*4+e*5',
    () => `coalesce(${column()},${column()},-1)`,
    () => `CASE WHEN c>(SELECT avg(c) FROM t1) THEN a*2 ELSE b*10 END`,
    () => `CASE a+1 WHEN b THEN 111 WHEN c THEN 222 WHEN d THEN 333 WHEN e THEN 444 ELSE 555 END`,
    () => `CASE WHEN a<b-3 THEN 111 WHEN a<=b THEN 222 WHEN a<b+3 THEN 333 ELSE 444 END`,
    () => `(SELECT count(*) FROM t1 AS x WHERE x.${column()}<t1.${column()})`,
    () =>
      `(SELECT count(*) FROM t1 AS x WHERE x.c>t1.c AND x.d<t1.d)+(SELECT max(x.${column()}) FROM t1 x WHERE x.b=t1.b)`,
    () => `${column()} IN (SELECT ${column()} FROM t1)`,
    () => `(SELECT ${column()} FROM t1 AS y WHERE y.a<=t1.a ORDER BY y.a DESC LIMIT 1 OFFSET 1)`,
  ])();
}

function condition(random: Seeded, depth: number): string {
  const column = (): string => random.pick(COLUMNS);
  const number = (): number => 95 + random.below(ROWS * 5 + 10);
  if (depth > 0 && random.chance(0.5)) {
    const next = (): string => condition(random, depth - 1);
    return `${random.pick(['', '', 'NOT '])}(${next()}\n   ${random.pick(['AND', 'OR'])} ${next()})`;
  }
  return random.pick([
    () => `${column()}>${column()}`,
    () => `(${column()}>${column()} OR ${column()}<${column()})`,
    () => `${column()} BETWEEN ${column()}-2 AND ${column()}+2`,
    () => `${column()} NOT BETWEEN ${number()} AND ${number()}`,
    () => `${column()} IS ${random.pick(['', 'NOT '])}NULL`,
    () => `${column()}>(SELECT avg(${column()}) FROM t1)`,
    () => `EXISTS(SELECT 1 FROM t1 AS x WHERE x.b<t1.b)`,
    () => `NOT EXISTS(SELECT * FROM t1 AS x WHERE x.${column()}=t1.${column()}+1)`,
    () => `coalesce(${column()},${column()},${column()})<>0`,
    () => `${column()} IN (${number()},${number()},${column()})`,
    () => `${column()} NOT IN (SELECT x.${column()} FROM t1 x WHERE x.a>${number()})`,
    () => `(${column()},${column()})>(${number()},${number()})`,
  ])();
}

const TABLES = 9;

/** t1 to t9 with indexes here and there, and selections from them put together. */
export function* compounds(random: Seeded, size: number): Generator<CorpusStatement> {
  for (let table = 1; table <= TABLES; table += 1) {
    const key = table === 5 ? ', PRIMARY KEY(d5)' : '';
    yield plain(
      `CREATE TABLE t${table}(${COLUMNS.map((one) => `${one}${table} INTEGER`).join(', ')}, x${table} VARCHAR(30)${key})`,
    );
    const numbers = (): string => COLUMNS.map(() => random.below(1000)).join(',');
    const isOneText = random.chance(0.5);
    const rows = Array.from({ length: 40 }, (_, row) => {
      const own = table === 5 ? `${random.below(1000)},7,8,${row},9` : numbers();
      return `(${own},'table tn${table} row ${row + 1}')`;
    });
    if (isOneText) yield plain(`INSERT INTO t${table} VALUES${rows.join(',')}`);
    else for (const row of rows) yield plain(`INSERT INTO t${table} VALUES${row}`);
    if (table % 2 === 1) yield plain(`CREATE INDEX t${table}i1 ON t${table}(a${table}, c${table})`);
    if (table % 3 === 0) yield plain(`CREATE INDEX t${table}i2 ON t${table}(b${table} DESC)`);
  }
  for (let at = 0; at < size; at += 1) {
    yield random.chance(0.3) ? plain(crossing(random)) : compound(random);
  }
}

function compound(random: Seeded): CorpusStatement {
  const isText = random.chance(0.3);
  const part = (): string => {
    const table = 1 + random.below(TABLES);
    const shown = isText ? `x${table}` : `${random.pick(COLUMNS)}${table}`;
    const where = random.chance(0.85) ? ` WHERE ${terms(random, table)}` : '';
    return `SELECT ${shown} FROM t${table}${where}`;
  };
  const parts = Array.from({ length: 1 + random.below(9) }, part);
  const sql = parts.reduce(
    (all, one) => `${all}\n${random.pick(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'])}\n${one}`,
  );
  const roll = random.below(10);
  if (roll === 0)
    return plain(
      `SELECT count(*), min(v), max(v) FROM (${sql.replace(/SELECT (\S+)/, 'SELECT $1 AS v')})`,
    );
  if (roll === 1)
    return { sql: `${sql}\nORDER BY 1 DESC LIMIT ${random.below(20)} OFFSET 2`, ordered: true };
  if (roll === 2) return { sql: `${sql}\nORDER BY 1`, ordered: true };
  if (roll === 3) {
    const table = 1 + random.below(TABLES);
    return plain(`SELECT a${table} FROM t${table} WHERE ${isText ? 'x' : 'b'}${table} IN (${sql})`);
  }
  return plain(sql);
}

function terms(random: Seeded, table: number): string {
  const column = (): string => `${random.pick(COLUMNS)}${table}`;
  const number = (): number => random.below(1000);
  const list = (): string => Array.from({ length: 2 + random.below(8) }, number).join(',');
  const term = random.pick([
    () => `${column()} in (${list()})`,
    () => `NOT (${number()}=${column()} OR ${column()}=${number()})`,
    () => `(${number()}=${column()} OR ${column()}=${number()} OR ${column()}>500)`,
    () => `${column()}=${column()}`,
    () => `(${column()} in (${list()}) OR ${column()}<${number()})`,
    () => `${column()} BETWEEN ${number()} AND ${number()}`,
  ])();
  return random.chance(0.4) ? `${term} AND ${terms(random, table)}` : term;
}

/** Two to four tables without a common key. */
function crossing(random: Seeded): string {
  const tables = shuffled(
    random,
    Array.from({ length: TABLES }, (_, at) => at + 1),
  ).slice(0, 2 + random.below(3));
  const joined = tables.slice(1).map((table, at) => {
    const before = tables[at] ?? 1;
    return `${random.pick(COLUMNS)}${table}=${random.pick(COLUMNS)}${before}`;
  });
  const own = tables.map((table) => terms(random, table));
  const where = shuffled(random, [...joined, ...own.slice(0, 2)]).join('\n   AND ');
  return `SELECT ${shuffled(random, tables)
    .map((table) => `x${table}`)
    .join(',')}\n  FROM ${tables.map((table) => `t${table}`).join(', ')}\n WHERE ${where}`;
}

export function shuffled<T>(random: Seeded, of: readonly T[]): readonly T[] {
  return of
    .map((one) => ({ one, at: random.next() }))
    .sort((left, right) => left.at - right.at)
    .map(({ one }) => one);
}
