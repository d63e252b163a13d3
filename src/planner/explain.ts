/** What would happen to a text, and why nothing better: the data of `moln why query`. */
import { type Fetch, fetchesOf, fetchText, stripesOf } from './gather.ts';
import { whyFar } from './fired-rows.ts';
import {
  firedInsert,
  type ToldContext,
  whyFiredWide,
  wholeOf,
  wholeOfChange,
} from './fired-write.ts';
import { areIdsUnseen } from './gathered-write.ts';
import { areIdsGiven, type GivenIds, withIdsFrom } from './given-ids.ts';
import { type NarrowInsert, narrowInsert } from './narrow-insert.ts';
import { KEYS_MAX, whyWide } from './narrow-keyed.ts';
import type { PinContext } from './pins.ts';
import type { Prepared } from './plan-cache.ts';
import { decideRead } from './read-plan.ts';
import { routeOf } from './routed-write.ts';
import { stripeText } from './scatter-run.ts';
import { slotHomes } from '../slots/slots.ts';
import { OWN_STRIPE } from './stripes.ts';
import type { Table } from './table.ts';
import type { SqlValue } from './values.ts';
import type { InsertShape, RoutedShape } from './write-plan.ts';
import { givenRows } from './write-run.ts';

export interface Explanation {
  readonly plan:
    | 'P0'
    | 'P1'
    | 'P2'
    | 'P3'
    | 'P4'
    | 'routed insert'
    | 'narrow insert'
    | 'routed write'
    | 'narrow write'
    | 'gathered write';
  /** Where it runs, or what is read from; empty for the coordinator alone. */
  readonly stripes: readonly number[];
  /** What each of them runs. */
  readonly stripeTexts: readonly string[];
  /** What the coordinator runs over what they give. */
  readonly combine: string | undefined;
  /** Why it is not a better plan; '' when there is none. */
  readonly why: string;
}

export interface ExplainContext {
  readonly pins: PinContext;
  readonly settings: { readonly foreignKeys: boolean; readonly recursiveTriggers: boolean };
}

export function explain(prepared: Prepared, context: ExplainContext): Explanation {
  return prepared.read === undefined
    ? explainWrite(prepared, context)
    : explainRead(prepared, prepared.read, context);
}

function explainRead(
  { binding }: Prepared,
  shape: NonNullable<Prepared['read']>,
  { pins }: ExplainContext,
): Explanation {
  const plan = decideRead(binding, shape, pins, slotHomes(pins.slots));
  switch (plan.name) {
    case 'P0':
      return plan.on === 'stripe'
        ? { plan: 'P0', stripes: [0], stripeTexts: [plan.sql], combine: undefined, why: '' }
        : { plan: 'P0', stripes: [], stripeTexts: [], combine: binding.sql, why: '' };
    case 'P1':
      return {
        plan: 'P1',
        stripes: [plan.stripe],
        stripeTexts: [plan.sql],
        combine: undefined,
        why: '',
      };
    case 'P2':
    case 'P3':
      return {
        plan: plan.name,
        stripes: plan.stripes,
        stripeTexts: [stripeText(plan.shape, pins)],
        combine: plan.shape.combine?.text,
        why: plan.why,
      };
    default:
      return gathered(
        'P4',
        fetched(fetchesOf(binding.tables, shape.filters, pins, pins.slots.count)),
        binding.sql,
        plan.why,
      );
  }
}

function explainWrite({ binding, write }: Prepared, context: ExplainContext): Explanation {
  const { pins, settings } = context;
  const stripeCount = pins.slots.count;
  const all = fetched(
    binding.tables.map((table) => ({ table, stripes: stripesOf(table, stripeCount) })),
  );
  const wide = (why: string): Explanation => gathered('gathered write', all, binding.sql, why);
  if (write?.kind === 'temporary') {
    return { plan: 'P0', stripes: [], stripeTexts: [], combine: binding.sql, why: '' };
  }
  if (write === undefined || write.kind === 'gather') return wide(write?.why ?? '');
  if (write.kind === 'insert') {
    const narrow = whyNarrowInsert(write, settings);
    const far = narrow === undefined ? undefined : whyWideInsert(binding, write, pins, settings);
    if (far !== undefined) return wide(`${narrow}, and ${far}`);
    return {
      plan: narrow === undefined ? 'routed insert' : 'narrow insert',
      stripes: Array.from({ length: stripeCount }, (_, stripe) => stripe),
      stripeTexts: [binding.sql],
      combine: undefined,
      why:
        narrow === undefined
          ? ''
          : `${narrow}${wholeWords(wholeOfInsert(binding, write, context))}`,
    };
  }
  const route = routeOf(write, pins);
  if (route === undefined) return wide('it calls a function that differs from stripe to stripe');
  const why = whyNarrowChange(write, settings);
  if (why !== undefined) {
    const { catalogue } = pins;
    const far =
      write.fires === undefined
        ? whyWide(write, catalogue)
        : whyFiredWide(write, { ...settings, catalogue });
    if (far !== undefined) return wide(far);
    return {
      plan: 'narrow write',
      stripes: route,
      stripeTexts: [write.sql],
      combine: undefined,
      why: `${why}${wholeWords(wholeOfChange(write, route, toldContext(binding, context)))}`,
    };
  }
  const { distkey } = write.table;
  return {
    plan: 'routed write',
    stripes: route,
    stripeTexts: [write.sql],
    combine: undefined,
    why:
      route.length > 1 && distkey !== undefined
        ? `its WHERE gives no value to "${distkey.name}"`
        : '',
  };
}

