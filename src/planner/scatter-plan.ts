/**
 * P2 and P3: one text for every stripe and, where needed, one that puts their rows together. P2 concatenates, sorts and
 * limits; P3 lets the stripes aggregate in part and combines. SQLite does the combining, over a table whose columns have the
 * affinity and collation of the originals.
 */
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { type Column, foldName } from './table.ts';
import { aggregateNames, isAggregate } from './aggregates.ts';
import { colocated, resolve } from './colocation.ts';
import type { ScatterShape } from './scatter-shape.ts';
import { partialAggregates } from './partial-aggregates.ts';
import { termsFor, type Item } from './pins.ts';
import { isUnsteady } from './push.ts';
import {
  cut,
  type Edit,
  type Expr,
  find,
  JOIN,
  type Limit,
  parametersOf,
  parseStatement,
  type Select,
  type SelectFrom,
  type SortedColumn,
  quoted,
  splice,
} from './syntax.ts';

type Made = Pick<ScatterShape, 'stripeText' | 'combine'> & {
  readonly limit?: Limit | undefined;
  readonly byRid?: boolean;
  readonly isOrdered?: boolean;
  readonly ridOrder?: ScatterShape['ridOrder'];
  readonly nextText?: string;
};

/** The shape, or why there is none. `edits` are those that make the text fit for a stripe. */
export function scatterShape(
  binding: Binding,
  catalogue: Catalogue,
  edits: readonly Edit[],
): ScatterShape | string {
  const { parsed } = binding;
  if (parsed?.node.type !== 'SelectStmt') return 'it is no plain SELECT';
  const { body } = parsed.node;
  const select = body.select;
  if (body.with !== undefined) return 'it has common table expressions';
  if (body.compounds !== undefined || select.type !== 'SelectFrom')
    return 'it is a compound SELECT';
  if (isUnsteady(binding)) return 'it calls a function that differs from stripe to stripe';
  if (select.windowClause !== undefined || hasWindow(select, body))
    return 'it has window functions';
  if (hasInnerSelect(select, body)) return 'it has a subquery';
  const items = colocated(select, catalogue);
  if (typeof items === 'string') return items;
  const termsOf = termsFor(select.from, select.whereClause);
  const terms = items.map((_, at) => termsOf(at));
  const aggregates = aggregateNames(catalogue);
  const grouped = select.groupBy !== undefined || hasAggregate(select, body, aggregates);
  if (!grouped && select.distinctness === 'Distinct') return 'it has DISTINCT';
  const made: Made | string = grouped
    ? partialAggregates({ binding, body, select, items, edits, aggregates })
    : concatenated({
        sql: binding.sql,
        body,
        select,
        items,
        edits,
        catalogue,
        parameters: binding.parameters.names.length,
      });
  if (typeof made === 'string') return made;
  return {
    name: grouped ? 'P3' : 'P2',
    stripeText: made.stripeText,
    combine: made.combine,
    limit: made.limit,
    byRid: made.byRid === true,
    isOrdered: made.isOrdered === true,
    ridOrder: made.ridOrder,
    nextText: made.nextText ?? '',
    items,
    terms,
    limiting: items.flatMap((_, at) => (isLeftJoined(select, at) ? [] : [at])),
    stripeParameters: parameterCount(made.stripeText),
    combineParameters: made.combine === undefined ? 0 : parameterCount(made.combine.text),
  };
}

function isLeftJoined({ from }: SelectFrom, at: number): boolean {
  const operator = from?.joins?.[at - 1]?.operator;
  return operator?.type === 'TypedJoinJoinOperator' && ((operator.joinType ?? 0) & JOIN.LEFT) !== 0;
}

function parameterCount(text: string): number {
  const parsed = parseStatement(text);
  return parsed === undefined ? 0 : parametersOf(parsed.node).names.length;
}

function hasWindow(select: SelectFrom, body: Select): boolean {
  return [select, ...(body.orderBy ?? [])].some(
    (part) =>
      find(part, (node) => node.type === 'FunctionTail' && node.overClause !== undefined) !==
      undefined,
  );
}

function hasInnerSelect(select: SelectFrom, body: Select): boolean {
  const inside = (node: Parameters<typeof find>[0]): boolean =>
    find(node, ({ type }) => type === 'Select' || type === 'InTableExpr') !== undefined;
  return (
    inside(select) ||
    (body.orderBy ?? []).some(inside) ||
    (body.limit !== undefined && inside(body.limit))
  );
}

