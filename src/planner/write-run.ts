/** Runs a writing text: on the stripes themselves when its shape allows, else gathered. */
import { isMolnError } from '../base/errors.ts';
import { sqliteResultCode } from '../sqlite/sqlite.ts';
import { type Binding, bind } from './binding.ts';
import { firedChange, type FiredContext, firedInsert } from './fired-write.ts';
import { areIdsUnseen, gatheredWrite, type WriteContext, type Written } from './gathered-write.ts';
import { ID_ATTEMPTS_MAX, idsFor, isIdInUse, raiseIds, withGivenIds } from './given-ids.ts';
import { narrowInsert } from './narrow-insert.ts';
import { narrowKeyed } from './narrow-keyed.ts';
import type { Table } from './table.ts';
import { constant } from './pins.ts';
import { type ReadContext, runRead } from './read-run.ts';
import { readShape } from './read-plan.ts';
import { routedInsert, UNFIT } from './routed-insert.ts';
import { routedWrite, routeOf } from './routed-write.ts';
import { asOwnError, READ_ONLY, sqliteFailure } from './sqlite-errors.ts';
import type { IdSource, StripeSession } from './stripes.ts';
import { cut, type Edit, type InsertStmt, splice } from './syntax.ts';
import type { TemporaryStore } from './temporary.ts';
import type { SqlRow } from './values.ts';
import type { InsertShape, TemporaryShape, WriteShape } from './write-plan.ts';

export type RunContext = ReadContext & WriteContext;

/** SQLite's SQLITE_MISMATCH. */
const MISMATCH = 20;

/** Everything that one statement does is inside it. */
export const STATEMENT = '_moln_statement';

/** All of `work` or nothing of it. */
export async function attempt<T>(session: StripeSession, work: () => Promise<T>): Promise<T> {
  await session.savepoint(STATEMENT);
  try {
    const result = await work();
    await session.release(STATEMENT);
    return result;
  } catch (error) {
    await session.rollbackTo(STATEMENT);
    await session.release(STATEMENT);
    throw error;
  }
}

/**
 * An error of several rows over several stripes is undone and gathered too, for SQLite names the first bad row in order; if
 * that is too large, the error of a stripe has to do.
 */
export async function runWrite(
  binding: Binding,
  shape: WriteShape | undefined,
  context: RunContext,
): Promise<Written> {
  const { session } = context;
  if (shape?.kind === 'temporary' && context.store !== undefined) {
    return await temporaryWrite(binding, shape, context.store, context);
  }
  if (session.isReadOnly === true && binding.written.some(({ schema }) => schema !== 'temp')) {
    throw sqliteFailure(
      'attempt to write a readonly database: this transaction or token only reads',
      READ_ONLY,
    );
  }
  const spread: Spread = { stripes: 0 };
  let failure: unknown;
  try {
    const written = await withFreeIds(shape, context, () =>
      attempt(session, async () => {
        const result = await onStripes(binding, shape, context, spread);
        // An answer that is too long is so wherever the text runs.
        spread.stripes = 0;
        return admitted(result, context);
      }),
    );
    if (written !== undefined) return written;
  } catch (error) {
    failure = shape !== undefined && 'table' in shape ? asOwnError(error, shape.table) : error;
    if (spread.stripes <= 1 && failure !== undefined) throw failure;
    failure ??= error;
  }
  try {
    return await attempt(session, async () =>
      admitted(await gatheredWrite(binding, context.text, context.pins.values, context), context),
    );
  } catch (error) {
    throw failure !== undefined && isMolnError(error, 'PLANNER_TOO_LARGE') ? failure : error;
  }
}

function admitted<T extends Written | undefined>(written: T, { admit }: RunContext): T {
  if (written !== undefined) admit?.(written.rows);
  return written;
}

interface Spread {
  /** How many places may fail on their own: stripes, or rows. */
  stripes: number;
}

/** Tries an INSERT again when an id that it was given is in use: another node's, or one that a gathered write chose. */
function withFreeIds<T>(
  shape: WriteShape | undefined,
  context: RunContext,
  work: () => Promise<T>,
): Promise<T> {
  const { ids, pins } = context;
  const source = shape?.kind === 'insert' ? idsFor(shape.table, ids, pins.slots.count) : undefined;
  if (shape?.kind !== 'insert' || source === undefined) return work();
  return untilFree(shape, source, context, work);
}

async function untilFree<T>(
  shape: InsertShape,
  source: IdSource,
  { pins, session }: RunContext,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempts === ID_ATTEMPTS_MAX || !isIdInUse(error, shape)) throw error;
      await raiseIds(shape.table, source, session, pins.slots.count);
    }
  }
}