/** Undefined when its rows go straight to their stripes. */
function whyNarrowInsert(
  { keyed, narrow, returningHasParameters }: InsertShape,
  { foreignKeys }: ExplainContext['settings'],
): string | undefined {
  if (narrow !== undefined) return narrow;
  if (keyed && foreignKeys) return 'it has foreign keys';
  return returningHasParameters ? 'its RETURNING has parameters' : undefined;
}

/** Why it has to be gathered. */
function whyWideInsert(
  binding: Prepared['binding'],
  shape: InsertShape,
  pins: PinContext,
  settings: ExplainContext['settings'],
): string | undefined {
  const far = shape.fires && whyFar(shape.fires, { ...settings, catalogue: pins.catalogue });
  if (far !== undefined) return far;
  const [narrow] = insertAlone(binding, shape, pins, settings);
  return narrow === undefined ? 'the rows that it needs cannot be named' : undefined;
}

/** Asks who decides it, with rows that stand in for those that the source would give, and no NULL. */
function insertAlone(
  binding: Prepared['binding'],
  shape: InsertShape,
  pins: PinContext,
  { foreignKeys }: ExplainContext['settings'],
): readonly [NarrowInsert | undefined, GivenIds] {
  const given = givenRows(shape.node, { pins });
  const rows = given ?? [shape.columns.map(() => 0n)];
  const filled = areIdsGiven(shape.table, pins.slots.count)
    ? withIdsFrom(shape, rows, 1n)
    : { shape, rows, given: new Set<SqlValue>() };
  const { catalogue } = pins;
  return [narrowInsert(binding, filled, { catalogue, pins, foreignKeys }), filled];
}

/** Tables of which it fetches all rows for its triggers. */
function wholeOfInsert(
  binding: Prepared['binding'],
  shape: InsertShape,
  context: ExplainContext,
): readonly Table[] {
  const [alone, filled] = insertAlone(binding, shape, context.pins, context.settings);
  if (alone === undefined || shape.fires === undefined) return [];
  const fired = firedInsert(alone, filled, toldContext(binding, context));
  return wholeOf(fired?.fetches ?? []);
}

function toldContext(
  binding: Prepared['binding'],
  { pins, settings }: ExplainContext,
): ToldContext {
  const { catalogue } = pins;
  const areUnseen = areIdsUnseen(binding, { catalogue });
  const { tables } = binding;
  return { ...settings, catalogue, pins, tables, ids: undefined, areIdsUnseen: areUnseen };
}

function wholeWords(tables: readonly Table[]): string {
  if (tables.length === 0) return '';
  const names = tables.map(({ name }) => `"${name}"`).join(', ');
  return `; of ${names} all rows are read, for its triggers do not name those that they need`;
}

function whyNarrowChange(
  { fires, keyed }: RoutedShape,
  { foreignKeys }: ExplainContext['settings'],
): string | undefined {
  if (fires !== undefined) {
    const most = fires.touchesOwn ? 'one row' : `${KEYS_MAX} rows`;
    return `it fires a trigger: rows that it names are read too, and of more than ${most} whole tables`;
  }
  return keyed && foreignKeys
    ? `foreign keys lead to or from the table: rows that they lead to are read too, and if they are more than ${KEYS_MAX} whole tables`
    : undefined;
}

interface Fetched {
  readonly stripes: readonly number[];
  readonly texts: readonly string[];
}

function fetched(fetches: readonly Fetch[]): Fetched {
  return {
    stripes: [...new Set(fetches.flatMap(({ stripes }) => stripes))]
      .filter((stripe) => stripe !== OWN_STRIPE)
      .sort((a, b) => a - b),
    texts: fetches.map((fetch) => fetchText(fetch)),
  };
}

function gathered(
  plan: 'P4' | 'gathered write',
  { stripes, texts }: Fetched,
  combine: string,
  why: string,
): Explanation {
  return { plan, stripes, stripeTexts: texts, combine, why };
}
