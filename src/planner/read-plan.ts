/**
 * Chooses how a reading text runs: P0 in one place, P1 on the one stripe that its keys name, P2 and P3 on
 * several with their rows put together, P4 gathered. What cannot be
 * proved to be right elsewhere is gathered.
 */
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import type { Table } from './table.ts';
import { type TableFilter, tableFilters } from './gather-filter.ts';
import { type Item, itemOf, pinned, type PinContext, termsFor } from './pins.ts';
import { plainItems, pushEdits } from './push.ts';
import { scatterShape } from './scatter-plan.ts';
import type { ScatterShape } from './scatter-shape.ts';
import { scatterStripes } from './scatter-run.ts';
import { type AstNode, type Edit, type Expr, type SelectFrom, splice, walk } from './syntax.ts';

export type ReadPlan =
  /** No rows of any table: the shadow answers. */
  | { readonly name: 'P0'; readonly on: 'coordinator' }
  /** Only temporary tables of this connection. */
  | { readonly name: 'P0'; readonly on: 'connection' }
  | { readonly name: 'P0'; readonly on: 'stripe'; readonly sql: string }
  | { readonly name: 'P1'; readonly sql: string; readonly stripe: number }
  | {
      readonly name: 'P2' | 'P3';
      readonly shape: ScatterShape;
      readonly stripes: readonly number[];
      /** Why it is not P1. */
      readonly why: string;
    }
  | { readonly name: 'P4'; readonly why: string };

/** What of a plan does not depend on the parameters' values: kept with the text. */
export interface ReadShape {
  readonly pushed: string | undefined;
  readonly why: string;
  /** Every striped table in the text, with the terms that hold for its rows. */
  readonly occurrences: readonly Occurrence[];
  readonly allCounted: boolean;
  /** How all stripes could answer together, or why they cannot. */
  readonly scatter: ScatterShape | string;
  /** What of each table gathering needs. */
  readonly filters: ReadonlyMap<Table, TableFilter>;
}

export interface Occurrence {
  readonly items: readonly Item[];
  readonly at: number;
  readonly terms: readonly Expr[];
}

/** Each part of it when it is first asked for: many texts need only some. */
export function readShape(binding: Binding, catalogue: Catalogue): ReadShape {
  const edits: readonly Edit[] | string = pushEdits(binding, catalogue);
  const { parsed } = binding;
  const filters = once(() => tableFilters(binding, catalogue));
  if (typeof edits === 'string' || parsed === undefined) {
    const why = typeof edits === 'string' ? edits : 'the text can be read by SQLite only';
    return {
      pushed: undefined,
      why,
      occurrences: [],
      allCounted: false,
      scatter: why,
      get filters() {
        return filters();
      },
    };
  }
  const pushed = once(() => splice(parsed.sql, edits));
  const occurrences = once(() => occurrencesIn(parsed.node, catalogue));
  const scatter = once(() => scatterShape(binding, catalogue, edits));
  return {
    get pushed() {
      return pushed();
    },
    why: '',
    get occurrences() {
      return occurrences();
    },
    /** A table that SQLite reads and that was not seen in the text: somebody reads the text differently. */
    get allCounted() {
      const counted = new Set(occurrences().map(({ items, at }) => items[at]?.table));
      return binding.tables.every((table) => table.place !== 'striped' || counted.has(table));
    },
    get scatter() {
      return scatter();
    },
    get filters() {
      return filters();
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

export function occurrencesIn(node: AstNode, catalogue: Catalogue): readonly Occurrence[] {
  const found: Occurrence[] = [];
  walk(node, (one) => {
    if (one.type === 'SelectFrom') found.push(...inSelect(one, catalogue));
  });
  return found;
}

function inSelect({ from, whereClause }: SelectFrom, catalogue: Catalogue): readonly Occurrence[] {
  const items = plainItems(from).map((item) => itemOf(item, catalogue));
  const termsOf = termsFor(from, whereClause);
  return items.flatMap(({ table }, at) =>
    table?.place === 'striped' ? [{ items, at, terms: termsOf(at) }] : [],
  );
}

export function decideRead(
  binding: Binding,
  shape: ReadShape,
  context: PinContext,
  homes: ReadonlySet<number>,
  force?: 'gather',
): ReadPlan {
  const { tables } = binding;
  if (binding.temporary === 'only') return { name: 'P0', on: 'connection' };
  if (tables.length === 0 && !binding.readsSequence) return { name: 'P0', on: 'coordinator' };
  if (shape.pushed === undefined) return { name: 'P4', why: shape.why };
  const striped = tables.filter(({ place }) => place === 'striped');
  if (striped.length === 0) return { name: 'P0', on: 'stripe', sql: shape.pushed };
  if (force === 'gather') return { name: 'P4', why: 'it was asked for' };
  if (homes.size <= 1 && !hasSingle(tables)) {
    return { name: 'P1', sql: shape.pushed, stripe: [...homes][0] ?? 0 };
  }
  if (!shape.allCounted)
    return { name: 'P4', why: 'a striped table is read in a way the planner does not follow' };
  const places = new Set<number>(hasSingle(tables) ? [0] : []);
  for (const { items, at, terms } of shape.occurrences) {
    const stripes = pinned(items, at, terms, context);
    if (stripes === undefined) {
      return scattered(shape, context, homes, whyNotPinned(items[at]));
    }
    for (const stripe of stripes) places.add(stripe);
  }
  if (places.size > 1) return scattered(shape, context, homes, 'its keys lie on several stripes');
  return { name: 'P1', sql: shape.pushed, stripe: [...places][0] ?? 0 };
}

function scattered(
  { scatter }: ReadShape,
  context: PinContext,
  homes: ReadonlySet<number>,
  why: string,
): ReadPlan {
  if (typeof scatter === 'string') return { name: 'P4', why: `${why}; ${scatter}` };
  const stripes = scatterStripes(scatter, context, homes);
  return { name: scatter.name, shape: scatter, stripes, why };
}

function hasSingle(tables: readonly Table[]): boolean {
  return tables.some(({ place }) => place === 'single');
}

function whyNotPinned(item: Item | undefined): string {
  return `table "${item?.table?.name ?? ''}" is not limited to a value of its distribution column "${item?.table?.distkey?.name ?? ''}"`;
}
