/**
 * What most writing texts are: an INSERT of one row that goes to one stripe as it is, and about which nobody has to be asked
 * anything. A pure decider over a text that is known already; whatever is more than that runs as every other text does.
 */
import type { Reach } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { idsFor } from './given-ids.ts';
import { constant, type PinContext, stripeOfKey } from './pins.ts';
import type { PlanCache } from './plan-cache.ts';
import type { IdSource } from './stripes.ts';
import { list } from './table.ts';
import { type Expr, quoted } from './syntax.ts';
import type { SqlRow, SqlValue } from './values.ts';
import type { InsertShape } from './write-plan.ts';

export interface LoneInsert {
  readonly stripe: number;
  readonly sql: string;
  /** For `sql`. */
  readonly row: SqlRow;
  /** Rows of the table have an id, so `last_insert_rowid()` is the new one's. */
  readonly hasId: boolean;
}

export interface LoneContext {
  readonly plans: PlanCache;
  readonly reach: Reach;
  readonly catalogue: Catalogue;
  readonly slots: PinContext['slots'];
  readonly coerce: PinContext['coerce'];
  readonly ids: IdSource | undefined;
}

/** Undefined when the text is not known yet, or may be anything else. `values` are those of its parameters, in their order. */
export function loneInsert(
  sql: string,
  values: SqlRow,
  { plans, reach, catalogue, slots, coerce, ids }: LoneContext,
): LoneInsert | undefined {
  const prepared = plans.find(sql, catalogue, reach);
  if (prepared === undefined || prepared.write?.kind !== 'insert') return undefined;
  const { binding, write: shape } = prepared;
  const text = textOf(shape, reach);
  if (text === undefined || values.length !== binding.parameters.names.length) return undefined;
  const { parameters, sql: own } = binding;
  const pins: PinContext = { sql: own, catalogue, slots, parameters, values, coerce };
  const row: SqlValue[] = [];
  for (const one of text.row) {
    const value = constant(one, pins);
    if (value === undefined) return undefined;
    row.push(value);
  }
  const { columns, table } = shape;
  const { distkey, rid } = table;
  const isChosen = rid !== undefined && (row[columns.indexOf(rid)] ?? null) !== null;
  if (isChosen && shape.ridReachesFar) return undefined;
  const isStriped = distkey !== undefined && slots.count > 1;
  // A source gives the id, or is told of it; without one all stripes are asked for the largest.
  const hasSource = idsFor(table, ids, slots.count) !== undefined;
  if (rid !== undefined && (hasSource || (isStriped && !isChosen))) return undefined;
  const key = isStriped ? (row[columns.indexOf(distkey.name)] ?? null) : null;
  const stripe = isStriped ? stripeOfKey(table, key, pins) : 0;
  return { stripe, sql: text.sql, row, hasId: rid !== undefined };
}

interface LoneText {
  readonly sql: string;
  readonly row: readonly Expr[];
}

const texts = new WeakMap<InsertShape, { readonly text: LoneText | undefined }>();

/** What its stripe runs; undefined when it takes more than that. Made once for each shape. */
function textOf(shape: InsertShape, reach: Reach): LoneText | undefined {
  let known = texts.get(shape);
  if (known === undefined) {
    known = { text: makeText(shape, reach) };
    texts.set(shape, known);
  }
  return known.text;
}

function makeText(shape: InsertShape, { foreignKeys }: Reach): LoneText | undefined {
  const { columns, keyed, narrow, node, or, returning, table } = shape;
  const { body } = node;
  if (body.type !== 'SelectInsertBody' || body.select.select.type !== 'SelectValues') return;
  const [row, ...more] = body.select.select.values;
  if (row === undefined || more.length > 0 || body.select.compounds !== undefined) return;
  const isOnOne = table.place === 'striped' || table.place === 'single';
  if (!isOnOne || narrow !== undefined || (keyed && foreignKeys) || returning !== '') return;
  if (row.values.length !== columns.length) return;
  const marks = columns.map((_, at) => `?${at + 1}`).join(', ');
  const sql = `INSERT ${or} INTO ${quoted(table.name)}(${list(columns)}) VALUES (${marks})`;
  return { sql, row: row.values };
}
