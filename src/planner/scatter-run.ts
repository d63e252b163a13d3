/** Runs a scatter plan: the same text on several stripes at once, and SQLite puts the rows together. */
import { settleAll } from '../base/settle-all.ts';
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import { Budget, type GatherBudget } from './gather.ts';
import { constant, pinned, type PinContext } from './pins.ts';
import type { CombineColumn, ScatterShape } from './scatter-shape.ts';
import type { StripeSession } from './stripes.ts';
import type { SqlRow } from './values.ts';

/** Databases in memory that hold one statement's rows at a time. */
export class Combiners implements Disposable {
  #free: MemoryDatabase[] = [];

  take(): MemoryDatabase {
    return this.#free.pop() ?? new MemoryDatabase();
  }

  give(db: MemoryDatabase): void {
    if (this.#free.length >= COMBINERS_KEPT) db[Symbol.dispose]();
    else this.#free.push(db);
  }

  [Symbol.dispose](): void {
    for (const db of this.#free) db[Symbol.dispose]();
    this.#free = [];
  }
}

const COMBINERS_KEPT = 4;
/** More rows than this are not worth limiting on the stripes. */
const LIMIT_PUSHED_MAX = 1_000_000n;

export interface ScatterContext {
  readonly session: StripeSession;
  readonly combiners: Combiners;
  readonly budget: GatherBudget;
  readonly signal?: AbortSignal | undefined;
}

/** The stripes that can hold rows of the result. */
export function scatterStripes(
  { items, limiting, terms }: ScatterShape,
  context: PinContext,
  homes: ReadonlySet<number>,
): readonly number[] {
  let stripes = [...homes];
  for (const at of limiting) {
    const found = pinned(items, at, terms[at] ?? [], context);
    if (found !== undefined) stripes = stripes.filter((stripe) => found.has(stripe));
  }
  // A text that no stripe can answer is still asked of one: aggregates over nothing have a row.
  return stripes.length === 0 ? [...homes].slice(0, 1) : stripes;
}

/** Offset and limit of the whole; undefined without a limit, and where SQLite has to say what it means. */
function rangeOf(
  { limit }: ScatterShape,
  context: PinContext,
): { readonly from: bigint; readonly count: bigint } | undefined {
  if (limit === undefined) return undefined;
  const count = constant(limit.expr, context);
  const offset = limit.offset === undefined ? 0n : constant(limit.offset, context);
  if (typeof count !== 'bigint' || typeof offset !== 'bigint' || count < 0n) return undefined;
  return { from: offset < 0n ? 0n : offset, count };
}

/** The text for the stripes with its limit, which is limit and offset of the whole. */
export function stripeText(shape: ScatterShape, context: PinContext): string {
  const range = rangeOf(shape, context);
  const count = range === undefined ? undefined : range.from + range.count;
  if (count === undefined || count > LIMIT_PUSHED_MAX) return shape.stripeText;
  return `${shape.stripeText} LIMIT ${count}`;
}

export async function scatter(
  shape: ScatterShape,
  stripes: readonly number[],
  pins: PinContext,
  { session, combiners, budget: limits, signal }: ScatterContext,
): Promise<readonly SqlRow[]> {
  const text = stripeText(shape, pins);
  const values = pins.values.slice(0, shape.stripeParameters);
  const budget = new Budget(limits);
  const perStripe = async (take: (rows: readonly SqlRow[]) => void): Promise<void> => {
    await settleAll(
      stripes.map(async (stripe) => {
        for await (const rows of session.rows(stripe, text, values)) {
          signal?.throwIfAborted();
          budget.spend('results', rows);
          take(rows);
        }
      }),
    );
  };
  const { combine } = shape;
  if (combine === undefined) {
    const found: SqlRow[] = [];
    await perStripe((rows) => {
      for (const row of rows) found.push(row);
    });
    return shape.byRid ? withoutRid(found.sort(byLast)) : found;
  }
  const range = rangeOf(shape, pins);
  if (shape.ridOrder !== undefined && (shape.limit === undefined || range !== undefined)) {
    // Whole numbers need no SQLite to be compared.
    const found: SqlRow[] = [];
    await perStripe((rows) => {
      for (const row of rows) found.push(row);
    });
    found.sort(shape.ridOrder === 'ascending' ? byLast : (a, b) => byLast(b, a));
    if (range === undefined) return withoutRid(found);
    const from = Number(range.from);
    return withoutRid(found.slice(from, from + Number(range.count)));
  }
  const db = combiners.take();
  try {
    db.exec(`CREATE TABLE _g(${combine.columns.map(columnText).join(', ')})`);
    const insert = db.prepare(
      `INSERT INTO _g VALUES (${combine.columns.map(() => '?').join(', ')})`,
    );
    await perStripe((rows) => {
      for (const row of rows) insert.run(row);
    });
    return db.prepare(combine.text).all(pins.values.slice(0, shape.combineParameters));
  } finally {
    db.exec('DROP TABLE IF EXISTS _g');
    combiners.give(db);
  }
}

const TYPES = { integer: 'INTEGER', real: 'REAL', numeric: 'NUMERIC', text: 'TEXT', blob: 'BLOB' };

function columnText({ name, affinity, collation }: CombineColumn): string {
  return `${name} ${TYPES[affinity]} COLLATE ${collation}`;
}

/** The rows of a plan without `combine` in batches, as they come or by the rowid. */
export async function* scatterStream(
  shape: ScatterShape,
  stripes: readonly number[],
  pins: PinContext,
  { session, signal }: Pick<ScatterContext, 'session' | 'signal'>,
): AsyncGenerator<readonly SqlRow[]> {
  const values = pins.values.slice(0, shape.stripeParameters);
  if (shape.byRid) {
    const sources = stripes.map((stripe) =>
      session.isMoving === true
        ? session.rows(stripe, shape.stripeText, values)
        : pages(shape, stripe, pins, session),
    );
    for await (const rows of mergeByLast(sources)) {
      signal?.throwIfAborted();
      yield withoutRid(rows);
    }
    return;
  }
  for (const stripe of stripes) {
    for await (const rows of session.rows(stripe, shape.stripeText, values)) {
      signal?.throwIfAborted();
      yield rows;
    }
  }
}

/** The same of one stripe: what is small comes in one answer, which needs no view of the stripe. */
export async function* stripeStream(
  shape: ScatterShape,
  stripe: number,
  pins: PinContext,
  context: Pick<ScatterContext, 'session' | 'signal'>,
): AsyncGenerator<readonly SqlRow[]> {
  const text = `${shape.stripeText} LIMIT ${PAGE_ROWS + 1}`;
  const values = pins.values.slice(0, shape.stripeParameters);
  const first: SqlRow[] = [];
  for await (const rows of context.session.rows(stripe, text, values, true)) first.push(...rows);
  if (first.length <= PAGE_ROWS) yield withoutRid(first);
  else yield* scatterStream(shape, [stripe], pins, context);
}

/** Rows of one page: it is all that is held of a stripe. */
const PAGE_ROWS = 1000;

/** One stripe's rows by the rowid, each page when it is wanted. */
async function* pages(
  { nextText, stripeParameters, stripeText: text }: ScatterShape,
  stripe: number,
  { parameters, values: given }: PinContext,
  session: StripeSession,
): AsyncGenerator<readonly SqlRow[]> {
  const count = parameters.names.length;
  const all = Array.from({ length: count }, (_, at) => given[at] ?? null);
  for (let last: SqlRow[number] | undefined, full = true; full;) {
    const source =
      last === undefined
        ? session.rows(stripe, `${text} LIMIT ${PAGE_ROWS}`, given.slice(0, stripeParameters))
        : session.rows(stripe, `${nextText} LIMIT ${PAGE_ROWS}`, [...all, last]);
    let found = 0;
    for await (const rows of source) {
      found += rows.length;
      last = rows.at(-1)?.at(-1) ?? last;
      yield rows;
    }
    full = found >= PAGE_ROWS;
  }
}

function withoutRid(rows: readonly SqlRow[]): SqlRow[] {
  return rows.map((row) => row.slice(0, -1));
}

function byLast(a: SqlRow, b: SqlRow): number {
  const one = a.at(-1) as bigint;
  const two = b.at(-1) as bigint;
  return one < two ? -1 : one > two ? 1 : 0;
}

interface Head {
  readonly rest: AsyncIterator<readonly SqlRow[]>;
  rows: readonly SqlRow[];
  at: number;
}

/** Sorted sources as one sorted source; what one of them has read ahead is a batch. */
async function* mergeByLast(
  sources: readonly AsyncIterable<readonly SqlRow[]>[],
): AsyncGenerator<readonly SqlRow[]> {
  const rests = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    let heads = (await Promise.all(rests.map(firstOf))).filter((head) => head !== undefined);
    while (heads.length > 0) {
      const batch: SqlRow[] = [];
      // Until one of the sources has to be asked again.
      for (let empty = false; !empty;) {
        let least: Head | undefined;
        let row: SqlRow | undefined;
        for (const head of heads) {
          const next = head.rows[head.at];
          if (next === undefined || (row !== undefined && byLast(row, next) <= 0)) continue;
          least = head;
          row = next;
        }
        if (least === undefined || row === undefined) break;
        batch.push(row);
        least.at += 1;
        empty = least.at >= least.rows.length;
      }
      if (batch.length > 0) yield batch;
      heads = (await Promise.all(heads.map(refilled))).filter((head) => head !== undefined);
    }
  } finally {
    await Promise.all(rests.map(async (rest) => rest.return?.()));
  }
}

async function firstOf(rest: AsyncIterator<readonly SqlRow[]>): Promise<Head | undefined> {
  return await refilled({ rest, rows: [], at: 0 });
}

async function refilled(head: Head): Promise<Head | undefined> {
  if (head.at < head.rows.length) return head;
  for (;;) {
    const next = await head.rest.next();
    if (next.done === true) return undefined;
    if (next.value.length === 0) continue;
    head.rows = next.value;
    head.at = 0;
    return head;
  }
}
