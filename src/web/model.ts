/**
 * A model: a table, its rows as a type, their validation and their JSON, out of one list of fields. Rows are plain
 * objects; what a request brings is checked by `tryCreate` and `tryUpdate`, what code gives by the compiler and by `create`.
 */
import { MolnError } from '../base/errors.ts';
import { isoTime, systemClock } from '../base/time.ts';
import {
  checkField,
  datetime,
  type Field,
  fromColumn,
  integer,
  isClosed,
  labelOf,
  toColumn,
} from './fields.ts';
import type { Refused } from './context.ts';
import { filesOfGone, rowsAlong, takesFilesAlong } from './cascade.ts';
import { fileKeys, removeFiles, withKeptFiles } from './kept-files.ts';
import { plural, refuseName } from './names.ts';
import {
  guardChange,
  guardCreate,
  isGuarded,
  MODEL_OF,
  seenRows,
  unseenReferences,
} from './policy.ts';
import { constraintErrors, invalid, noSuchRow, refuseMissing, stale } from './row-errors.ts';
import {
  type Condition,
  type Conditions,
  type Order,
  type Page,
  RowQuery,
  type RowSource,
  stillSo,
  type Term,
} from './row-query.ts';
import {
  quoted,
  rowsChanged,
  type SqlResult,
  type SqlRow,
  type SqlValue,
  type Statement,
  theConnection,
  transaction,
} from './sql.ts';
import type { StandardSchema, Verdict } from './standard-schema.ts';
import { tooLate } from './stale-form.ts';

/** So often a change is begun anew because others change the same row. */
const GUARDED_ATTEMPTS_MAX = 10;

export type Fields = Readonly<Record<string, Field>>;

type ValueOf<F> = F extends Field<infer Value, boolean> ? Value : never;
type FreeNames<F extends Fields> = {
  [Name in keyof F]: F[Name] extends Field<unknown, true> ? Name : never;
}[keyof F];

/** What every row has. */
export interface RowBase {
  readonly id: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export type RowOfFields<F extends Fields> = RowBase & {
  readonly [Name in keyof F]: ValueOf<F[Name]>;
};
/** The type of a model's rows: `type Post = RowOf<typeof Post>`. */
export type RowOf<M> = M extends Model<infer F> ? RowOfFields<F> : never;
/** What a new row is made of. */
export type NewRow<F extends Fields> = {
  readonly [Name in Exclude<keyof F, FreeNames<F>>]: ValueOf<F[Name]>;
} & { readonly [Name in FreeNames<F>]?: ValueOf<F[Name]> };

/** Sentences by field, as a form shows them. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;
/** What a form or a client gave, before anybody looked at it. */
export type Given = Readonly<Record<string, unknown>>;

/** What a request asked for was done, or why not, with what it gave so that the form can show it again. */
export type Outcome<Row> = { readonly ok: true; readonly row: Row } | Refused;

export interface ModelOptions<F extends Fields> {
  /** Default: the model's name in the plural. */
  readonly table?: string;
  /** Of several columns; for one, the field says `index`. */
  readonly indexes?: readonly (readonly (keyof F & string)[])[];
  /** No two rows have the same in all of these. */
  readonly unique?: readonly (readonly (keyof F & string)[])[];
  /** How rows lie in a striped database: by a column (default: the id), whole on each stripe, or all on one. */
  readonly distribute?: { readonly by: keyof F & string } | 'reference' | 'single';
  /** Updates say which version they saw, and fail when somebody was faster. */
  readonly locking?: boolean;
  /** Rules over several fields, for what requests bring: sentences by field. */
  readonly validate?: (
    values: Partial<RowOfFields<F>>,
  ) => Readonly<Record<string, string>> | undefined;
  /** Called in the transaction of the change, if there is one. */
  readonly beforeSave?: (
    values: Partial<RowOfFields<F>>,
  ) => Partial<RowOfFields<F>> | Promise<Partial<RowOfFields<F>>>;
  readonly afterSave?: (row: RowOfFields<F>) => void | Promise<void>;
  readonly afterDelete?: (row: RowOfFields<F>) => void | Promise<void>;
}

/**
 * Defines a model.
 *
 *     export const Post = model('post', { title: string(), body: text(), published: boolean() });
 *     export type Post = RowOf<typeof Post>;
 */
export function model<const F extends Fields>(
  name: string,
  fields: F,
  options: ModelOptions<F> = {},
): Model<F> {
  return new Model(name, fields, options);
}

export class Model<F extends Fields = Fields> implements StandardSchema<Given, NewRow<F>> {
  readonly name: string;
  readonly table: string;
  readonly fields: F;
  readonly options: ModelOptions<F>;
  /** With the columns that every table has. */
  readonly columns: Fields;
  readonly #columnList: readonly (readonly [name: string, field: Field])[];
  readonly #prototype: object;
  readonly #source: RowSource<RowOfFields<F>>;