function hasAggregate(select: SelectFrom, body: Select, aggregates: ReadonlySet<string>): boolean {
  return (
    select.having !== undefined ||
    [...select.columns, ...(body.orderBy ?? [])].some(
      (part) => find(part, (node) => isAggregate(node, aggregates)) !== undefined,
    )
  );
}

interface Concatenation {
  readonly sql: string;
  readonly body: Select;
  readonly select: SelectFrom;
  readonly items: readonly Item[];
  readonly edits: readonly Edit[];
  readonly catalogue: Catalogue;
  /** How many parameters the text takes. */
  readonly parameters: number;
}

/** The rowid by which SQLite would find the rows, when it walks one table from end to end. */
function scannedRid({ sql, items, catalogue }: Concatenation): string | undefined {
  const [item] = items;
  const rid = item?.table?.rid;
  if (item === undefined || rid === undefined || items.length > 1) return undefined;
  const steps = catalogue.shadow.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
  const [scan, sort] = steps.map((row) => String(row[3]));
  const walks =
    /^SCAN \S+$/.test(scan ?? '') || /^SEARCH .* USING INTEGER PRIMARY KEY/.test(scan ?? '');
  if (!walks || !(sort === undefined || sort === 'USE TEMP B-TREE FOR ORDER BY')) return undefined;
  return `${quoted(item.name)}.${quoted(rid)}`;
}

function concatenated(options: Concatenation): Made | string {
  const { body, edits, items, select, sql } = options;
  const rid = scannedRid(options);
  if (body.orderBy === undefined && body.limit === undefined) {
    return rid === undefined
      ? { stripeText: splice(sql, edits), combine: undefined }
      : {
          stripeText: withRid(options, rid),
          nextText: withRid(options, rid, `${rid} > ?${options.parameters + 1}`),
          combine: undefined,
          byRid: true,
          isOrdered: true,
        };
  }
  const terms = body.orderBy ?? [];
  const keys: SortKey[] = [];
  for (const term of terms) {
    const key = sortKey(term, sql, select, items);
    if (typeof key === 'string') return key;
    keys.push(key);
  }
  // No two rows are equal then.
  let isOrdered = keys.some(({ column }) => column !== undefined && column === ridOf(items));
  if (keys.length === 0) {
    // Without an order SQLite shows the first rows by rowid.
    const [item] = items;
    const own = ridOf(items);
    if (item === undefined || own === undefined) {
      return 'it has LIMIT without ORDER BY over several tables';
    }
    keys.push({
      text: `${quoted(item.name)}.${quoted(own)}`,
      collation: 'BINARY',
      collate: '',
      tail: '',
      column: undefined,
    });
    // Through an index SQLite would find others first.
    isOrdered = rid !== undefined;
  } else if (rid !== undefined && !isOrdered) {
    keys.push({ text: rid, collation: 'BINARY', collate: '', tail: '', column: undefined });
    isOrdered = true;
  }
  const starless = select.columns.every(({ type }) => type === 'ExprResultColumn');
  const shown = starless ? select.columns.length : undefined;
  const added = keys.map(({ text }, at) => `, ${text} AS _s${at}`).join('');
  const last = select.columns.at(-1);
  if (last === undefined) return 'it shows no column';
  const end = last.span.offset + last.span.length;
  const head = cut(sql, { offset: select.span.offset, length: end - select.span.offset }, edits);
  const rest = cut(
    sql,
    { offset: end, length: select.span.offset + select.span.length - end },
    edits,
  );
  const width = shown ?? items.reduce((sum, { table }) => sum + (table?.columns.length ?? 0), 0);
  if (
    shown === undefined &&
    (select.columns.length !== 1 || select.columns[0]?.type !== 'StarResultColumn')
  ) {
    return 'it sorts by more than plain columns beside *';
  }
  const outputs = Array.from({ length: width }, (_, at) => `_c${at}`);
  // By their places: a name would stand for the result column that has it as alias.
  const order = keys
    .map(({ collate, tail }, at) => `${width + at + 1}${collate}${tail}`)
    .join(', ');
  const limit = body.limit === undefined ? '' : ` ${cut(sql, body.limit.span, edits)}`;
  return {
    stripeText: `${head}${added}${rest} ORDER BY ${order}`,
    combine: {
      columns: [
        ...outputs.map((name) => ({
          name,
          affinity: 'blob' as const,
          collation: 'BINARY' as const,
        })),
        ...keys.map(({ collation }, at) => ({
          name: `_s${at}`,
          affinity: 'blob' as const,
          collation,
        })),
      ],
      text: `SELECT ${outputs.join(', ')} FROM _g ORDER BY ${keys.map(({ tail }, at) => `_s${at}${tail}`).join(', ')}${limit}`,
    },
    limit: body.limit,
    isOrdered,
    ridOrder: keys.length === 1 && isOrdered ? orderOf(keys[0]) : undefined,
  };
}

