/** Which calls aggregate: SQLite's own list, by name. */
import type { Catalogue } from './catalogue.ts';
import { type AstNode } from './syntax.ts';

const AGGREGATES = new WeakMap<Catalogue, ReadonlySet<string>>();

/** Names that aggregate; `min` and `max` do with one argument only. */
export function aggregateNames(catalogue: Catalogue): ReadonlySet<string> {
  const known = AGGREGATES.get(catalogue);
  if (known !== undefined) return known;
  const rows = catalogue.shadow
    .prepare(`SELECT DISTINCT lower(name) FROM pragma_function_list WHERE type IN ('a', 'w')`)
    .all();
  const names = new Set(rows.map(([name]) => String(name)));
  AGGREGATES.set(catalogue, names);
  return names;
}

export function isAggregate(node: AstNode, aggregates: ReadonlySet<string>): boolean {
  if (node.type === 'FunctionCallStarExpr') return true;
  if (node.type !== 'FunctionCallExpr') return false;
  const name = node.name.name.toLowerCase();
  if (name === 'min' || name === 'max') return node.args?.length === 1;
  return aggregates.has(name);
}
