/**
 * Which stripes a text can possibly touch: the keys that its AND-ed terms give to distribution columns. A pure decider
 * that may always answer "all".
 */
import type { Catalogue } from './catalogue.ts';
import { foldName, type Table } from './table.ts';
import type { SlotMap } from '../slots/slots.ts';
import { slotOf } from './key-slot.ts';
import {
  type AstNode,
  type Edit,
  type Expr,
  type FromClause,
  JOIN,
  type Parameters,
  type SelectTable,
  textOf,
} from './syntax.ts';
import { applyAffinity, type SqlValue } from './values.ts';

export interface PinContext {
  readonly sql: string;
  readonly catalogue: Catalogue;
  readonly slots: SlotMap;
  readonly parameters: Parameters;
  readonly values: readonly SqlValue[];
  /** Affinity where only SQLite decides it well. */
  readonly coerce: (value: SqlValue, affinity: string) => SqlValue;
}

/** A table in a FROM under the name it goes by there. */
export interface Item {
  readonly name: string;
  readonly table: Table | undefined;
}

export function itemOf(item: SelectTable, catalogue: Catalogue): Item {
  if (item.type !== 'TableSelectTable') {
    const alias = 'alias' in item ? item.alias?.name.text : undefined;
    return { name: foldName(alias ?? ''), table: undefined };
  }
  const own = item.tblName.objName.text;
  return { name: foldName(item.alias?.name.text ?? own), table: catalogue.table(own) };
}

/** Terms that every row of the result has passed, for the table at each place of the FROM; without an outer join they are the same for all. */
export function termsFor(
  from: FromClause | undefined,
  where: Expr | undefined,
): (at: number) => readonly Expr[] {
  const everywhere = where === undefined ? [] : [...conjuncts(where)];
  const joins = from?.joins ?? [];
  const types = joins.map(({ operator }) =>
    operator.type === 'TypedJoinJoinOperator' ? (operator.joinType ?? 0) : 0,
  );
  const on = (index: number): readonly Expr[] => {
    const constraint = joins[index]?.constraint;
    return constraint?.type === 'OnJoinConstraint' ? conjuncts(constraint.expr) : [];
  };
  if (types.every((type) => (type & (JOIN.LEFT | JOIN.RIGHT | JOIN.OUTER)) === 0)) {
    for (const index of joins.keys()) everywhere.push(...on(index));
    return () => everywhere;
  }
  // ON of a LEFT JOIN limits the right table only; with RIGHT or FULL about nothing is trusted.
  const isTrusted = types.every((type) => (type & JOIN.RIGHT) === 0);
  return (at) =>
    isTrusted && ((types[at - 1] ?? 0) & JOIN.LEFT) !== 0
      ? [...everywhere, ...on(at - 1)]
      : everywhere;
}

const conjunctsOf = new WeakMap<Expr, readonly Expr[]>();

/** The terms that are AND-ed, in their order. */
export function conjuncts(expr: Expr): readonly Expr[] {
  const known = conjunctsOf.get(expr);
  if (known !== undefined) return known;
  const terms: Expr[] = [];
  const todo = [expr];
  for (let one = todo.pop(); one !== undefined; one = todo.pop()) {
    if (one.type === 'BinaryExpr' && one.op === 'And') todo.push(one.right, one.left);
    else if (one.type === 'ParenthesizedExpr' && one.exprs.length === 1) todo.push(...one.exprs);
    else terms.push(one);
  }
  conjunctsOf.set(expr, terms);
  return terms;
}

/** The stripes where rows of `items[at]` that pass the terms can lie; undefined for all. */
export function pinned(
  items: readonly Item[],
  at: number,
  terms: readonly Expr[],
  context: PinContext,
): ReadonlySet<number> | undefined {
  const table = items[at]?.table;
  if (table?.distkey === undefined) return undefined;
  let found: ReadonlySet<number> | undefined;
  for (const term of terms) {
    const keys = keysOf(term, items, at, context);
    if (keys === undefined) continue;
    const stripes = new Set(keys.map((key) => stripeOfKey(table, key, context)));
    const before = found;
    found = before === undefined ? stripes : new Set([...stripes].filter((one) => before.has(one)));
  }
  return found;
}

export function stripeOfKey(table: Table, key: SqlValue, context: PinContext): number {
  const { affinity, collation } = table.distkey ?? { affinity: 'blob', collation: 'BINARY' };
  const applied = applyAffinity(key, affinity);
  const value = applied === undefined ? context.coerce(key, affinity) : applied;
  return context.slots.stripes[slotOf(value, collation)] ?? 0;
}

