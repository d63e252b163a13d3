/**
 * Makes of a user's text one that says the same on a stripe: `*` without our hidden rowid, parameters by number. Refuses
 * (undefined) what a stripe could read differently: views, schema tables, names that are ours.
 */
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { foldName, type Table } from './table.ts';
import {
  type AstNode,
  type Edit,
  JOIN,
  quoted,
  type ResultColumn,
  type SelectFrom,
  type SelectTable,
  walk,
} from './syntax.ts';

/** Functions that tell of the connection: only the coordinator knows. */
export const CONNECTION_FUNCTIONS: ReadonlySet<string> = new Set([
  'changes',
  'total_changes',
  'last_insert_rowid',
]);

/** Functions whose value may differ from one call, or stripe, to the next. */
const UNSTEADY: ReadonlySet<string> = new Set([
  'random',
  'randomblob',
  'current_timestamp',
  'current_date',
  'current_time',
  'date',
  'time',
  'datetime',
  'julianday',
  'unixepoch',
  'strftime',
  'timediff',
  'sqlite_offset',
]);

/** May give another value on another stripe. Dates of a given moment do not, but telling them apart is not worth it. */
export function isUnsteady(binding: Binding): boolean {
  return [...binding.functions].some((name) => UNSTEADY.has(name));
}

/** Edits that make the text fit for a stripe, or the reason why it cannot be. */
export function pushEdits(binding: Binding, catalogue: Catalogue): readonly Edit[] | string {
  const { parsed } = binding;
  if (parsed === undefined) return 'the text can be read by SQLite only';
  if (binding.readsSchema || binding.readsSequence) return 'it reads the schema';
  if (binding.temporary !== 'none' || binding.shadowed) return 'it uses a temporary table';
  if (binding.usesView) return 'it uses a view';
  if (binding.usesTrigger) return 'it fires a trigger';
  if ([...binding.functions].some((name) => CONNECTION_FUNCTIONS.has(name))) {
    return 'it asks for changes() or last_insert_rowid()';
  }
  const edits: Edit[] = [...binding.parameters.edits];
  let reason: string | undefined;
  walk(parsed.node, (node) => {
    reason ??= refusal(node, catalogue);
    if (reason === undefined && node.type === 'SelectFrom') {
      const stars = starEdits(node, catalogue);
      if (typeof stars === 'string') reason = stars;
      else edits.push(...stars);
    }
    return reason === undefined;
  });
  return reason ?? edits;
}

function refusal(node: AstNode, catalogue: Catalogue): string | undefined {
  if (node.type === 'Id' && /^_+rid$/i.test(node.name)) return 'it uses a name that is ours';
  if (node.type === 'QualifiedExpr' && /^_+rid$/i.test(node.column.text)) {
    return 'it uses a name that is ours';
  }
  if (node.type === 'CommonTableExpr' && catalogue.table(node.tblName.text) !== undefined) {
    return 'a common table expression has the name of a table';
  }
  if (node.type === 'InTableExpr') return 'it uses IN with a bare table';
  if (node.type === 'IndexedByIndexed') return 'it names an index';
  if (node.type === 'TypedJoinJoinOperator' && ((node.joinType ?? 0) & JOIN.NATURAL) !== 0) {
    return 'it uses NATURAL JOIN';
  }
  return undefined;
}

/** The tables of a FROM in order, or undefined when there is more than plain tables. */
export function plainItems(from: SelectFrom['from']): readonly SelectTable[] {
  if (from?.select === undefined) return [];
  return [from.select, ...(from.joins ?? []).map(({ table }) => table)];
}

function starEdits(node: SelectFrom, catalogue: Catalogue): readonly Edit[] | string {
  const edits: Edit[] = [];
  for (const column of node.columns) {
    if (column.type === 'ExprResultColumn') continue;
    const items = plainItems(node.from);
    const tables = items.map((item) =>
      item.type === 'TableSelectTable' ? catalogue.table(item.tblName.objName.text) : undefined,
    );
    if (!tables.some((table) => table?.ridHidden === true)) continue;
    const usings = (node.from?.joins ?? []).some(
      ({ constraint }) => constraint?.type === 'UsingJoinConstraint',
    );
    const texts = items.flatMap((item, at) => starOf(column, item, tables[at]) ?? []);
    if (usings || texts.length === 0 || items.some((_, at) => tables[at] === undefined)) {
      return 'it takes * of tables without a primary key together with others';
    }
    edits.push({ span: starSpan(column), text: texts.join(', ') });
  }
  return edits;
}

/** The span of a result column in the parser begins where the list does. */
function starSpan(column: ResultColumn): { readonly offset: number; readonly length: number } {
  const { span } = column;
  const end = span.offset + span.length;
  if (column.type === 'TableStarResultColumn') {
    return { offset: column.table.span.offset, length: end - column.table.span.offset };
  }
  return { offset: end - 1, length: 1 };
}

function starOf(
  column: ResultColumn,
  item: SelectTable,
  table: Table | undefined,
): string | undefined {
  if (table === undefined || item.type !== 'TableSelectTable') return undefined;
  const name = item.alias?.name.text ?? item.tblName.objName.text;
  if (column.type === 'TableStarResultColumn' && foldName(column.table.text) !== foldName(name)) {
    return undefined;
  }
  return table.columns.map((one) => `${quoted(name)}.${quoted(one.name)}`).join(', ');
}
