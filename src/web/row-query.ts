/**
 * Rows of a model, asked for step by step. A query is a value: each step gives a new one, and nothing is asked of the
 * database before `all`, `first`, `count`, `page`, `update` or `delete`.
 */
import { MolnError } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';
import { quoted, type SqlResult, type SqlRow, type SqlValue, type Statement } from './sql.ts';

/** Rows that one answer of `page` may have. */
export const PAGE_ROWS_MAX = 1000;
const PAGE_ROWS = 20;
const SEARCH_WORDS_MAX = 10;
/** Of what is searched for: SQLite takes no pattern of more than 50,000 bytes. */
const SEARCH_CHARACTERS_MAX = 1000;

/** What may be asked of a field: a value, one of several, or a comparison. */
export type Condition<Value> =
  | Value
  | readonly Value[]
  | {
      readonly not?: Value;
      readonly gt?: Value;
      readonly gte?: Value;
      readonly lt?: Value;
      readonly lte?: Value;
      /** `%` stands for any characters. */
      readonly like?: string;
    };

export type Conditions<Row> = { readonly [Name in keyof Row]?: Condition<Row[Name]> };
/** A field, or `-field` for the greatest first. */
export type Order<Row> = (keyof Row & string) | `-${keyof Row & string}`;

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** From 1. */
  readonly number: number;
  readonly size: number;
  /** Of all pages. */
  readonly total: number;
  readonly pages: number;
}

/** What a query has to know of its model. */
export interface RowSource<Row> {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** All of them in SQL. */
  readonly selected: string;
  run(statement: Statement): Promise<SqlResult>;
  /** Which of them the visitor may see, when that is not all; undefined: all. `write`: what else is to be done with them all at once. */
  seen(write: 'update' | 'delete' | undefined): Promise<Conditions<Row>> | undefined;
  toSql(column: string, value: unknown): SqlValue;
  toRow(row: SqlRow): Row;
  /** The assignments of an update, checked. */
  assignments(changes: Partial<Row>): readonly (readonly [column: string, value: SqlValue])[];
}

interface Parts {
  readonly where: readonly Term[];
  readonly order: readonly string[];
  readonly limit: number | undefined;
  readonly offset: number;
}

/** A piece of a statement. */
export interface Term {
  readonly sql: string;
  readonly args: readonly SqlValue[];
}

interface Run {
  /** It has an order, and may have a limit. */
  readonly isList?: boolean;
  /** Values in front of those of the conditions. */
  readonly first?: readonly SqlValue[];
  readonly write?: 'update' | 'delete';
}

const COMPARISONS: Readonly<Record<string, string>> = {
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
  like: 'LIKE',
};

export class RowQuery<Row> {
  readonly #source: RowSource<Row>;
  readonly #parts: Parts;

  constructor(
    source: RowSource<Row>,
    parts: Parts = { where: [], order: [], limit: undefined, offset: 0 },
  ) {
    this.#source = source;
    this.#parts = parts;
  }