/** Undefined when it has to be gathered. */
async function onStripes(
  binding: Binding,
  shape: WriteShape | undefined,
  context: RunContext,
  spread: Spread,
): Promise<Written | undefined> {
  const { foreignKeys, lastInsertRowid, pins, planner, session } = context;
  const { settings } = planner;
  const { slots } = pins;
  if (settings.force === 'gather' || shape === undefined || !('table' in shape)) return undefined;
  if (shape.kind === 'routed') {
    const route = routeOf(shape, pins);
    if (route === undefined) return undefined;
    if (shape.fires !== undefined) {
      const fired = await firedChange(shape, route, firedContext(binding, context));
      if (fired === undefined) return undefined;
      return await gatheredWrite(binding, context.text, pins.values, context, fired);
    }
    if (shape.keyed && foreignKeys) {
      const narrow = await narrowKeyed(shape, route, context);
      if (narrow === undefined) return undefined;
      return await gatheredWrite(binding, context.text, pins.values, context, narrow);
    }
    const exact = route.length > 1 ? await exactly(binding, shape.table, context) : undefined;
    if (exact !== undefined) return exact;
    spread.stripes = route.length;
    return await routedWrite(shape, route, pins.values, session, context);
  }
  const rows = givenRows(shape.node, context) ?? (await sourceRows(binding, shape.node, context));
  const ids = idsFor(shape.table, context.ids, slots.count);
  const direct = shape.narrow === undefined && !(shape.keyed && foreignKeys);
  if (direct && !shape.returningHasParameters) {
    spread.stripes = rows.length;
    const written = await routedInsert(shape, rows, {
      session,
      pins,
      stripeCount: slots.count,
      ids,
      inTransaction: context.inTransaction,
      lastInsertRowid,
    });
    if (written !== UNFIT) return written;
  }
  const filled = await withGivenIds(shape, rows, ids);
  const alone = narrowInsert(binding, filled, {
    catalogue: context.catalogue,
    pins,
    foreignKeys,
  });
  const narrow = alone && firedInsert(alone, filled, firedContext(binding, context));
  if (narrow === undefined) return undefined;
  // A conflict that is found here is SQLite's own answer: nothing to try again.
  spread.stripes = 0;
  const written = await gatheredWrite(binding, narrow.sql, narrow.values, context, narrow);
  // What stays of several rows then depends on the text itself.
  if (filled.rows.length > 1 && sqliteResultCode(written.failure) === MISMATCH) {
    spread.stripes = filled.rows.length;
    throw written.failure;
  }
  return written;
}

function firedContext(binding: Binding, context: RunContext): FiredContext {
  return {
    ...context,
    tables: binding.tables,
    areIdsUnseen: areIdsUnseen(binding, context),
  };
}

/** RETURNING of several stripes, in the order of one: of tables of a few rows, as for reading. */
async function exactly(
  binding: Binding,
  table: Table,
  context: RunContext,
): Promise<Written | undefined> {
  const { large, settings } = context.planner;
  const { exact } = settings;
  if (exact.rowsMax === 0 || binding.columns.length === 0 || large.has(table)) return undefined;
  try {
    const { pins, text } = context;
    return await gatheredWrite(binding, text, pins.values, { ...context, budget: exact, large });
  } catch (error) {
    if (!isMolnError(error, 'PLANNER_TOO_LARGE')) throw error;
    return undefined;
  }
}

/** The rows that an INSERT is to put in, when the text and its parameters say them. */
export function givenRows(
  { body }: InsertStmt,
  { pins }: Pick<RunContext, 'pins'>,
): readonly SqlRow[] | undefined {
  if (body.type === 'DefaultValuesInsertBody') return [[]];
  const { compounds, select } = body.select;
  if (select.type !== 'SelectValues' || compounds !== undefined) return undefined;
  const rows = select.values.map((row) => row.values.map((one) => constant(one, pins)));
  return rows.every((row) => row.every((value) => value !== undefined))
    ? (rows as SqlRow[])
    : undefined;
}

/** The same when they have to be read. */
async function sourceRows(
  { parameters, sql }: Binding,
  node: InsertStmt,
  context: RunContext,
): Promise<readonly SqlRow[]> {
  if (node.body.type === 'DefaultValuesInsertBody') return [[]];
  const { select } = node.body;
  const { catalogue, pins } = context;
  const head = node.with === undefined ? '' : `${cut(sql, node.with.span, parameters.edits)} `;
  const text = `${head}${cut(sql, select.span, parameters.edits)}`;
  const source = bind(catalogue, text);
  const values = pins.values.slice(0, source.parameters.names.length);
  return await runRead(source, readShape(source, catalogue), {
    ...context,
    pins: { ...pins, sql: text, parameters: source.parameters, values },
    text,
    natural: true,
  });
}

/** In the connection's own database, where SQLite alone makes it all or nothing. */
async function temporaryWrite(
  binding: Binding,
  { source: node }: TemporaryShape,
  store: TemporaryStore,
  context: RunContext,
): Promise<Written> {
  const { inTransaction, lastInsertRowid, pins, text } = context;
  const ran =
    node?.body.type === 'SelectInsertBody'
      ? await fromSource(binding, node, node.body.select.span, store, context)
      : store.run(text, pins.values, lastInsertRowid);
  const rolledBack = ran.failure !== undefined && inTransaction && !store.inTransaction;
  return { ...ran, rolledBack };
}

async function fromSource(
  binding: Binding,
  node: InsertStmt,
  span: Edit['span'],
  store: TemporaryStore,
  context: RunContext,
): Promise<ReturnType<TemporaryStore['run']>> {
  const { lastInsertRowid, pins } = context;
  const rows = givenRows(node, context) ?? (await sourceRows(binding, node, context));
  const width = rows[0]?.length;
  if (width === undefined) {
    return { rows: [], changes: 0, totalChanges: 0, lastInsertRowid };
  }
  const removed = [span, ...(node.with === undefined ? [] : [node.with.span])];
  const kept = binding.parameters.edits.filter(
    (edit) =>
      !removed.some(
        ({ length, offset }) => edit.span.offset >= offset && edit.span.offset < offset + length,
      ),
  );
  return store.runWith(rows, width, (name) => ({
    sql: splice(binding.sql, [
      ...kept,
      ...(node.with === undefined ? [] : [{ span: node.with.span, text: '' }]),
      { span, text: `SELECT * FROM ${name} WHERE true ORDER BY rowid` },
    ]),
    values: pins.values.slice(0, Math.max(0, ...kept.map(({ text }) => Number(text.slice(1))))),
    before: lastInsertRowid,
  }));
}
