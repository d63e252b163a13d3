/**
 * Whether the rows of a FROM can be joined stripe by stripe: every striped table joined to the others by its distribution
 * column, with reference tables beside them, so that no row of the join needs rows of two stripes.
 */
import type { Catalogue } from './catalogue.ts';
import type { Column, Table } from './table.ts';
import { conjuncts, type Item, itemOf, isDistkey } from './pins.ts';
import { plainItems } from './push.ts';
import { columnName } from './pins.ts';
import { type Expr, JOIN, type SelectFrom } from './syntax.ts';

/** The items of the FROM, or why its rows cannot be joined on the stripes. */
export function colocated(
  { from, whereClause }: SelectFrom,
  catalogue: Catalogue,
): readonly Item[] | string {
  const plain = plainItems(from);
  const items = plain.map((item) => itemOf(item, catalogue));
  const joins = from?.joins ?? [];
  if (items.length === 0) return 'it reads no table';
  if (items.some(({ table }) => table === undefined)) return 'it reads more than plain tables';
  if (items.some(({ table }) => table?.place === 'single'))
    return 'a table lies on one stripe only';
  if (new Set(items.map(({ name }) => name)).size < items.length) return 'two tables have one name';
  const types = joins.map(({ operator }) =>
    operator.type === 'TypedJoinJoinOperator' ? (operator.joinType ?? 0) : 0,
  );
  if (types.some((type) => (type & (JOIN.RIGHT | JOIN.NATURAL)) !== 0)) {
    return 'it uses RIGHT, FULL or NATURAL JOIN';
  }
  if (joins.some(({ constraint }) => constraint?.type === 'UsingJoinConstraint')) {
    return 'it uses USING';
  }
  const isLeft = (at: number): boolean => at > 0 && ((types[at - 1] ?? 0) & JOIN.LEFT) !== 0;
  const inner = whereClause === undefined ? [] : [...conjuncts(whereClause)];
  for (const [at, { constraint }] of joins.entries()) {
    if (constraint?.type === 'OnJoinConstraint' && !isLeft(at + 1)) {
      inner.push(...conjuncts(constraint.expr));
    }
  }
  /** Striped tables that are known to lie beside the first one. */
  const anchored = new Set<number>();
  for (const [at, { table }] of items.entries()) {
    if (isLeft(at) || table?.place !== 'striped') continue;
    if (anchored.size === 0) anchored.add(at);
  }
  if (anchored.size === 0) return 'a striped table is joined to the right of reference tables only';
  for (let grown = true; grown;) {
    grown = false;
    for (const [at, { table }] of items.entries()) {
      if (anchored.has(at) || isLeft(at) || table?.place !== 'striped') continue;
      if ([...anchored].some((other) => inner.some((term) => joinsKeys(term, items, at, other)))) {
        anchored.add(at);
        grown = true;
      }
    }
  }
  for (const [at, { table }] of items.entries()) {
    if (!isLeft(at)) {
      if (table?.place === 'striped' && !anchored.has(at)) return notJoined(table);
      continue;
    }
    // Rows of a reference table to the left would be kept once a stripe.
    if (![...anchored].some((other) => other < at))
      return 'a reference table is kept whole by a LEFT JOIN';
    if (table?.place !== 'striped') continue;
    const constraint = joins[at - 1]?.constraint;
    const on = constraint?.type === 'OnJoinConstraint' ? conjuncts(constraint.expr) : [];
    const beside = [...anchored].filter((other) => other < at && !isLeft(other));
    if (!beside.some((other) => on.some((term) => joinsKeys(term, items, at, other)))) {
      return notJoined(table);
    }
  }
  return items;
}

function notJoined(table: Table): string {
  return `table "${table.name}" is not joined on its distribution column "${table.distkey?.name ?? ''}"`;
}

function joinsKeys(term: Expr, items: readonly Item[], a: number, b: number): boolean {
  if (term.type !== 'BinaryExpr' || term.op !== 'Equals') return false;
  const across =
    (isDistkey(term.left, items, a) && isDistkey(term.right, items, b)) ||
    (isDistkey(term.left, items, b) && isDistkey(term.right, items, a));
  const one = items[a]?.table?.distkey;
  const two = items[b]?.table?.distkey;
  if (!across || one === undefined || two === undefined) return false;
  return one.collation === two.collation && kindOf(one) === kindOf(two);
}

/** Keys of one kind that are equal hash alike. */
export function kindOf({ affinity }: Pick<Column, 'affinity'>): string {
  return affinity === 'text' || affinity === 'blob' ? affinity : 'number';
}

export interface Resolved {
  readonly at: number;
  readonly column: Pick<Column, 'name' | 'affinity' | 'collation' | 'declared'>;
}

/** The column that a name stands for, when only one can. */
export function resolve(expr: Expr, items: readonly Item[]): Resolved | undefined {
  const name = columnName(expr);
  if (name === undefined) return undefined;
  const found: Resolved[] = [];
  for (const [at, item] of items.entries()) {
    if (name.table !== undefined && name.table !== item.name) continue;
    const column = item.table?.columnsByName.get(name.column);
    if (column !== undefined) found.push({ at, column });
    else if (isRowidWord(name.column) && item.table?.rid !== undefined) {
      const rid = { name: item.table.rid, affinity: 'integer', collation: 'BINARY' } as const;
      found.push({ at, column: { ...rid, declared: 'INTEGER' } });
    }
  }
  return found.length === 1 ? found[0] : undefined;
}

function isRowidWord(name: string): boolean {
  return name === 'rowid' || name === '_rowid_' || name === 'oid';
}