  /** All of these must hold, and what was asked before. */
  where(conditions: Conditions<Row>): RowQuery<Row> {
    const terms = Object.entries(conditions)
      .filter(([, condition]) => condition !== undefined)
      .map(([column, condition]) => this.#term(this.#known(column), condition));
    return this.#with({ where: [...this.#parts.where, ...terms] });
  }

  /** By SQL of one's own: `matching('length(title) > ?', 10)`. */
  matching(sql: string, ...args: readonly SqlValue[]): RowQuery<Row> {
    return this.#with({ where: [...this.#parts.where, { sql: `(${sql})`, args }] });
  }

  /**
   * Each of these words is in one of these fields; A to Z are the same as a to z. `text` may come straight from a request: the first 10
   * words of its first 1000 characters count, and without any all rows match.
   */
  search(text: string, ...fields: readonly (keyof Row & string)[]): RowQuery<Row> {
    const columns = fields.map((field) => quoted(this.#known(field)));
    const words = text
      .slice(0, SEARCH_CHARACTERS_MAX)
      .split(/\s+/)
      .filter((word) => word !== '');
    const terms = words.slice(0, SEARCH_WORDS_MAX).map((word): Term => {
      const pattern = `%${word.replace(/[\\%_]/g, '\\$&')}%`;
      const either = columns.map((column) => `${column} LIKE ? ESCAPE '\\'`);
      return { sql: `(${either.join(' OR ')})`, args: columns.map(() => pattern) };
    });
    return this.#with({ where: [...this.#parts.where, ...terms] });
  }

  order(...names: readonly Order<Row>[]): RowQuery<Row> {
    const terms = names.map((name) => {
      const isDown = name.startsWith('-');
      return `${quoted(this.#known(isDown ? name.slice(1) : name))}${isDown ? ' DESC' : ''}`;
    });
    return this.#with({ order: terms });
  }

  limit(rows: number): RowQuery<Row> {
    return this.#with({ limit: whole('limit', rows) });
  }

  offset(rows: number): RowQuery<Row> {
    return this.#with({ offset: whole('offset', rows) });
  }

  async all(): Promise<readonly Row[]> {
    return (await this.kept()).map((row) => this.#source.toRow(row));
  }

  /** As the database keeps them: times and JSON are text, a boolean is 0 or 1. @internal */
  async kept(): Promise<readonly SqlRow[]> {
    const { table, selected } = this.#source;
    return (await this.#run(`SELECT ${selected} FROM ${quoted(table)}`, { isList: true })).rows;
  }

  async first(): Promise<Row | undefined> {
    return (await this.limit(1).all())[0];
  }

  async count(): Promise<number> {
    const { rows } = await this.#run(`SELECT count(*) AS n FROM ${quoted(this.#source.table)}`);
    return Number(rows[0]?.['n'] ?? 0);
  }

  async exists(): Promise<boolean> {
    return (await this.first()) !== undefined;
  }

  /** `number` may come straight from a query string; what is no page is the first. */
  async page(number: unknown, size: number = PAGE_ROWS): Promise<Page<Row>> {
    const rowsMax = Math.min(whole('size', size), PAGE_ROWS_MAX);
    const total = await this.count();
    const pages = Math.max(1, Math.ceil(total / rowsMax));
    const wanted = Math.trunc(Number(number));
    const at = Math.min(Number.isSafeInteger(wanted) && wanted > 0 ? wanted : 1, pages);
    const rows = await this.limit(rowsMax)
      .offset((at - 1) * rowsMax)
      .all();
    return { rows, number: at, size: rowsMax, total, pages };
  }

  /** Changes all that match; gives how many. Hooks of the model are not asked. */
  async update(changes: Partial<Row>): Promise<number> {
    const set = this.#source.assignments(changes);
    if (set.length === 0) return 0;
    const text = set.map(([column]) => `${quoted(column)} = ?`).join(', ');
    const sql = `UPDATE ${quoted(this.#source.table)} SET ${text}`;
    const first = set.map(([, value]) => value);
    return (await this.#run(sql, { write: 'update', first })).changes;
  }

  /** Deletes all that match; gives how many. */
  async delete(): Promise<number> {
    const sql = `DELETE FROM ${quoted(this.#source.table)}`;
    return (await this.#run(sql, { write: 'delete' })).changes;
  }

  async #run(head: string, { isList = false, first = [], write }: Run = {}): Promise<SqlResult> {
    const { order, limit, offset } = this.#parts;
    const seen = this.#source.seen(write);
    const { where } = seen === undefined ? this.#parts : this.where(await seen).#parts;
    const parts = [head];
    if (where.length > 0) parts.push(`WHERE ${where.map(({ sql }) => sql).join(' AND ')}`);
    if (isList && order.length > 0) parts.push(`ORDER BY ${order.join(', ')}`);
    if (isList && (limit !== undefined || offset > 0)) parts.push(`LIMIT ${limit ?? -1}`);
    if (isList && offset > 0) parts.push(`OFFSET ${offset}`);
    const args = [...first, ...where.flatMap((term) => term.args)];
    return await this.#source.run({ sql: parts.join(' '), args });
  }

  #term(column: string, condition: unknown): Term {
    const name = quoted(column);
    const arg = (value: unknown): SqlValue => this.#source.toSql(column, value);
    if (condition === null) return { sql: `${name} IS NULL`, args: [] };
    if (Array.isArray(condition)) {
      const list = condition as readonly unknown[];
      if (list.length === 0) return { sql: '0', args: [] };
      return { sql: `${name} IN (${list.map(() => '?').join(', ')})`, args: list.map(arg) };
    }
    if (
      typeof condition !== 'object' ||
      condition instanceof Date ||
      condition instanceof Uint8Array
    ) {
      return { sql: `${name} = ?`, args: [arg(condition)] };
    }
    const terms = Object.entries(condition).map(([word, value]): Term => {
      if (word === 'not') {
        return value === null
          ? { sql: `${name} IS NOT NULL`, args: [] }
          : { sql: `${name} IS NOT ?`, args: [arg(value)] };
      }
      const operator = COMPARISONS[word];
      if (operator === undefined)
        throw unknownName('comparison', word, [...Object.keys(COMPARISONS), 'not']);
      return { sql: `${name} ${operator} ?`, args: [word === 'like' ? String(value) : arg(value)] };
    });
    return {
      sql: terms.map(({ sql }) => sql).join(' AND '),
      args: terms.flatMap(({ args }) => args),
    };
  }

  #known(column: string): string {
    if (this.#source.columns.includes(column)) return column;
    throw unknownName(`field of "${this.#source.name}"`, column, this.#source.columns);
  }

  #with(parts: Partial<Parts>): RowQuery<Row> {
    return new RowQuery(this.#source, { ...this.#parts, ...parts });
  }
}

/** What a statement adds to its condition, so that it finds the row only while nothing of it has changed. */
export function stillSo(row: SqlRow): Term {
  const terms = Object.keys(row).map((column) => ` AND ${quoted(column)} IS ?`);
  return { sql: terms.join(''), args: Object.values(row) };
}

/** Names of columns become SQL, so only known ones get through, whatever a request may bring. */
function unknownName(what: string, name: string, known: readonly string[]): MolnError {
  const near = nearestName(name, known);
  return new MolnError('WEB_UNKNOWN_FIELD', `There is no ${what} called "${name}"`, {
    hint: near === undefined ? `It has ${known.join(', ')}` : `Did you mean "${near}"?`,
  });
}

function whole(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new MolnError(
    'WEB_BAD_NUMBER',
    `The ${what} of a query is a whole number from 0, not ${value}`,
  );
}