  constructor(name: string, fields: F, options: ModelOptions<F>) {
    this.name = name;
    this.table = options.table ?? plural(name);
    this.fields = fields;
    this.options = options;
    for (const word of [name, this.table, ...Object.keys(fields)]) refuseName(name, word);
    const lock: Fields = options.locking === true ? { version: integer({ default: 1 }) } : {};
    this.columns = {
      id: integer(),
      ...fields,
      ...lock,
      created_at: datetime(),
      updated_at: datetime(),
    };
    this.#columnList = Object.entries(this.columns);
    const hidden = Object.keys(fields).filter((each) => fields[each]?.options.hidden === true);
    this.#prototype = rowPrototype(this, new Set(hidden));
    this.#source = {
      name,
      table: this.table,
      columns: Object.keys(this.columns),
      selected: Object.keys(this.columns).map(quoted).join(', '),
      run: (statement) => this.#run(statement),
      seen: (write) => seenRows(this, write),
      toSql: (column, value) => toColumn(this.#column(column), value),
      toRow: (row) => this.#toRow(row),
      assignments: (changes) => [
        ...this.#assignments(changes as Given),
        ['updated_at', isoTime(systemClock.now())],
      ],
    };
  }

  /** All rows, by id; the beginning of every query. */
  get rows(): RowQuery<RowOfFields<F>> {
    return new RowQuery(this.#source).order('id');
  }

  where(conditions: Conditions<RowOfFields<F>>): RowQuery<RowOfFields<F>> {
    return this.rows.where(conditions);
  }

  order(...names: readonly Order<RowOfFields<F>>[]): RowQuery<RowOfFields<F>> {
    return this.rows.order(...names);
  }

  search(
    text: string,
    ...fields: readonly (keyof RowOfFields<F> & string)[]
  ): RowQuery<RowOfFields<F>> {
    return this.rows.search(text, ...fields);
  }

  async all(): Promise<readonly RowOfFields<F>[]> {
    return await this.rows.all();
  }

  async count(): Promise<number> {
    return await this.rows.count();
  }

  async page(number: unknown, size?: number): Promise<Page<RowOfFields<F>>> {
    return await this.rows.page(number, size);
  }

  /** The row of that id, or undefined; `id` may come straight from a URL. */
  async find(id: unknown): Promise<RowOfFields<F> | undefined> {
    const number = typeof id === 'string' && /^\d{1,16}$/.test(id) ? Number(id) : id;
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) return undefined;
    return await new RowQuery(this.#source).where(same<F>('id', number)).first();
  }

  /** The row of that id; without one the visitor gets a page that says so. */
  async get(id: unknown): Promise<RowOfFields<F>> {
    const row = await this.find(id);
    if (row !== undefined) return row;
    throw noSuchRow(this.name, id);
  }

  /** Rows by their ids, with one statement: what a list needs of those that its rows belong to. */
  async byId(ids: Iterable<number | null>): Promise<ReadonlyMap<number, RowOfFields<F>>> {
    const wanted = [...new Set(ids)].filter((id) => id !== null);
    if (wanted.length === 0) return new Map();
    const conditions = { id: wanted } as unknown as Conditions<RowOfFields<F>>;
    return new Map((await this.where(conditions).all()).map((row) => [row.id, row]));
  }

  /** Throws `WEB_INVALID` with the sentences by field. */
  async create(values: NewRow<F>): Promise<RowOfFields<F>> {
    const checked = await this.#check(values as Given, { isPartial: false, takesHidden: true });
    if (!checked.ok) throw invalid(this.name, checked.errors);
    return await this.#insert(checked.row);
  }

  /** What a request gave, as a new row, or what is wrong with it. Fields that it does not know, or that are for code alone, are left out. */
  async tryCreate(
    given: Given,
    further: Partial<RowOfFields<F>> = {},
  ): Promise<Outcome<RowOfFields<F>>> {
    return await this.#attempt(given, { isPartial: false, further }, (values) =>
      this.#insert(values),
    );
  }

