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
    const known = new Map<Expr, number | undefined>();
    const ownerOf = (expr: Expr): number | undefined => {
      if (!known.has(expr)) known.set(expr, resolve(expr, items)?.at);
      return known.get(expr);
    };
    for (const [at, { name, table }] of items.entries()) {
      if (table === undefined || met.get(table) !== 1) continue;
      const terms = safeTerms(select, at).filter((term) => isPlain(term, ownerOf, at));
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

/** Terms that may drop rows of one item before the joins are made. */
function safeTerms({ from, whereClause }: SelectFrom, at: number): readonly Expr[] {
  const joins = from?.joins ?? [];
  const types = joins.map(({ operator }) =>
    operator.type === 'TypedJoinJoinOperator' ? (operator.joinType ?? 0) : 0,
  );
  if (types.some((type) => (type & JOIN.RIGHT) !== 0)) return [];
  const isLeft = (index: number): boolean =>
    index > 0 && ((types[index - 1] ?? 0) & JOIN.LEFT) !== 0;
  const on = (index: number): readonly Expr[] => {
    const constraint = joins[index - 1]?.constraint;
    return constraint?.type === 'OnJoinConstraint' ? conjuncts(constraint.expr) : [];
  };
  if (isLeft(at)) return on(at);
  const terms = whereClause === undefined ? [] : conjuncts(whereClause);
  for (const index of joins.keys()) if (!isLeft(index + 1)) terms.push(...on(index + 1));
  return terms;
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

/** Comparisons of the item's own columns with constants: they raise no error and say the same everywhere. */
function isPlain(term: Expr, ownerOf: (expr: Expr) => number | undefined, at: number): boolean {
  const own = (expr: Expr): boolean => ownerOf(expr) === at;
  const fixed = (expr: Expr): boolean =>
    expr.type === 'NumericLiteral' ||
    expr.type === 'StringLiteral' ||
    expr.type === 'BlobLiteral' ||
    expr.type === 'NullLiteral' ||
    expr.type === 'VariableExpr';
  switch (term.type) {
    case 'BinaryExpr':
      if (!COMPARISONS.has(term.op)) return false;
      return (own(term.left) && fixed(term.right)) || (fixed(term.left) && own(term.right));
    case 'IsNullExpr':
    case 'NotNullExpr':
      return own(term.expr);
    case 'BetweenExpr':
      return own(term.lhs) && fixed(term.start) && fixed(term.end);
    case 'InListExpr':
      return own(term.lhs) && (term.rhs ?? []).every(fixed);
    default:
      return false;
  }
}
