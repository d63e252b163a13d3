/**
 * Which rows of a table a gathered SELECT can need: those that pass the plain terms over that table alone. Only for a table
 * that is met once in the text, and never with a term that a LEFT JOIN would still show rows without.
 */
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import type { Table } from './table.ts';
import { resolve } from './colocation.ts';
import { conjuncts, type Item, itemOf } from './pins.ts';
import { plainItems } from './push.ts';
import {
  type AstNode,
  cut,
  type Expr,
  find,
  JOIN,
  numbersIn,
  type SelectFrom,
  walk,
} from './syntax.ts';

export interface TableFilter {
  /** The table's name in the terms. */
  readonly alias: string;
  /** AND-ed; '' for none. */
  readonly where: string;
  /** How many parameters the terms take. */
  readonly parameters: number;
  readonly terms: readonly Expr[];
  readonly items: readonly Item[];
  readonly at: number;
}

/** By table. Tables that are not here are needed whole. */
export function tableFilters(
  binding: Binding,
  catalogue: Catalogue,
): ReadonlyMap<Table, TableFilter> {
  const found = new Map<Table, TableFilter>();
  const { parsed } = binding;
  if (parsed === undefined || binding.usesView || binding.usesTrigger || binding.shadowed) {
    return found;
  }
  if (find(parsed.node, (node) => namesTableTwice(node, catalogue)) !== undefined) return found;
  const met = new Map<Table, number>();
  const selects: SelectFrom[] = [];
  walk(parsed.node, (node) => {
    if (node.type === 'SelectFrom') selects.push(node);
    if (node.type === 'TableSelectTable') {
      const table = catalogue.table(node.tblName.objName.text);
      if (table !== undefined) met.set(table, (met.get(table) ?? 0) + 1);
    }
  });
  for (const select of selects) {
    const items = plainItems(select.from).map((item) => itemOf(item, catalogue));
    const ownerOf = (expr: Expr): number | undefined => resolve(expr, items)?.at;
    const termsOf = safeTerms(select, (term) => plainOwner(term, ownerOf));
    for (const [at, { name, table }] of items.entries()) {
      if (table === undefined || met.get(table) !== 1) continue;
      const terms = termsOf(at);
      const texts = terms.map(
        (term) => `(${cut(binding.sql, term.span, binding.parameters.edits)})`,
      );
      const parameters = Math.max(
        0,
        ...terms.flatMap(({ span }) => numbersIn(span, binding.parameters)),
      );
      const where = texts.join(' AND ');
      found.set(table, { alias: name, where, parameters, terms, items, at });
    }
  }
  return found;
}

function namesTableTwice(node: AstNode, catalogue: Catalogue): boolean {
  if (node.type === 'CommonTableExpr') return catalogue.table(node.tblName.text) !== undefined;
  // A FROM in brackets is not walked as a list of items.
  return node.type === 'InTableExpr' || node.type === 'SubSelectTable';
}

/** Terms over each item alone that may drop rows of it before the joins are made. */
export function safeTerms(
  { from, whereClause }: SelectFrom,
  ownerOf: (term: Expr) => number | undefined,
): (at: number) => readonly Expr[] {
  const joins = from?.joins ?? [];
  const types = joins.map(({ operator }) =>
    operator.type === 'TypedJoinJoinOperator' ? (operator.joinType ?? 0) : 0,
  );
  if (types.some((type) => (type & JOIN.RIGHT) !== 0)) return () => [];
  const isLeft = (index: number): boolean =>
    index > 0 && ((types[index - 1] ?? 0) & JOIN.LEFT) !== 0;
  const on = (index: number): readonly Expr[] => {
    const constraint = joins[index - 1]?.constraint;
    return constraint?.type === 'OnJoinConstraint' ? conjuncts(constraint.expr) : [];
  };
  const terms = whereClause === undefined ? [] : [...conjuncts(whereClause)];
  for (const index of joins.keys()) if (!isLeft(index + 1)) terms.push(...on(index + 1));
  const own = Map.groupBy(terms, ownerOf);
  return (at) => (isLeft(at) ? on(at).filter((term) => ownerOf(term) === at) : (own.get(at) ?? []));
}

const COMPARISONS: ReadonlySet<string> = new Set([
  'Equals',
  'Greater',
  'GreaterEquals',
  'Is',
  'IsNot',
  'Less',
  'LessEquals',
  'NotEquals',
]);

/** The item whose columns alone it compares with constants, which raises no error and says the same everywhere. */
function plainOwner(term: Expr, ownerOf: (expr: Expr) => number | undefined): number | undefined {
  switch (term.type) {
    case 'BinaryExpr':
      if (!COMPARISONS.has(term.op)) return undefined;
      if (isFixed(term.right)) return ownerOf(term.left);
      return isFixed(term.left) ? ownerOf(term.right) : undefined;
    case 'IsNullExpr':
    case 'NotNullExpr':
      return ownerOf(term.expr);
    case 'BetweenExpr':
      return isFixed(term.start) && isFixed(term.end) ? ownerOf(term.lhs) : undefined;
    case 'InListExpr':
      return (term.rhs ?? []).every(isFixed) ? ownerOf(term.lhs) : undefined;
    default:
      return undefined;
  }
}

function isFixed({ type }: Expr): boolean {
  return (
    type === 'NumericLiteral' ||
    type === 'StringLiteral' ||
    type === 'BlobLiteral' ||
    type === 'NullLiteral' ||
    type === 'VariableExpr'
  );
}
