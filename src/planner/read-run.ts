/** Runs a reading text by its plan, inside one transaction over the stripes. */
import { isMolnError } from '../base/errors.ts';
import { sqliteResultCode } from '../sqlite/sqlite.ts';
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { fetchesOf, gather, type GatherBudget } from './gather.ts';
import { gatherKept } from './kept-tables.ts';
import type { PinContext } from './pins.ts';
import type { Planner } from './planner.ts';
import { decideRead, type ReadShape } from './read-plan.ts';
import { scatter, scatterStream, stripeStream } from './scatter-run.ts';
import { loadSequences } from './sequence.ts';
import { makeTriggers, type ScratchPool } from './scratch.ts';
import { slotHomes } from '../slots/slots.ts';
import type { StripeSession } from './stripes.ts';
import { find, walk } from './syntax.ts';
import type { TemporaryStore } from './temporary.ts';
import type { SqlRow } from './values.ts';

export interface ReadContext {
  readonly planner: Planner;
  readonly catalogue: Catalogue;
  readonly pool: ScratchPool;
  /** The connection's own tables, if it may have some. */
  readonly store: TemporaryStore | undefined;
  readonly session: StripeSession;
  readonly pins: PinContext;
  readonly signal?: AbortSignal | undefined;
  /** The text with what only the connection knows put in. */
  readonly text: string;
  /** Rows in the order that SQLite would find them: ids are given in it. */
  readonly natural?: boolean;
  /** Tables that have more than this are not gathered. */
  readonly exact?: GatherBudget;
}

export async function runRead(
  binding: Binding,
  shape: ReadShape,
  context: ReadContext,
): Promise<readonly SqlRow[]> {
  const { catalogue, pins, planner, session } = context;
  const { force } = planner.settings;
  const plan = decideRead(binding, shape, pins, slotHomes(pins.slots), force);
  switch (plan.name) {
    case 'P0':
      if (plan.on === 'stripe') return await onStripe(0, plan.sql, context);
      if (plan.on === 'connection') return await onConnection(binding, shape, context);
      if (session.apart !== undefined && shape.pushed !== undefined && mayTakeLong(binding)) {
        return await session.apart(shape.pushed, pins.values, context.natural);
      }
      return catalogue.shadow.prepare(context.text).all(pins.values);
    case 'P1':
      return await onStripe(plan.stripe, plan.sql, context);
    case 'P2':
    case 'P3': {
      if (context.natural === true && plan.shape.combine === undefined) {
        return await naturally(binding, shape, context);
      }
      const isKept = session.sightings !== undefined && planner.keeps.areCalm(binding.tables);
      const exact =
        plan.shape.isOrdered && !isKept ? undefined : await exactly(binding, shape, context);
      if (exact !== undefined) return exact;
      try {
        return await scatter(plan.shape, plan.stripes, pins, {
          session,
          combiners: planner.combiners,
          budget: planner.settings.budget,
          signal: context.signal,
        });
      } catch (error) {
        return await afterFailure(error, binding, shape, context);
      }
    }
    default:
      return await gathered(binding, shape.filters, context);
  }
}

/** Reads until what was read fits together: as long as the session thinks it worth that, by looks, and else as of a moment that it holds. */
export async function asOfOneMoment<T>(
  session: StripeSession,
  sql: string,
  read: () => Promise<T>,
): Promise<T> {
  while (session.looks?.(sql) === true) {
    try {
      const rows = await read();
      if (await session.isOneMoment?.()) return rows;
    } catch (error) {
      // What does not fit together may well not add up.
      if (await session.isOneMoment?.()) throw error;
    }
  }
  return await read();
}

const QUICK_FUNCTIONS: ReadonlySet<string> = new Set(
  (
    'abs coalesce ifnull iif length lower nullif typeof upper date datetime julianday strftime time unixepoch ' +
    'changes last_insert_rowid random sqlite_version total_changes'
  ).split(' '),
);

/** Anything but one row of simple expressions. What only the shadow knows never does. */
function mayTakeLong({ functions, parsed, readsSchema }: Binding): boolean {
  if (readsSchema || parsed === undefined) return false;
  const many = find(
    parsed.node,
    (node) =>
      ('from' in node && node.from !== undefined) ||
      ('with' in node && node.with !== undefined) ||
      ('compounds' in node && node.compounds !== undefined),
  );
  return many !== undefined || [...functions].some((name) => !QUICK_FUNCTIONS.has(name));
}

/** Batches as they come where stripes can simply follow each other; the whole result at once otherwise. */
export async function* streamRead(
  binding: Binding,
  shape: ReadShape,
  context: ReadContext,
): AsyncGenerator<readonly SqlRow[]> {
  const { pins, session, signal } = context;
  const plan = decideRead(binding, shape, pins, slotHomes(pins.slots));
  const { scatter: walk } = shape;
  if (plan.name === 'P1' && typeof walk === 'object' && walk.byRid) {
    yield* stripeStream(walk, plan.stripe, pins, { session, signal });
  } else if (plan.name === 'P1' || (plan.name === 'P0' && plan.on === 'stripe')) {
    yield* session.rows(plan.name === 'P1' ? plan.stripe : 0, plan.sql, pins.values, true);
  } else if (plan.name === 'P2' && plan.shape.combine === undefined) {
    const exact = plan.shape.isOrdered ? undefined : await exactly(binding, shape, context);
    if (exact !== undefined) yield exact;
    else yield* scatterStream(plan.shape, plan.stripes, pins, { session, signal });
  } else {
    yield await runRead(binding, shape, context);
  }
}

