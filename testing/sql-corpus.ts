/**
 * Statements of the shapes that public corpora of SQL tests have: nested arithmetic over small tables with NULLs, grouping by what
 * is shown, searches with and without indexes, joins of many tables. Each has one right answer; what is not ordered is a set of rows.
 */
import type { Seeded } from './seeded.ts';

export interface CorpusStatement {
  readonly sql: string;
  readonly ordered: boolean;
}

const plain = (sql: string): CorpusStatement => ({ sql, ordered: false });

const NUMBERS = ['0', '1', '3', '- 7', '12', '25', '+ 40', '64', '- 99', '2.5', 'NULL'];
const SMALL: readonly (readonly [
  name: string,
  columns: readonly string[],
  rows: readonly string[],
])[] = [
  ['tab0', ['col0', 'col1', 'col2'], ['(97,1,99)', '(15,81,47)', '(87,21,10)']],
  ['tab1', ['col0', 'col1', 'col2'], ['(51,14,96)', '(85,5,59)', '(91,47,68)']],
  ['tab2', ['col0', 'col1', 'col2'], ['(64,77,40)', '(75,67,58)', '(46,51,23)', '(NULL,67,0)']],
];

/** Small tables without a key. */
export class ExpressionCorpus {
  readonly #random: Seeded;

  constructor(random: Seeded) {
    this.#random = random;
  }

  schema(): readonly CorpusStatement[] {
    return SMALL.flatMap(([name, columns, rows]) => [
      plain(`CREATE TABLE ${name}(${columns.map((one) => `${one} INTEGER`).join(', ')})`),
      ...rows.map((row) => plain(`INSERT INTO ${name} VALUES${row}`)),
    ]);
  }

  query(): CorpusStatement {
    const random = this.#random;
    const [name, columns] = random.pick(SMALL);
    const isJoin = random.chance(0.2);
    const names = isJoin
      ? columns.flatMap((one) => [`cor0.${one}`, `cor1.${one}`])
      : columns.flatMap((one) => [one, `cor0.${one}`]);
    const from = isJoin
      ? `${name} AS cor0 ${random.pick(['CROSS JOIN', ',', 'INNER JOIN', 'JOIN'])} ${random.pick(SMALL)[0]} AS cor1`
      : `${name} AS cor0`;
    const words = random.pick(['', '', 'ALL ', 'DISTINCT ']);
    const where = random.chance(0.5) ? ` WHERE ${this.#condition(names, 2)}` : '';
    const roll = random.below(4);
    if (roll === 0) {
      const calls = this.#list(() => this.#aggregate(names, 2));
      return plain(`SELECT ${words}${calls} FROM ${from}${where}`);
    }
    if (roll === 1) {
      const keys = [...new Set([random.pick(names), random.pick(names)])];
      const shown = this.#list(() =>
        random.chance(0.5) ? this.#expression(keys, 2) : this.#grouped(keys, names),
      );
      const having = random.chance(0.4) ? ` HAVING ${this.#condition(keys, 1)}` : '';
      return plain(
        `SELECT ${words}${shown} FROM ${from}${where} GROUP BY ${keys.join(', ')}${having}`,
      );
    }
    const shown = this.#list(() => this.#expression(names, 3));
    return plain(`SELECT ${words}${shown} FROM ${from}${where}`);
  }

  #list(one: () => string): string {
    return Array.from({ length: 1 + this.#random.below(3) }, (_, at) =>
      this.#random.chance(0.4) ? `${one()} AS col${at}` : one(),
    ).join(', ');
  }

  #grouped(keys: readonly string[], names: readonly string[]): string {
    return `${this.#sign()}${this.#aggregate(names, 1)} ${this.#operator()} ${this.#expression(keys, 1)}`;
  }

  #aggregate(names: readonly string[], depth: number): string {
    const random = this.#random;
    const inner = this.#expression(names, 1);
    const call = random.pick([
      'COUNT ( * )',
      `COUNT ( ${random.pick(['ALL ', 'DISTINCT ', ''])}${inner} )`,
      `SUM ( ${random.pick(['ALL ', 'DISTINCT ', ''])}${inner} )`,
      `MIN ( ${random.pick(['ALL ', 'DISTINCT ', ''])}${inner} )`,
      `MAX ( ${inner} )`,
      `AVG ( ${random.pick(['ALL ', ''])}${inner} )`,
      `CAST ( SUM ( ${inner} ) AS INTEGER )`,
    ]);
    if (depth === 0 || random.chance(0.4)) return `${this.#sign()}${call}`;
    return random.pick([
      `${call} ${this.#operator()} ${random.pick(NUMBERS)}`,
      `COALESCE ( ${random.pick(NUMBERS)}, ${call}, ${this.#aggregate(names, depth - 1)} )`,
      `NULLIF ( ${call}, ${this.#aggregate(names, depth - 1)} )`,
      `CASE ${call} WHEN ${random.pick(NUMBERS)} THEN ${random.pick(NUMBERS)} ELSE ${this.#aggregate(names, depth - 1)} END`,
    ]);
  }

  #sign(): string {
    return this.#random.pick(['', '', '- ', '+ ', '- + ', '+ - ']);
  }

  #operator(): string {
    return this.#random.pick(['+', '-', '*', '/', '*']);
  }

  #expression(names: readonly string[], depth: number): string {
    const random = this.#random;
    const next = (): string => this.#expression(names, depth - 1);
    if (depth === 0) {
      return `${this.#sign()}${random.chance(0.6) ? random.pick(names) : random.pick(NUMBERS)}`;
    }
    return random.pick([
      (): string => `${this.#sign()}${random.pick(names)}`,
      (): string => `${next()} ${this.#operator()} ${next()}`,
      (): string => `${this.#sign()}( ${next()} )`,
      (): string => `CAST ( ${next()} AS ${random.pick(['INTEGER', 'REAL', 'SIGNED'])} )`,
      (): string => `COALESCE ( ${next()}, ${next()} )`,
      (): string => `NULLIF ( ${next()}, ${next()} )`,
      (): string => `ABS ( ${next()} )`,
      (): string =>
        `CASE WHEN ${this.#condition(names, 1)} THEN ${next()} WHEN NOT NULL IS NULL THEN ${next()} ELSE ${next()} END`,
      (): string => `CASE ${next()} WHEN ${next()} THEN ${next()} END`,
    ])();
  }

  #condition(names: readonly string[], depth: number): string {
    const random = this.#random;
    const value = (): string => this.#expression(names, 1);
    const not = random.pick(['', 'NOT ']);
    if (depth > 0 && random.chance(0.4)) {
      const next = (): string => this.#condition(names, depth - 1);
      return `${not}( ${next()} ${random.pick(['AND', 'OR'])} ${next()} )`;
    }
    return random.pick([
      (): string => `${not}${value()} ${random.pick(['=', '<', '>', '<=', '>=', '<>'])} ${value()}`,
      (): string =>
        `${not}${value()} ${random.pick(['', 'NOT '])}BETWEEN ${value()} AND ${value()}`,
      (): string =>
        `${not}${value()} ${random.pick(['', 'NOT '])}IN ( ${value()}, ${value()}, ${random.pick(NUMBERS)} )`,
      (): string => `${not}( ${value()} ) IS ${random.pick(['', 'NOT '])}NULL`,
      (): string => `${not}( NULL ) ${random.pick(['', 'NOT '])}IN ( ${value()} )`,
    ])();
  }
}

