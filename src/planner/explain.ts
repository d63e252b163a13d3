/** What would happen to a text, and why nothing better: the data of `moln why query`. */
import { type Fetch, fetchesOf, fetchText, stripesOf } from './gather.ts';
import { whyWide } from './narrow-keyed.ts';
import type { PinContext } from './pins.ts';
import type { Prepared } from './plan-cache.ts';
import { decideRead } from './read-plan.ts';
import { routeOf } from './routed-write.ts';
import { stripeText } from './scatter-run.ts';
import { slotHomes } from '../slots/slots.ts';
import { OWN_STRIPE } from './stripes.ts';

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
  readonly foreignKeys: boolean;
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

function explainWrite(
  { binding, write }: Prepared,
  { foreignKeys, pins }: ExplainContext,
): Explanation {
  const stripeCount = pins.slots.count;
  const all = fetched(
    binding.tables.map((table) => ({ table, stripes: stripesOf(table, stripeCount) })),
  );
  if (write?.kind === 'temporary') {
    return { plan: 'P0', stripes: [], stripeTexts: [], combine: binding.sql, why: '' };
  }
  if (write === undefined || write.kind === 'gather') {
    return gathered('gathered write', all, binding.sql, write?.why ?? '');
  }
  if (write.kind === 'insert') {
    const stripes = Array.from({ length: stripeCount }, (_, stripe) => stripe);
    const why = write.narrow ?? (write.keyed && foreignKeys ? 'it has foreign keys' : undefined);
    return {
      plan: why === undefined ? 'routed insert' : 'narrow insert',
      stripes,
      stripeTexts: [binding.sql],
      combine: undefined,
      why: why ?? '',
    };
  }
  const route = routeOf(write, pins);
  if (route === undefined) {
    return gathered(
      'gathered write',
      all,
      binding.sql,
      'it calls a function that differs from stripe to stripe',
    );
  }
  if (write.fires !== undefined || (write.keyed && foreignKeys)) {
    const wide = whyWide(write, pins.catalogue);
    if (wide !== undefined) return gathered('gathered write', all, binding.sql, wide);
    const why =
      write.fires === undefined
        ? 'foreign keys lead to or from the table: rows that they lead to are read too'
        : 'it fires a trigger: rows that it names are read too';
    return {
      plan: 'narrow write',
      stripes: route,
      stripeTexts: [write.sql],
      combine: undefined,
      why,
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