/** The constants that a term gives to the distribution column, or undefined. */
function keysOf(
  term: Expr,
  items: readonly Item[],
  at: number,
  context: PinContext,
): readonly SqlValue[] | undefined {
  if (term.type === 'BinaryExpr' && (term.op === 'Equals' || term.op === 'Is')) {
    const other = isDistkey(term.left, items, at)
      ? term.right
      : isDistkey(term.right, items, at)
        ? term.left
        : undefined;
    const key = other === undefined ? undefined : constant(other, context);
    // `IS NULL` holds for the rows that a LEFT JOIN makes up, too.
    return key === undefined || (key === null && term.op === 'Is') ? undefined : [key];
  }
  if (term.type === 'InListExpr' && !term.not && isDistkey(term.lhs, items, at)) {
    const keys = (term.rhs ?? []).map((one) => constant(one, context));
    return keys.every((key) => key !== undefined) ? keys : undefined;
  }
  return undefined;
}

export function isDistkey(expr: Expr, items: readonly Item[], at: number): boolean {
  const item = items[at];
  const distkey = item?.table?.distkey;
  if (item === undefined || distkey === undefined) return false;
  const name = columnName(expr);
  if (name === undefined) return false;
  if (!namesDistkey(name.column, item.table)) return false;
  const same = items.filter((one) => one.name === item.name).length;
  if (name.table !== undefined) return name.table === item.name && same === 1;
  return items.every((one, index) => index === at || !mayHave(one, name.column));
}

/** The distribution column itself, or a word for the rowid when that is what distributes. */
function namesDistkey(column: string, table: Table | undefined): boolean {
  if (table?.distkey === undefined) return false;
  const own = table.columnsByName.has(column);
  if (own) return foldName(table.distkey.name) === column;
  return ['rowid', '_rowid_', 'oid'].includes(column) && table.distkey.name === table.rid;
}

function mayHave({ table }: Item, column: string): boolean {
  if (table === undefined) return true;
  if (['rowid', '_rowid_', 'oid'].includes(column)) return true;
  return table.columnsByName.has(column);
}

export function columnName(
  expr: Expr,
): { readonly table: string | undefined; readonly column: string } | undefined {
  if (expr.type === 'Id') return { table: undefined, column: foldName(expr.name) };
  if (expr.type === 'NameExpr') return { table: undefined, column: foldName(expr.name.text) };
  if (expr.type === 'QualifiedExpr' && expr.schema === undefined) {
    return { table: foldName(expr.table.text), column: foldName(expr.column.text) };
  }
  const only =
    expr.type === 'ParenthesizedExpr' && expr.exprs.length === 1 ? expr.exprs[0] : undefined;
  return only === undefined ? undefined : columnName(only);
}

/** The value of a literal or parameter; undefined for anything that must be computed. */
export function constant(expr: Expr, context: PinContext): SqlValue | undefined {
  switch (expr.type) {
    case 'NumericLiteral':
      return numeric(expr.value);
    case 'StringLiteral':
      return unquoted(textOf(context.sql, expr));
    case 'BlobLiteral':
      return expr.bytes;
    case 'NullLiteral':
      return null;
    case 'VariableExpr':
      return parameter(expr, context);
    case 'UnaryExpr':
      return expr.op === 'Negative' ? negated(expr.expr) : undefined;
    case 'ParenthesizedExpr': {
      const only = expr.exprs.length === 1 ? expr.exprs[0] : undefined;
      return only === undefined ? undefined : constant(only, context);
    }
    default:
      return undefined;
  }
}

function parameter(node: AstNode, { parameters, values }: PinContext): SqlValue | undefined {
  const edit = editAt(parameters.edits, node.span.offset);
  if (edit === undefined) return undefined;
  const value = values[Number(edit.text.slice(1)) - 1];
  return value === undefined ? null : value;
}

/** By halves: an INSERT of many rows has thousands, and each is looked for. */
function editAt(edits: Parameters['edits'], offset: number): Edit | undefined {
  let low = 0;
  let high = edits.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edits[middle]?.span.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  const found = edits[low];
  return found?.span.offset === offset ? found : undefined;
}

const INT64_MAX = 2n ** 63n - 1n;

function numeric(text: string): SqlValue | undefined {
  if (/^[0-9]+$/.test(text)) {
    const value = BigInt(text);
    return value <= INT64_MAX ? value : Number(text);
  }
  return /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i.test(text) ? Number(text) : undefined;
}

function negated(expr: Expr): SqlValue | undefined {
  if (expr.type !== 'NumericLiteral') return undefined;
  if (/^[0-9]+$/.test(expr.value)) {
    const value = -BigInt(expr.value);
    return value >= -INT64_MAX - 1n ? value : -Number(expr.value);
  }
  const value = numeric(expr.value);
  return typeof value === 'number' ? -value : undefined;
}

function unquoted(text: string): string | undefined {
  return text.startsWith("'") && text.endsWith("'") && text.length > 1
    ? text.slice(1, -1).replaceAll("''", "'")
    : undefined;
}