const WIDE = ['pk', 'col0', 'col1', 'col2', 'col3', 'col4', 'col5'];
const NUMERIC = ['col0', 'col1', 'col3', 'col4'];

/** The same rows in tables with different indexes. */
export class IndexCorpus {
  readonly #random: Seeded;
  readonly #rows: number;
  #views = 0;

  constructor(random: Seeded, rows: number) {
    this.#random = random;
    this.#rows = rows;
  }

  schema(): readonly CorpusStatement[] {
    const random = this.#random;
    const columns =
      'pk INTEGER PRIMARY KEY, col0 INTEGER, col1 FLOAT, col2 TEXT, col3 INTEGER, col4 FLOAT, col5 TEXT';
    const number = (): number => random.below(this.#rows * 10);
    const rows = Array.from(
      { length: this.#rows },
      (_, pk) =>
        `INSERT INTO tab0 VALUES(${pk},${number()},${number()}.${random.below(100)},'${this.#word()}',${number()},${number()}.${random.below(100)},'${this.#word()}')`,
    );
    return [
      `CREATE TABLE tab0(${columns})`,
      ...rows,
      ...[1, 2, 3].flatMap((at) => [
        `CREATE TABLE tab${at}(${columns})`,
        ...(at === 2 ? ['CREATE UNIQUE INDEX idx_tab2_4 ON tab2 (col4 DESC, col3)'] : []),
        `INSERT INTO tab${at} SELECT * FROM tab0`,
        `CREATE INDEX idx_tab${at}_0 ON tab${at} (col${at - 1})`,
        `CREATE INDEX idx_tab${at}_3 ON tab${at} (col3 DESC, col${at - 1}, col4)`,
      ]),
    ].map(plain);
  }

  #word(): string {
    return Array.from({ length: 5 }, () =>
      this.#random.pick('abcdefghijklmnopqrstuvwxyz'.split('')),
    ).join('');
  }

  statement(): CorpusStatement {
    const random = this.#random;
    const table = `tab${random.below(4)}`;
    const roll = random.below(20);
    const where = this.#condition(table, 3);
    if (roll === 0) return plain(`DELETE FROM ${table} WHERE ${this.#narrow()} AND ${where}`);
    if (roll === 1) {
      const column = random.pick(NUMERIC);
      return plain(`UPDATE ${table} SET ${column} = ${column} + 1 WHERE ${this.#narrow()}`);
    }
    if (roll === 2) return plain(`REINDEX idx_tab1_0`);
    if (roll === 3) {
      this.#views += 1;
      return plain(
        `CREATE ${random.pick(['', 'TEMP '])}VIEW view_${this.#views} AS SELECT pk, col0, col3 FROM ${table} WHERE ${where}`,
      );
    }
    if (roll === 4 && this.#views > 0) {
      const view = `view_${1 + random.below(this.#views)}`;
      return random.chance(0.2)
        ? plain(`DROP VIEW ${view}`)
        : plain(`SELECT pk, col0 FROM ${view} WHERE col3 > ${random.below(this.#rows * 10)}`);
    }
    if (roll < 9) {
      const column = random.pick(WIDE);
      const call = random.pick([
        'COUNT(*)',
        `MIN(${column})`,
        `MAX(${column})`,
        `COUNT(DISTINCT ${column})`,
        'SUM(col0)',
        'AVG(col3)',
      ]);
      return plain(
        `SELECT ${call}, ${random.pick(['SUM(pk)', 'MIN(col0)', 'COUNT(col5)'])} FROM ${table} WHERE ${where}`,
      );
    }
    const order = random.pick(WIDE);
    const shown = [...new Set([random.pick(WIDE), random.pick(WIDE)])].join(', ');
    if (roll < 14) {
      const limit = random.chance(0.4) ? ` LIMIT ${1 + random.below(9)}` : '';
      return {
        sql: `SELECT ${shown} FROM ${table} WHERE ${where} ORDER BY ${order}${random.pick(['', ' DESC', ' ASC'])}, pk${limit}`,
        ordered: true,
      };
    }
    return plain(`SELECT ${shown} FROM ${table} WHERE ${where}`);
  }

  #narrow(): string {
    const from = this.#random.below(this.#rows);
    return `pk BETWEEN ${from} AND ${from + 2}`;
  }

