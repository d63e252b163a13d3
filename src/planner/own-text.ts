/** changes(), total_changes() and last_insert_rowid() are what only the connection knows: put into a text as numbers. */
import type { Binding } from './binding.ts';
import { type Edit, splice, walk } from './syntax.ts';

export interface ConnectionCounts {
  readonly changes: number;
  readonly totalChanges: number;
  readonly lastInsertRowid: bigint;
}

export function ownText({ functions, parsed, sql }: Binding, counts: ConnectionCounts): string {
  const known = new Map([
    ['changes', String(counts.changes)],
    ['total_changes', String(counts.totalChanges)],
    ['last_insert_rowid', String(counts.lastInsertRowid)],
  ]);
  if (parsed === undefined || ![...functions].some((name) => known.has(name))) return sql;
  const edits: Edit[] = [];
  walk(parsed.node, (node) => {
    if (node.type !== 'FunctionCallExpr' || (node.args?.length ?? 0) > 0) return;
    const value = known.get(node.name.name.toLowerCase());
    if (value !== undefined) edits.push({ span: node.span, text: `(${value})` });
  });
  return splice(sql, edits);
}