  /** Changes one row; gives it as it is then. Throws `WEB_INVALID`, `WEB_NOT_FOUND`, or `WEB_STALE` with `locking`. */
  async update(
    row: RowOfFields<F> | number,
    changes: Partial<RowOfFields<F>>,
  ): Promise<RowOfFields<F>> {
    const checked = await this.#check(changes as Given, { isPartial: true, takesHidden: true });
    if (!checked.ok) throw invalid(this.name, checked.errors);
    return await this.#change(row, checked.row);
  }

  /** What a form asks for. Who was slower than somebody else is refused (409), with what they typed and what is kept by now. */
  async tryUpdate(
    row: RowOfFields<F>,
    given: Given,
    further: Partial<RowOfFields<F>> = {},
  ): Promise<Outcome<RowOfFields<F>>> {
    const seen = this.options.locking === true && given['version'] !== undefined;
    const from = seen ? this.#toSeen(row, Number(given['version'])) : row;
    const changed = this.#attempt(given, { isPartial: true, further }, (values) =>
      this.#change(from, values),
    );
    return await changed.catch((error: unknown) => tooLate(this, row.id, given, error));
  }

  async delete(row: RowOfFields<F> | number): Promise<boolean> {
    const found = typeof row === 'number' ? await this.find(row) : row;
    if (found === undefined) return false;
    const { id } = found;
    const deleted = takesFilesAlong(this.name)
      ? await transaction(() => this.#delete(id))
      : await this.#delete(id);
    if (deleted !== undefined) await this.options.afterDelete?.(deleted);
    return deleted !== undefined;
  }

  /** Standard Schema: whoever takes one takes a model. */
  get '~standard'(): StandardSchema<Given, NewRow<F>>['~standard'] {
    return {
      version: 1,
      vendor: 'moln',
      validate: async (value): Promise<Verdict<NewRow<F>>> => {
        const checked = await this.#check((value ?? {}) as Given, {
          isPartial: false,
          takesHidden: false,
        });
        if (checked.ok) return { value: checked.row as NewRow<F> };
        return {
          issues: Object.entries(checked.errors).flatMap(([name, messages]) =>
            messages.map((message) => ({ message, path: [name] })),
          ),
        };
      },
    };
  }

  async #attempt(
    given: Given,
    how: { readonly isPartial: boolean; readonly further: object },
    act: (values: Given) => Promise<RowOfFields<F>>,
  ): Promise<Outcome<RowOfFields<F>>> {
    const checked = await this.#check({ ...given, ...how.further }, { ...how, takesHidden: false });
    if (!checked.ok) return checked;
    const unseen = await unseenReferences(this, checked.row, how.further);
    if (unseen !== undefined) return { ok: false, errors: unseen, values: given };
    try {
      return { ok: true, row: await act(checked.row) };
    } catch (error) {
      const errors = constraintErrors(this.fields, error);
      if (errors === undefined) throw error;
      return { ok: false, errors, values: given };
    }
  }

  async #check(
    given: Given,
    how: { readonly isPartial: boolean; readonly takesHidden: boolean; readonly further?: object },
  ): Promise<{ readonly ok: true; readonly row: Given } | Refused> {
    const values: Record<string, unknown> = {};
    const errors: Record<string, readonly string[]> = {};
    for (const [name, one] of Object.entries(this.fields)) {
      const isGiven = given[name] !== undefined;
      const byCode = how.takesHidden || (how.further !== undefined && name in how.further);
      if (isClosed(one) && !byCode) continue;
      if (how.isPartial && !isGiven) continue;
      const checked = await checkField(one, given[name]);
      if ('problem' in checked) errors[name] = [`${labelOf(name, one)} ${checked.problem}`];
      else values[name] = checked.value;
    }
    if (Object.keys(errors).length === 0) {
      const more = this.options.validate?.(values as Partial<RowOfFields<F>>) ?? {};
      for (const [name, sentence] of Object.entries(more)) errors[name] = [sentence];
    }
    if (Object.keys(errors).length > 0) return { ok: false, errors, values: given };
    return { ok: true, row: values };
  }

  async #insert(given: Given): Promise<RowOfFields<F>> {
    const values = await this.#hooked(given);
    refuseMissing(this.name, this.fields, values);
    await guardCreate(this, values);
    const row = await withKeptFiles(this.fields, values, (kept) => this.#insertRow(kept));
    await this.options.afterSave?.(row);
    return row;
  }

  /** As the hook wants it to be saved. */
  async #hooked(given: Given): Promise<Given> {
    return (await this.options.beforeSave?.(given as Partial<RowOfFields<F>>)) ?? given;
  }

  async #insertRow(values: Given): Promise<RowOfFields<F>> {
    const now = isoTime(systemClock.now());
    const set: (readonly [string, SqlValue])[] = [
      ...this.#assignments(values),
      ...(this.options.locking === true ? [['version', 1] as const] : []),
      ['created_at', now],
      ['updated_at', now],
    ];
    const names = set.map(([column]) => quoted(column)).join(', ');
    const sql = `INSERT INTO ${quoted(this.table)} (${names}) VALUES (${set.map(() => '?').join(', ')}) RETURNING *`;
    const { rows } = await this.#run({ sql, args: set.map(([, value]) => value) });
    return this.#toRow(rows[0] ?? {});
  }

  async #change(row: RowOfFields<F> | number, given: Given): Promise<RowOfFields<F>> {
    const id = typeof row === 'number' ? row : row.id;
    const seen =
      this.options.locking === true && typeof row !== 'number' ? versionOf(row) : undefined;
    const values = await this.#hooked(given);
    const hasFiles = Object.keys(values).some((name) => this.fields[name]?.kind === 'file');
    const before = hasFiles ? await this.get(id) : undefined;
    // Files are taken only from who may change the row.
    if (before !== undefined) await guardChange(this, 'update', before, values);
    const after = await withKeptFiles(this.fields, values, async (kept) => {
      const changed = await this.#guarded('update', { id, seen, values: kept }, (still) =>
        this.#changed(this.#updateOf(id, kept, seen, still)),
      );
      if (changed !== undefined) return changed;
      throw (await this.find(id)) === undefined ? noSuchRow(this.name, id) : stale(this.name);
    });
    if (before !== undefined) {
      const kept = fileKeys(this.fields, after);
      await removeFiles(fileKeys(this.fields, before).filter((key) => !kept.includes(key)));
    }
    await this.options.afterSave?.(after);
    return after;
  }

  /**
   * Changes one row while it is as its policy was asked about it; when somebody else was faster, the policy is asked about what it is
   * then. Undefined: there is none to change, or not of the version that was seen.
   */
  async #guarded(
    verb: 'update' | 'delete',
    {
      id,
      seen,
      values,
    }: { readonly id: number; readonly seen?: number | undefined; readonly values?: Given },
    change: (still: Term) => Promise<RowOfFields<F> | undefined>,
  ): Promise<RowOfFields<F> | undefined> {
    if (!isGuarded(this)) return await change({ sql: '', args: [] });
    for (let attempt = 0; attempt < GUARDED_ATTEMPTS_MAX; attempt++) {
      const [kept] = await new RowQuery(this.#source).where(same<F>('id', id)).kept();
      if (kept === undefined) return undefined;
      const row = this.#toRow(kept);
      await guardChange(this, verb, row, values);
      if (seen !== undefined && versionOf(row) !== seen) return undefined;
      const changed = await change(stillSo(kept));
      if (changed !== undefined) return changed;
    }
    throw stale(this.name);
  }

  async #delete(id: number): Promise<RowOfFields<F> | undefined> {
    const along = await rowsAlong(this.name, id);
    const deleted = await this.#guarded('delete', { id }, (still) => {
      const sql = `DELETE FROM ${quoted(this.table)} WHERE "id" = ?${still.sql} RETURNING *`;
      return this.#changed({ sql, args: [id, ...still.args] });
    });
    if (deleted === undefined) return undefined;
    await removeFiles([...fileKeys(this.fields, deleted), ...(await filesOfGone(along))]);
    return deleted;
  }

  #updateOf(id: number, values: Given, seen: number | undefined, still: Term): Statement {
    const set: (readonly [string, SqlValue])[] = [
      ...this.#assignments(values),
      ['updated_at', isoTime(systemClock.now())],
    ];
    const assignments = set.map(([column]) => `${quoted(column)} = ?`);
    if (this.options.locking === true) assignments.push('"version" = "version" + 1');
    const version = seen === undefined ? [] : [seen];
    return {
      sql:
        `UPDATE ${quoted(this.table)} SET ${assignments.join(', ')} ` +
        `WHERE "id" = ?${seen === undefined ? '' : ' AND "version" = ?'}${still.sql} RETURNING *`,
      args: [...set.map(([, value]) => value), id, ...version, ...still.args],
    };
  }

  /** The row that a statement has changed. */
  async #changed(statement: Statement): Promise<RowOfFields<F> | undefined> {
    const [row] = (await this.#run(statement)).rows;
    return row === undefined ? undefined : this.#toRow(row);
  }

  #assignments(values: Given): (readonly [string, SqlValue])[] {
    return Object.entries(values)
      .filter(([name, value]) => value !== undefined && name in this.fields)
      .map(([name, value]) => [name, toColumn(this.#column(name), value)] as const);
  }

  async #run(statement: Statement): Promise<SqlResult> {
    const result = await theConnection().run(statement);
    if (!statement.sql.startsWith('SELECT')) rowsChanged(this.table);
    return result;
  }

  #column(name: string): Field {
    const one = this.columns[name];
    if (one === undefined)
      throw new MolnError('WEB_UNKNOWN_FIELD', `There is no field "${name}" in "${this.name}"`);
    return one;
  }

  #toRow(row: SqlRow): RowOfFields<F> {
    const values = Object.create(this.#prototype) as Record<string, unknown>;
    for (const [name, one] of this.#columnList) values[name] = fromColumn(one, row[name]);
    return values as RowOfFields<F>;
  }

  #toSeen(row: RowOfFields<F>, version: number): RowOfFields<F> {
    return Object.assign(Object.create(this.#prototype) as object, row, { version });
  }
}

/** Rows know their model, and turn themselves into JSON without what is hidden. */
function rowPrototype(of: object, hidden: ReadonlySet<string>): object {
  return Object.create(Object.prototype, {
    [MODEL_OF]: { value: of },
    toJSON: {
      value(this: Given): Given {
        return Object.fromEntries(Object.entries(this).filter(([name]) => !hidden.has(name)));
      },
    },
  }) as object;
}

function same<F extends Fields>(
  name: string,
  value: Condition<unknown>,
): Conditions<RowOfFields<F>> {
  return { [name]: value } as Conditions<RowOfFields<F>>;
}

function versionOf(row: object): number {
  return Number((row as { readonly version?: unknown }).version ?? 0);
}