  #condition(table: string, depth: number): string {
    const random = this.#random;
    const column = (): string => random.pick(NUMERIC);
    const number = (): string =>
      random.chance(0.5)
        ? String(random.below(this.#rows * 10))
        : `${random.below(this.#rows * 10)}.${random.below(100)}`;
    if (depth > 0 && random.chance(0.6)) {
      const next = (): string => this.#condition(table, depth - 1);
      return `(${next()} ${random.pick(['AND', 'OR'])} ${next()})`;
    }
    return random.pick([
      (): string => `${column()} ${random.pick(['=', '<', '>', '<=', '>='])} ${number()}`,
      (): string => `${number()} ${random.pick(['<', '>'])} ${column()}`,
      (): string => `(${column()} BETWEEN ${number()} AND ${number()})`,
      (): string => `${column()} IN (${number()}, ${number()}, ${number()}, ${number()})`,
      (): string => `${column()} IS NULL`,
      (): string =>
        `${column()} IN (SELECT ${column()} FROM ${table} WHERE ${column()} ${random.pick(['<', '>'])} ${number()})`,
    ])();
  }
}

/** Tables of ten rows, each joined to another one by its key. */
export function joinOf(random: Seeded, tables: number): string {
  const shuffled = (): number[] =>
    Array.from({ length: tables }, (_, at) => at + 1).sort(() => random.next() - 0.5);
  const chain = shuffled();
  const terms = chain.map((table, at) => {
    const before = chain[at - 1];
    if (before === undefined) return `a${table} = ${1 + random.below(10)}`;
    return random.chance(0.5) ? `a${table}=b${before}` : `b${before}=a${table}`;
  });
  const where = terms.sort(() => random.next() - 0.5).join(' AND ');
  const names = shuffled();
  return `SELECT ${names.map((one) => `x${one}`).join(',')} FROM ${names.map((one) => `t${one}`).join(',')} WHERE ${where}`;
}

export function joinSchema(tables: number): readonly string[] {
  return Array.from({ length: tables }, (_, at) => at + 1).flatMap((table) => [
    `CREATE TABLE t${table}(a${table} INTEGER PRIMARY KEY, b${table} INTEGER, x${table} VARCHAR(40))`,
    `INSERT INTO t${table} VALUES ${Array.from({ length: 10 }, (_, row) => `(${row + 1},${1 + ((row * 7 + table) % 10)},'table t${table} row ${row + 1}')`).join(',')}`,
  ]);
}