function orderOf(key: SortKey | undefined): ScatterShape['ridOrder'] {
  return key?.tail.startsWith(' DESC') === true ? 'descending' : 'ascending';
}

/** Of a text that reads one table: the column that is its rowid, as written in its definition. */
function ridOf(items: readonly Item[]): string | undefined {
  const [item, another] = items;
  return another === undefined ? item?.table?.rid : undefined;
}

/** The text with the rowid behind its columns, in its order. */
function withRid({ sql, select, edits }: Concatenation, rid: string, behind?: string): string {
  const last = select.columns.at(-1)?.span ?? select.span;
  const span = { offset: last.offset + last.length, length: 0 };
  const end = { offset: select.span.offset + select.span.length, length: 0 };
  const part = { offset: 0, length: end.offset };
  const { whereClause: where } = select;
  const more =
    behind === undefined || where === undefined
      ? []
      : [{ span: { offset: where.span.offset, length: 0 }, text: `${behind} AND (` }];
  const tail = behind === undefined ? '' : where === undefined ? ` WHERE ${behind}` : ')';
  const text = cut(sql, part, [...more, ...edits, { span, text: `, ${rid}` }]);
  return `${text}${tail} ORDER BY ${rid}`;
}

interface SortKey {
  readonly text: string;
  readonly collation: Column['collation'];
  /** The COLLATE that the term itself has. */
  readonly collate: string;
  /** DESC and NULLS. */
  readonly tail: string;
  /** Undefined: an expression. */
  readonly column: string | undefined;
}

function sortKey(
  term: SortedColumn,
  sql: string,
  select: SelectFrom,
  items: readonly Item[],
): SortKey | string {
  const why = 'it sorts by what the planner does not follow';
  const tail = `${term.order === 'Desc' ? ' DESC' : ''}${term.nulls === undefined ? '' : ` NULLS ${term.nulls}`}`;
  let expr = meant(term.expr, select, items);
  let collation: Column['collation'] | undefined;
  if (expr?.type === 'CollateExpr') {
    const name = expr.collation.toUpperCase();
    if (name !== 'BINARY' && name !== 'NOCASE' && name !== 'RTRIM') return why;
    collation = name;
    expr = meant(expr.expr, select, items);
  }
  if (expr === undefined) return why;
  if (find(expr, ({ type }) => type === 'CollateExpr' || type === 'VariableExpr') !== undefined)
    return why;
  const column = resolve(expr, items);
  if (column === undefined && !keepsBinary(expr)) return why;
  return {
    text: sql.slice(expr.span.offset, expr.span.offset + expr.span.length),
    collation: collation ?? column?.column.collation ?? 'BINARY',
    collate: collation === undefined ? '' : ` COLLATE ${collation}`,
    tail,
    column: column?.column.name,
  };
}

/** The expression that a term of ORDER BY stands for: a number or an alias is a result column. */
function meant(expr: Expr, select: SelectFrom, items: readonly Item[]): Expr | undefined {
  if (expr.type === 'NumericLiteral') {
    const column = select.columns[Number(expr.value) - 1];
    const starless = select.columns.every(({ type }) => type === 'ExprResultColumn');
    if (!starless || column?.type !== 'ExprResultColumn') return undefined;
    return column.expr;
  }
  const aliases = select.columns.flatMap((column) =>
    column.type === 'ExprResultColumn' && column.alias !== undefined
      ? [{ name: foldName(column.alias.name.text), expr: column.expr }]
      : [],
  );
  if (expr.type === 'Id') {
    const named = aliases.filter(({ name }) => name === foldName(expr.name));
    if (named.length > 1) return undefined;
    if (named[0] !== undefined) return named[0].expr;
    return resolve(expr, items) === undefined ? undefined : expr;
  }
  const usesAlias = find(
    expr,
    (node) => node.type === 'Id' && aliases.some(({ name }) => name === foldName(node.name)),
  );
  return usesAlias === undefined ? expr : undefined;
}

/** Operators whose result compares as BINARY whatever collations their columns have. */
function keepsBinary(expr: Expr): boolean {
  switch (expr.type) {
    case 'FunctionCallExpr':
    case 'CaseExpr':
    case 'IsNullExpr':
    case 'NotNullExpr':
    case 'InListExpr':
    case 'BetweenExpr':
    case 'LikeExpr':
    case 'BinaryExpr':
      return true;
    case 'UnaryExpr':
      return expr.op !== 'Positive';
    default:
      return false;
  }
}