/**
 * Tables of a few rows are gathered all the same, unless the order of the result is certain: SQLite then decides what SQL leaves open (the order of rows without ORDER BY,
 * of equal ones, of the terms of a sum), and stripes make no difference. Undefined when a table is larger than that.
 */
async function exactly(
  binding: Binding,
  shape: ReadShape,
  context: ReadContext,
): Promise<readonly SqlRow[] | undefined> {
  const { large, settings } = context.planner;
  const { exact } = settings;
  if (exact.rowsMax === 0 || binding.tables.some((table) => large.has(table))) return undefined;
  try {
    return await gathered(binding, shape.filters, { ...context, exact });
  } catch (error) {
    if (!isMolnError(error, 'PLANNER_TOO_LARGE')) throw error;
    return undefined;
  }
}

/** As SQLite would order them, if that fits into one place; else any order, which SQL allows. */
async function naturally(
  binding: Binding,
  shape: ReadShape,
  context: ReadContext,
): Promise<readonly SqlRow[]> {
  try {
    return await gathered(binding, shape.filters, context);
  } catch (error) {
    if (!isMolnError(error, 'PLANNER_TOO_LARGE')) throw error;
    return await runRead(binding, shape, { ...context, natural: false });
  }
}

/** A stripe may raise what the whole would not (an overflow on the way): the whole decides, if it fits into one place. */
async function afterFailure(
  failure: unknown,
  binding: Binding,
  shape: ReadShape,
  context: ReadContext,
): Promise<readonly SqlRow[]> {
  if (sqliteResultCode(failure) !== 1) throw failure;
  try {
    return await gathered(binding, shape.filters, context);
  } catch (error) {
    throw isMolnError(error, 'PLANNER_TOO_LARGE') ? failure : error;
  }
}

/** Where temporary tables are nobody can stop SQLite: what may take long is computed elsewhere, if there is such a place. */
async function onConnection(
  binding: Binding,
  shape: ReadShape,
  context: ReadContext,
): Promise<readonly SqlRow[]> {
  const { pins, session, store, text } = context;
  if (store !== undefined && (session.gathered === undefined || isOneScan(binding))) {
    return store.rows(text, pins.values);
  }
  return await gathered(binding, shape.filters, context);
}

const SCAN_FUNCTIONS: ReadonlySet<string> = new Set(['avg', 'count', 'max', 'min', 'sum', 'total']);

/** One table from end to end, and only functions that are quick. */
function isOneScan({ functions, parsed }: Binding): boolean {
  if (parsed?.node.type !== 'SelectStmt') return false;
  let froms = 0;
  walk(parsed.node, (node) => {
    if (node.type === 'SelectFrom') froms += 1 + (node.from?.joins?.length ?? 0);
    if (node.type === 'CommonTableExpr') froms = Infinity;
  });
  return (
    froms <= 1 &&
    [...functions].every((name) => QUICK_FUNCTIONS.has(name) || SCAN_FUNCTIONS.has(name))
  );
}

async function onStripe(
  stripe: number,
  sql: string,
  { pins, session, signal }: ReadContext,
): Promise<readonly SqlRow[]> {
  const rows: SqlRow[] = [];
  for await (const batch of session.rows(stripe, sql, pins.values, true)) {
    signal?.throwIfAborted();
    for (const row of batch) rows.push(row);
  }
  return rows;
}

async function gathered(
  binding: Binding,
  filters: ReadShape['filters'],
  { catalogue, exact, pins, planner, pool, session, signal, text }: ReadContext,
): Promise<readonly SqlRow[]> {
  // A few rows are not worth another process.
  if (exact === undefined && session.gathered !== undefined) {
    return await session.gathered(text, pins.values);
  }
  const { keeps, settings } = planner;
  // What is put into a scratch for these would be kept with the rows.
  const isOwn = binding.readsSequence || binding.readsSchema;
  const sightings = isOwn ? undefined : session.sightings;
  const scratch = pool.take(catalogue, sightings !== undefined);
  try {
    const { count } = pins.slots;
    const fetches = fetchesOf(binding.tables, filters, pins, count);
    const options = {
      session,
      scratch,
      signal,
      ...(exact === undefined
        ? { budget: settings.budget }
        : { budget: exact, large: planner.large }),
    };
    if (sightings === undefined) await gather(fetches, options);
    else await gatherKept(fetches, { ...options, sightings, keeps, count });
    if (binding.readsSequence) await loadSequences(catalogue, scratch, session);
    if (binding.readsSchema) {
      scratch.spoiled = true;
      makeTriggers(scratch.db, catalogue);
    }
    return scratch.db.prepare(text).all(pins.values);
  } finally {
    pool.give(scratch);
  }
}
