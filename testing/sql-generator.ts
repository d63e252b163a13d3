/**
 * Random schemas, data and statements for the planner's differential test. Every statement has one right answer: what SQL
 * leaves open (order of equal rows, LIMIT without a total order, floats that depend on order) is not generated.
 */
import type { Seeded } from './seeded.ts';
import {
  CLAUSES,
  COLLATIONS,
  CONSTANTS,
  type GeneratedColumn,
  type GeneratedTable,
  keysOfOneKind,
  REFERENCE_ACTIONS,
  TYPES,
} from './sql-words.ts';

export class SqlGenerator {
  readonly #random: Seeded;
  readonly #temporary: boolean;
  tables: GeneratedTable[] = [];

  /** `temporary`: some tables, views and triggers are the connection's own. */
  constructor(random: Seeded, temporary = false) {
    this.#random = random;
    this.#temporary = temporary;
  }

  /** A word for CREATE. */
  #temp(): string {
    return this.#temporary && this.#random.chance(0.5) ? 'TEMP ' : '';
  }

  schema(): readonly string[] {
    const random = this.#random;
    this.tables = [];
    for (let at = 3 + random.below(3); at > 0; at -= 1) {
      this.tables.push(this.#table(`t${this.tables.length}`));
    }
    const statements = this.tables.map(({ create }) => create);
    for (const { name, columns } of this.tables) {
      if (random.chance(0.4)) {
        const unique = random.chance(0.25) ? 'UNIQUE ' : '';
        const where = random.chance(0.2) ? ` WHERE ${random.pick(columns).name} IS NOT NULL` : '';
        statements.push(
          `CREATE ${unique}INDEX i_${name} ON ${name}(${this.#some(columns, 2)
            .map((one) => one.name)
            .join(', ')})${where}`,
        );
      }
    }
    if (random.chance(0.5)) {
      const { name, columns } = random.pick(this.tables);
      statements.push(
        `CREATE ${this.#temp()}VIEW v0 AS SELECT ${columns.map((one) => one.name).join(', ')}, count(*) OVER () AS many FROM ${name} WHERE ${this.#condition([{ alias: name, columns }], 1)}`,
      );
    }
    if (random.chance(0.3)) {
      const from = random.pick(this.tables);
      const to = random.pick(this.tables);
      const column = random.pick(to.columns);
      statements.push(
        `CREATE ${this.#temp()}TRIGGER tr0 AFTER ${random.pick(['INSERT', 'DELETE', 'UPDATE'])} ON ${from.name} BEGIN UPDATE OR IGNORE ${to.name} SET ${column.name} = ${this.#constant()} WHERE ${column.name} IS ${this.#constant()}; END`,
      );
    }
    return statements;
  }

  #table(name: string): GeneratedTable {
    const random = this.#random;
    const columns = Array.from({ length: 2 + random.below(4) }, (_, at): GeneratedColumn => {
      const type = random.pick(TYPES);
      return { name: `c${at}`, type, collation: random.pick(COLLATIONS) };
    });
    const kind = random.below(5);
    const first = columns[0] ?? { name: 'c0', type: '', collation: '' };
    const integerKey = kind <= 1 ? 'id' : undefined;
    const create = `CREATE ${this.#temp()}TABLE`;
    const parts = columns.map(({ name: column, type, collation }, at) => {
      const extra =
        at > 0 && random.chance(0.15)
          ? ` DEFAULT ${this.#constant()}`
          : at > 0 && random.chance(0.08)
            ? ' UNIQUE'
            : at > 0 && random.chance(0.06)
              ? ' NOT NULL'
              : '';
      // A key leads to a table of the same schema.
      const parent = this.tables.find(
        (table) => table.integerKey !== undefined && table.create.startsWith(create),
      );
      const reference =
        parent !== undefined && extra === '' && random.chance(0.06)
          ? ` REFERENCES ${parent.name}(id) ${random.pick(REFERENCE_ACTIONS)}`
          : '';
      const key = kind === 2 && at === 0 ? ' PRIMARY KEY' : '';
      return `${column} ${type}${collation}${key}${extra}${reference}`;
    });
    const generated: string[] = [];
    if (random.chance(0.15)) {
      parts.push(`g AS (${first.name} || 'g')`);
      generated.push('g');
    }
    if (integerKey !== undefined) {
      parts.unshift(
        `id INTEGER PRIMARY KEY${kind === 1 && random.chance(0.4) ? ' AUTOINCREMENT' : ''}`,
      );
    }
    if (kind === 3)
      parts.push(
        `PRIMARY KEY (${columns
          .slice(0, 2)
          .map((one) => one.name)
          .join(', ')})`,
      );
    const tail = kind === 3 && random.chance(0.5) ? ' WITHOUT ROWID' : '';
    const plain = random.pick(CLAUSES);
    const clause =
      plain === '' && random.chance(0.3)
        ? `/* moln: distribute by ${random.pick(columns).name} */`
        : plain;
    const all =
      integerKey === undefined
        ? columns
        : [{ name: 'id', type: 'INTEGER', collation: '' }, ...columns];
    return {
      name,
      create: `${create} ${name}(${keysOfOneKind(parts).join(', ')})${tail} ${clause}`.trim(),
      columns: all,
      integerKey,
      generated,
    };
  }

  /** One statement; `ordered` when the order of rows is part of the answer. */
  statement(): { readonly sql: string; readonly ordered: boolean } {
    const roll = this.#random.below(100);
    if (roll < 14) return { sql: this.#insert(), ordered: false };
    if (roll < 20) return { sql: this.#update(), ordered: false };
    if (roll < 24) return { sql: this.#delete(), ordered: false };
    return this.query();
  }

  #constant(): string {
    return this.#random.pick(CONSTANTS);
  }

  #some<T>(of: readonly T[], most: number): readonly T[] {
    const count = 1 + this.#random.below(most);
    return [...of].sort(() => this.#random.next() - 0.5).slice(0, count);
  }

  #insert(): string {
    const random = this.#random;
    const table = random.pick(this.tables);
    const named = random.chance(0.5);
    const columns = named ? this.#some(table.columns, table.columns.length) : table.columns;
    const list = named ? `(${columns.map(({ name }) => name).join(', ')})` : '';
    const or = random.chance(0.25)
      ? ` OR ${random.pick(['IGNORE', 'REPLACE', 'ABORT', 'FAIL'])}`
      : '';
    const returning = random.chance(0.15) ? ' RETURNING *' : '';
    if (random.chance(0.2)) {
      const source = random.pick(this.tables);
      const values = columns.map(({ name }) =>
        name === 'id' ? 'NULL' : `${source.name}.${random.pick(source.columns).name}`,
      );
      const key = source.columns.map(({ name }) => name).join(', ');
      return `INSERT${or} INTO ${table.name}${list} SELECT ${values.join(', ')} FROM ${source.name} WHERE ${this.#condition([{ alias: source.name, columns: source.columns }], 1)} ORDER BY ${key} LIMIT 5${returning}`;
    }
    const rows = Array.from({ length: 1 + random.below(4) }, () => {
      const values = columns.map(({ name }) =>
        name === 'id'
          ? random.chance(0.5)
            ? 'NULL'
            : String(random.below(30))
          : random.chance(0.1)
            ? this.#scalar([], 1)
            : this.#constant(),
      );
      return `(${values.join(', ')})`;
    });
    const upsert =
      or === '' && table.integerKey !== undefined && random.chance(0.2)
        ? random.chance(0.4)
          ? ' ON CONFLICT DO NOTHING'
          : ` ON CONFLICT(id) DO UPDATE SET ${this.#assignment(table)} WHERE excluded.id > 2`
        : '';
    return `INSERT${or} INTO ${table.name}${list} VALUES ${rows.join(', ')}${upsert}${returning}`;
  }

  #assignment(table: GeneratedTable): string {
    const column = this.#random.pick(table.columns.filter(({ name }) => name !== 'id'));
    return `${column.name} = ${this.#constant()}`;
  }

  #update(): string {
    const random = this.#random;
    const table = random.pick(this.tables);
    const scope = [{ alias: table.name, columns: table.columns }];
    const column = random.pick(table.columns);
    const value =
      column.name === 'id'
        ? 'id + 100'
        : random.chance(0.5)
          ? this.#constant()
          : this.#scalar(scope, 1);
    const or = random.chance(0.3) ? ` OR ${random.pick(['IGNORE', 'REPLACE'])}` : '';
    // OR IGNORE and OR REPLACE depend on the order of rows when they collide: one row only.
    const where =
      or === ''
        ? this.#condition(scope, 2)
        : table.integerKey === undefined
          ? '0'
          : `id = ${random.below(20)}`;
    const returning = random.chance(0.2) ? ' RETURNING *' : '';
    return `UPDATE${or} ${table.name} SET ${column.name} = ${value} WHERE ${where}${returning}`;
  }

  #delete(): string {
    const random = this.#random;
    const table = random.pick(this.tables);
    const scope = [{ alias: table.name, columns: table.columns }];
    const keep = `${this.#condition(scope, 2)} AND ${this.#condition(scope, 1)}`;
    return `DELETE FROM ${table.name} WHERE ${keep}${random.chance(0.2) ? ' RETURNING *' : ''}`;
  }

  query(): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    const roll = random.below(10);
    if (roll === 0) return this.#compound();
    if (roll === 1) return this.#withClause();
    if (roll === 2) return this.#point();
    return this.#select(this.#from());
  }

  #point(): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    const table = random.pick(this.tables);
    const column = table.columns[0] ?? { name: 'c0' };
    const key = random.chance(0.5) ? String(random.below(12)) : this.#constant();
    const more = random.chance(0.3)
      ? ` AND ${this.#condition([{ alias: 'x', columns: table.columns }], 1)}`
      : '';
    const test = random.chance(0.3)
      ? `IN (${key}, ${this.#constant()}, ${random.below(9)})`
      : `${random.pick(['=', 'IS', '=='])} ${key}`;
    return {
      sql: `SELECT * FROM ${table.name} x WHERE x.${column.name} ${test}${more}`,
      ordered: false,
    };
  }

  #compound(): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    const one = random.pick(this.tables);
    const two = random.pick(this.tables);
    const left = this.#some(one.columns, 1)[0]?.name ?? 'c0';
    const right = this.#some(two.columns, 1)[0]?.name ?? 'c0';
    const operator = random.pick(['UNION ALL', 'EXCEPT', 'INTERSECT', 'UNION']);
    const exact = operator === 'UNION ALL';
    const a = exact ? left : `typeof(${left})`;
    const b = exact ? right : `typeof(${right})`;
    return {
      sql: `SELECT ${a} FROM ${one.name} ${operator} SELECT ${b} FROM ${two.name}`,
      ordered: false,
    };
  }

  #withClause(): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    if (random.chance(0.4)) {
      const table = random.pick(this.tables);
      return {
        sql: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${1 + random.below(6)}) SELECT i, (SELECT count(*) FROM ${table.name} WHERE ${table.columns[0]?.name} > i) FROM n`,
        ordered: true,
      };
    }
    const inner = random.pick(this.tables);
    const scope = [{ alias: inner.name, columns: inner.columns }];
    const columns = inner.columns.map(({ name }) => name).join(', ');
    const cte = `w AS (SELECT ${columns} FROM ${inner.name} WHERE ${this.#condition(scope, 1)})`;
    const outer = this.#select([
      { alias: 'w', text: 'w', columns: inner.columns.map((one) => ({ ...one, collation: '' })) },
    ]);
    return { sql: `WITH ${cte} ${outer.sql}`, ordered: outer.ordered };
  }

  #from(): readonly Source[] {
    const random = this.#random;
    const count = random.pick([1, 1, 1, 2, 2, 3]);
    const sources: Source[] = [];
    for (let at = 0; at < count; at += 1) {
      const table = random.pick(this.tables);
      const alias = `a${at}`;
      const scope = [...sources, { alias, columns: table.columns }];
      if (at === 0) {
        sources.push({ alias, text: `${table.name} AS ${alias}`, columns: table.columns });
        continue;
      }
      const join = random.pick([
        ', ',
        ' JOIN ',
        ' LEFT JOIN ',
        ' LEFT JOIN ',
        ' RIGHT JOIN ',
        ' FULL JOIN ',
        ' CROSS JOIN ',
      ]);
      const left = random.pick(sources);
      const on = random.chance(0.7)
        ? `${left.alias}.${left.columns[0]?.name} = ${alias}.${table.columns[0]?.name}`
        : this.#condition(scope, 1);
      const shared = table.columns.filter(({ name }) =>
        sources.some(({ columns }) => columns.some((one) => one.name === name)),
      );
      const using = shared.length > 0 && random.chance(0.15);
      const constraint =
        join === ', ' || join === ' CROSS JOIN '
          ? ''
          : using
            ? ` USING (${random.pick(shared).name})`
            : ` ON ${on}`;
      sources.push({
        alias,
        text: `${join}${table.name} AS ${alias}${constraint}`,
        columns: table.columns,
      });
    }
    return sources;
  }

  #select(sources: readonly Source[]): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    const from = sources.map(({ text }) => text).join('');
    const where = random.chance(0.6) ? ` WHERE ${this.#condition(sources, 2)}` : '';
    const roll = random.below(10);
    if (roll < 3) return this.#aggregate(sources, from, where);
    if (roll === 3) return this.#window(sources, from, where);
    if (roll === 4 && sources.length === 1)
      return { sql: `SELECT * FROM ${from}${where}`, ordered: false };
    const outputs = Array.from({ length: 1 + random.below(3) }, () => this.#scalar(sources, 2));
    const distinct = random.chance(0.1) ? 'DISTINCT ' : '';
    if (distinct !== '') {
      return { sql: `SELECT DISTINCT typeof(${outputs[0]}) FROM ${from}${where}`, ordered: false };
    }
    if (random.chance(0.5))
      return { sql: `SELECT ${outputs.join(', ')} FROM ${from}${where}`, ordered: false };
    const plain = sources.flatMap(({ alias, columns }) =>
      columns.map(({ name }) => `${alias}.${name}`),
    );
    const order = outputs.map((_, at) => `${at + 1}${this.#direction()}`);
    // Equal under a collation or as numbers are not the same: what is shown decides last.
    const exact = outputs.flatMap((text) => [`typeof(${text})`, `hex(${text})`]);
    const first = random.chance(0.4) ? [`${random.pick(plain)}${this.#direction()}`] : [];
    const limit = random.chance(0.5)
      ? ` LIMIT ${random.below(6)}${random.chance(0.4) ? ` OFFSET ${random.below(4)}` : ''}`
      : '';
    return {
      sql: `SELECT ${outputs.join(', ')} FROM ${from}${where} ORDER BY ${[...first, ...order, ...exact].join(', ')}${limit}`,
      ordered: true,
    };
  }

  #direction(): string {
    return this.#random.pick([
      '',
      '',
      ' DESC',
      ' ASC NULLS LAST',
      ' DESC NULLS FIRST',
      ' COLLATE NOCASE',
    ]);
  }

  #aggregate(
    sources: readonly Source[],
    from: string,
    where: string,
  ): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    const column = (): string => this.#column(sources);
    const call = (): string => {
      const text = random.pick([
        'count(*)',
        `count(${column()})`,
        `count(DISTINCT ${column()})`,
        `typeof(min(${column()}))`,
        `hex(max(${column()}))`,
        `sum(length(${column()}))`,
        `total(length(${column()}))`,
        `avg(length(${column()}))`,
        `sum(${column()} IS NULL)`,
        `count(${column()}) + sum(1)`,
      ]);
      const filter = /^(?:count|sum|total|avg)\([^+]*\)$/.test(text) && random.chance(0.2);
      return filter ? `${text} FILTER (WHERE ${this.#condition(sources, 1)})` : text;
    };
    const calls = Array.from({ length: 1 + random.below(3) }, call);
    if (random.chance(0.4))
      return { sql: `SELECT ${calls.join(', ')} FROM ${from}${where}`, ordered: true };
    const keys = Array.from({ length: 1 + random.below(2) }, column);
    // Which of several equal keys is shown is open: show what they have in common.
    const having = random.chance(0.3)
      ? ` HAVING count(*) ${random.pick(['>', '=', '<'])} ${1 + random.below(3)}`
      : '';
    const shown = random.chance(0.5) ? [`${keys[0]} IS NULL`] : [];
    return {
      sql: `SELECT ${[...shown, ...calls].join(', ')} FROM ${from}${where} GROUP BY ${keys.join(', ')}${having}`,
      ordered: false,
    };
  }

  #window(
    sources: readonly Source[],
    from: string,
    where: string,
  ): { readonly sql: string; readonly ordered: boolean } {
    const random = this.#random;
    const key = this.#column(sources);
    const part = random.chance(0.5) ? `PARTITION BY ${this.#column(sources)} ` : '';
    const call = random.pick(['rank()', 'dense_rank()', 'count(*)', 'cume_dist()', 'sum(1)']);
    return {
      sql: `SELECT typeof(${key}), ${call} OVER (${part}ORDER BY ${key}) FROM ${from}${where}`,
      ordered: false,
    };
  }

  #column(sources: readonly Scope[]): string {
    const source = this.#random.pick(sources);
    return `${source.alias}.${this.#random.pick(source.columns).name}`;
  }

  #scalar(sources: readonly Scope[], depth: number): string {
    const random = this.#random;
    if (sources.length > 0 && (depth === 0 || random.chance(0.55))) return this.#column(sources);
    if (depth === 0) return this.#constant();
    const next = (): string => this.#scalar(sources, depth - 1);
    return random.pick([
      (): string => this.#constant(),
      (): string => `(${next()} || ${next()})`,
      (): string => `coalesce(${next()}, ${next()})`,
      (): string => `typeof(${next()})`,
      (): string => `length(${next()})`,
      (): string => `CASE WHEN ${this.#condition(sources, 0)} THEN ${next()} ELSE ${next()} END`,
      (): string => `nullif(${next()}, ${next()})`,
      (): string => `CAST(${next()} AS ${random.pick(['TEXT', 'INTEGER', 'NUMERIC'])})`,
      (): string => `upper(${next()})`,
      (): string => this.#subquery(sources),
    ])();
  }

  #subquery(sources: readonly Scope[]): string {
    const random = this.#random;
    const table = random.pick(this.tables);
    const scope = [...sources, { alias: 'q', columns: table.columns }];
    const column = random.pick(table.columns).name;
    const aggregate = random.pick([`count(q.${column})`, 'count(*)', `typeof(max(q.${column}))`]);
    return `(SELECT ${aggregate} FROM ${table.name} q WHERE ${this.#condition(scope, 1)})`;
  }

  #condition(sources: readonly Scope[], depth: number): string {
    const random = this.#random;
    if (sources.length === 0) return random.pick(['1', '0', 'NULL']);
    const column = (): string => this.#column(sources);
    const simple: readonly (() => string)[] = [
      (): string =>
        `${column()} ${random.pick(['=', '<', '>', '<=', '<>', 'IS', 'IS NOT', 'IS DISTINCT FROM'])} ${random.chance(0.5) ? this.#constant() : column()}`,
      (): string => `${column()} IS ${random.pick(['', 'NOT '])}NULL`,
      (): string =>
        `${column()} ${random.pick(['', 'NOT '])}IN (${this.#constant()}, ${this.#constant()}, ${random.below(9)})`,
      (): string => `${column()} BETWEEN ${this.#constant()} AND ${this.#constant()}`,
      (): string => `${column()} LIKE '${random.pick(['a%', '%b', '%', '_'])}'`,
      (): string => `${column()} = ${this.#constant()} COLLATE NOCASE`,
    ];
    if (depth === 0 || random.chance(0.5)) return random.pick(simple)();
    const table = random.pick(this.tables);
    const inner = [...sources, { alias: 'e', columns: table.columns }];
    return random.pick([
      (): string =>
        `(${this.#condition(sources, depth - 1)} AND ${this.#condition(sources, depth - 1)})`,
      (): string =>
        `(${this.#condition(sources, depth - 1)} OR ${this.#condition(sources, depth - 1)})`,
      (): string => `NOT (${this.#condition(sources, depth - 1)})`,
      (): string =>
        `${random.pick(['', 'NOT '])}EXISTS (SELECT 1 FROM ${table.name} e WHERE ${this.#condition(inner, depth - 1)})`,
      (): string =>
        `${column()} ${random.pick(['', 'NOT '])}IN (SELECT e.${random.pick(table.columns).name} FROM ${table.name} e)`,
    ])();
  }
}

interface Scope {
  readonly alias: string;
  readonly columns: readonly GeneratedColumn[];
}

interface Source extends Scope {
  readonly text: string;
}
