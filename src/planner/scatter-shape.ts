/** What a P2 or P3 plan is made of. */
import type { Column } from './table.ts';
import type { Item } from './pins.ts';
import type { Expr, Limit } from './syntax.ts';

export interface CombineColumn {
  readonly name: string;
  readonly affinity: Column['affinity'];
  readonly collation: Column['collation'];
}

export interface ScatterShape {
  readonly name: 'P2' | 'P3';
  /** For the stripes, up to its LIMIT. */
  readonly stripeText: string;
  /** Undefined: rows are only put one behind the other. */
  readonly combine:
    | { readonly columns: readonly CombineColumn[]; readonly text: string }
    | undefined;
  /** Without `combine`: the last column is the rowid, by which SQLite would order the rows; it does not show. */
  readonly byRid: boolean;
  /** P2: its rows come in the only order that they can have, or in that in which SQLite would find them. */
  readonly isOrdered: boolean;
  /** With `combine`: its last column is the only key, and it is the rowid; which way. */
  readonly ridOrder: 'ascending' | 'descending' | undefined;
  /** With `byRid`: the rows behind a rowid, which is its last parameter. */
  readonly nextText: string;
  /** P2 with a limit: the stripes need no more rows than limit and offset together. */
  readonly limit: Limit | undefined;
  readonly items: readonly Item[];
  readonly terms: readonly (readonly Expr[])[];
  /** Items whose keys limit the stripes: those to the right of a LEFT JOIN do not. */
  readonly limiting: readonly number[];
  /** How many parameters each text takes. */
  readonly stripeParameters: number;
  readonly combineParameters: number;
}
