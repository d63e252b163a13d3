/**
 * Whether a writing text can run on the stripes themselves. Only what stays right there row by row: no triggers, no foreign
 * keys, no unique key over stripes, no row that moves. Everything else is gathered.
 */
import type { Binding } from './binding.ts';
import { type Catalogue, isParent } from './catalogue.ts';
import { foldName, givenColumns, type Table, type UniqueKey } from './table.ts';
import { mayDiffer } from './fired-rows.ts';
import { conjuncts, type Item } from './pins.ts';
import { CONNECTION_FUNCTIONS, isUnsteady, pushEdits } from './push.ts';
import {
  type AstNode,
  type Edit,
  type Expr,
  find,
  type InsertStmt,
  quoted,
  type ResultColumn,
  type Span,
  splice,
  type Stmt,
} from './syntax.ts';
import { type Firing, firingOf } from './triggers.ts';

export type WriteShape =
  | { readonly kind: 'gather'; readonly why: string }
  | RoutedShape
  | InsertShape
  | TemporaryShape;

/** Into tables of the connection alone. */
export interface TemporaryShape {
  readonly kind: 'temporary';
  /** Of an INSERT whose rows come from elsewhere; undefined when the text touches nothing else. */
  readonly source: InsertStmt | undefined;
}

/** An UPDATE or DELETE as it is, on the stripes that its terms leave. */
export interface RoutedShape {
  readonly kind: 'routed';
  readonly table: Table;
  /** Undefined for an INSERT into a virtual table. */
  readonly node: Extract<Stmt, { type: 'UpdateStmt' | 'DeleteStmt' }> | undefined;
  readonly sql: string;
  readonly terms: readonly Expr[];
  readonly items: readonly Item[];
  /** The same text on two stripes may mean two things: one stripe only. */
  readonly unsteady: boolean;
  /** Touches foreign keys when they are on. */
  readonly keyed: boolean;
  readonly fires?: Firing;
}

/** An INSERT whose rows are made at the coordinator and put where they belong. */
export interface InsertShape {
  readonly kind: 'insert';
  readonly table: Table;
  readonly node: InsertStmt;
  /** Columns that the source gives, in its order. */
  readonly columns: readonly string[];
  /** The last column is the id, which the text does not name. */
  readonly idAdded?: true;
  /** What the text says goes before what the table says. */
  readonly or: '' | 'OR ABORT' | 'OR IGNORE' | 'OR REPLACE';
  /** For the stripes, with our own columns kept out; '' for none. */
  readonly returning: string;
  readonly returningHasParameters: boolean;
  /** Ids that the user chose may collide with a row on another stripe. */
  readonly ridReachesFar: boolean;
  /** A default differs from call to call: one row only. */
  readonly unsteady: boolean;
  readonly keyed: boolean;
  /** Why it needs some rows in one place, and cannot go straight to the stripes. */
  readonly narrow: string | undefined;
  readonly fires?: Firing;
}

const gathered = (why: string): WriteShape => ({ kind: 'gather', why });

export function writeShape(binding: Binding, catalogue: Catalogue): WriteShape {
  const { parsed, writes, written } = binding;
  if (parsed === undefined) return gathered('the text can be read by SQLite only');
  if (binding.usesTrigger) return firedShape(binding, parsed.node, catalogue);
  const table = writes.size === 1 && written.length === 1 ? written[0] : targetOf(binding);
  if (table?.schema === 'temp') return temporaryShape(binding, parsed.node, table, catalogue);
  if (binding.usesView || binding.shadowed) return gathered('it uses a view');
  if (table === undefined) return gathered('it writes several tables');
  if ([...binding.functions].some((one) => CONNECTION_FUNCTIONS.has(one))) {
    return gathered('it asks for changes() or last_insert_rowid()');
  }
  const { node } = parsed;
  if (node.type === 'InsertStmt') return insertShape(binding, node, table, catalogue);
  if (node.type === 'UpdateStmt' || node.type === 'DeleteStmt') {
    return routedShape(binding, node, table, catalogue);
  }
  return gathered('it is no INSERT, UPDATE or DELETE');
}

/** As without its triggers, with the rows that those need. */
function firedShape(binding: Binding, node: Stmt, catalogue: Catalogue): WriteShape {
  if (binding.usesView || binding.shadowed) return gathered('it fires a trigger, and uses a view');
  if (node.type !== 'InsertStmt' && node.type !== 'UpdateStmt' && node.type !== 'DeleteStmt')
    return gathered('it is no INSERT, UPDATE or DELETE');
  const table = catalogue.tables.get(foldName(node.tblName.objName.text));
  if (table === undefined) return gathered('it fires a trigger of a view');
  if ([...binding.functions].some((one) => CONNECTION_FUNCTIONS.has(one)))
    return gathered('it asks for changes() or last_insert_rowid()');
  const fires = firingOf(binding, node, table, catalogue);
  if (typeof fires === 'string') return gathered(fires);
  const own = { ...binding, usesTrigger: false };
  if (node.type === 'InsertStmt') {
    const shape = insertShape(own, node, table, catalogue);
    return shape.kind === 'insert' ? { ...shape, narrow: 'it fires a trigger', fires } : shape;
  }
  const shape = routedShape(own, node, table, catalogue);
  return shape.kind === 'routed'
    ? { ...shape, unsteady: mayDiffer(node.whereClause), fires }
    : shape;
}

/** Of an UPDATE or DELETE that writes other tables too: without triggers, that is what foreign keys do. */
function targetOf({ parsed, written, writes }: Binding): Table | undefined {
  const node = parsed?.node;
  if (node?.type !== 'UpdateStmt' && node?.type !== 'DeleteStmt') return undefined;
  if (writes.size !== written.length || node.tblName.dbName !== undefined) return undefined;
  const name = foldName(node.tblName.objName.text);
  return written.find((table) => foldName(table.name) === name && table.schema === 'main');
}

function temporaryShape(
  binding: Binding,
  node: Stmt,
  table: Table,
  catalogue: Catalogue,
): WriteShape {
  if (table.foreignKeys.length > 0 || isParent(table, catalogue)) {
    return gathered('foreign keys lead to or from the table');
  }
  if (binding.temporary === 'only') return { kind: 'temporary', source: undefined };
  if (node.type !== 'InsertStmt' || node.body.type !== 'SelectInsertBody') {
    return gathered('it brings temporary tables together with others');
  }
  const beside = [node.body.upsert, ...(node.returning ?? [])];
  if (beside.some((one) => one !== undefined && hasSubquery(one))) {
    return gathered('it has a subquery beside its source');
  }
  return { kind: 'temporary', source: node };
}

/** A key leads to a table that is not there, which SQLite says when it looks for children that go. */
function hasOrphanKey(table: Table, catalogue: Catalogue): boolean {
  return table.foreignKeys.some(
    ({ parent }) => catalogue.table(parent, table.schema) === undefined,
  );
}

/** Whether foreign keys have a say: a child that goes breaks none, a column outside of keys neither. */
function isKeyed(
  node: Extract<Stmt, { type: 'UpdateStmt' | 'DeleteStmt' }>,
  table: Table,
  catalogue: Catalogue,
): boolean {
  const parent = isParent(table, catalogue);
  if (node.type === 'DeleteStmt') return parent || hasOrphanKey(table, catalogue);
  if (parent && node.orConflict === 'Replace') return true;
  const set = new Set(
    node.sets.flatMap(({ colNames }) => colNames.map(({ text }) => foldName(text))),
  );
  if (table.columns.some(({ generated }) => generated))
    return parent || table.foreignKeys.length > 0;
  const children = table.foreignKeys.flatMap(({ columns }) => columns);
  const parents = parent ? table.uniques.flatMap(({ columns }) => columns ?? table.columns) : [];
  return [...children, ...parents.map(({ name }) => name)].some((name) => set.has(foldName(name)));
}

const SUBQUERIES: ReadonlySet<AstNode['type']> = new Set<AstNode['type']>([
  'Select',
  'InTableExpr',
]);

function hasSubquery(node: AstNode): boolean {
  return find(node, ({ type }) => SUBQUERIES.has(type)) !== undefined;
}

function routedShape(
  binding: Binding,
  node: Extract<Stmt, { type: 'UpdateStmt' | 'DeleteStmt' }>,
  table: Table,
  catalogue: Catalogue,
): WriteShape {
  if (table.virtual && table.place === 'striped') return gathered('it is a virtual table');
  if (hasSubquery(node) && !(table.virtual && isInOnePlace(binding))) {
    return gathered('it has a subquery');
  }
  if (node.orderBy !== undefined || node.limit !== undefined) return gathered('it has a LIMIT');
  if (node.type === 'UpdateStmt') {
    const why = movesRows(node, table);
    if (why !== undefined) return gathered(why);
  }
  const edits = pushEdits(binding, catalogue);
  if (typeof edits === 'string') return gathered(edits);
  const stars = returningEdits(binding.sql, node.returning, table);
  if (stars === undefined) return gathered('its RETURNING is not plain');
  const alias = node.tblName.alias?.text ?? node.tblName.objName.text;
  return {
    kind: 'routed',
    table,
    node,
    sql: splice(binding.sql, [...edits, ...stars]),
    terms: node.whereClause === undefined ? [] : conjuncts(node.whereClause),
    items: [{ name: foldName(alias), table }],
    unsteady: isUnsteady(binding),
    keyed: isKeyed(node, table, catalogue),
  };
}

function movesRows(node: Extract<Stmt, { type: 'UpdateStmt' }>, table: Table): string | undefined {
  if (node.from !== undefined) return 'it has a FROM';
  if (node.orConflict === 'Fail' || node.orConflict === 'Rollback') return 'it may stop half way';
  const set = new Set(
    node.sets.flatMap(({ colNames }) => colNames.map(({ text }) => foldName(text))),
  );
  const fixed = [table.distkey?.name, table.rid, 'rowid', '_rowid_', 'oid'];
  if (fixed.some((name) => name !== undefined && set.has(foldName(name)))) {
    return 'it changes the column that says where a row lies';
  }
  for (const { columns, local, index } of table.uniques) {
    if (local) continue;
    if (columns === undefined || columns.some(({ name }) => set.has(foldName(name)))) {
      return `unique index "${index}" reaches over stripes`;
    }
  }
  // A generated column may be part of an index that reaches over stripes.
  const computed = table.columns.some(({ generated }) => generated);
  return computed && table.uniques.some(({ local }) => !local) ? 'it computes a column' : undefined;
}

/** `*` of RETURNING without our hidden column; undefined when it holds a subquery. */
function returningEdits(
  sql: string,
  returning: readonly ResultColumn[] | undefined,
  table: Table,
): readonly Edit[] | undefined {
  const edits: Edit[] = [];
  for (const column of returning ?? []) {
    if (column.type === 'TableStarResultColumn') return undefined;
    if (column.type === 'ExprResultColumn') {
      if (hasSubquery(column.expr)) return undefined;
      continue;
    }
    const end = column.span.offset + column.span.length;
    if (sql[end - 1] !== '*') return undefined;
    edits.push({
      span: { offset: end - 1, length: 1 },
      text: table.columns.map(({ name }) => quoted(name)).join(', '),
    });
  }
  return edits;
}

const WORDS = { Abort: 'OR ABORT', Ignore: 'OR IGNORE', Replace: 'OR REPLACE' } as const;

function insertShape(
  binding: Binding,
  node: InsertStmt,
  table: Table,
  catalogue: Catalogue,
): WriteShape {
  if (table.virtual) return virtualInsert(binding, node, table, catalogue);
  if (node.orConflict === 'Fail' || node.orConflict === 'Rollback') {
    return gathered('it may stop half way');
  }
  const given = givenColumns(table);
  const columns =
    node.columns === undefined
      ? node.body.type === 'DefaultValuesInsertBody'
        ? []
        : given.map(({ name }) => name)
      : node.columns.map(({ text }) => ownName(table, text));
  if (columns.some((name) => name === undefined)) return gathered('it names the rowid');
  const names = columns as readonly string[];
  const missing = given.filter(({ name }) => !names.includes(name));
  const distkey = table.distkey?.name;
  const distkeyMissing = missing.some(
    ({ name, fallback }) => name === distkey && fallback !== null,
  );
  const stars = returningEdits(binding.sql, node.returning, table);
  if (stars === undefined) return gathered('its RETURNING is not plain');
  return {
    kind: 'insert',
    table,
    node,
    columns: names,
    or: node.orConflict === undefined ? '' : WORDS[node.orConflict],
    returning: returningText(binding, node, stars),
    returningHasParameters: (node.returning ?? []).some(
      (one) => find(one, ({ type }) => type === 'VariableExpr') !== undefined,
    ),
    ridReachesFar: table.uniques.some((key) => !key.local && isRidKey(key, table)),
    unsteady: missing.some(({ fallback }) => fallback !== null && /[(]|current_/i.test(fallback)),
    keyed: table.foreignKeys.length > 0 || (replaces(node, table) && isParent(table, catalogue)),
    narrow: needsRows(node, table, distkeyMissing),
  };
}

/** A virtual table keeps its rows as it likes, on the first stripe: only there SQLite itself can put them in. */
function virtualInsert(
  binding: Binding,
  { orConflict }: InsertStmt,
  table: Table,
  catalogue: Catalogue,
): WriteShape {
  if (orConflict === 'Fail' || orConflict === 'Rollback') return gathered('it may stop half way');
  if (!isInOnePlace(binding)) return gathered('its rows come from striped tables');
  const edits = pushEdits(binding, catalogue);
  if (typeof edits === 'string') return gathered(edits);
  const sql = splice(binding.sql, edits);
  return {
    kind: 'routed',
    table,
    node: undefined,
    sql,
    terms: [],
    items: [],
    unsteady: false,
    keyed: false,
  };
}

function isInOnePlace({ tables }: Binding): boolean {
  return tables.every(({ place }) => place === 'single' || place === 'reference');
}

export function replaces({ orConflict }: InsertStmt, { sql }: Table): boolean {
  return orConflict === 'Replace' || /\bconflict\s+replace\b/i.test(sql);
}

function needsRows(node: InsertStmt, table: Table, distkeyMissing: boolean): string | undefined {
  if (table.strict && table.ridHidden) return 'its primary key is checked by the coordinator';
  if (table.autoincrement) return 'its ids are never given twice';
  if (distkeyMissing) return 'its distribution column has a default';
  if (node.body.type === 'SelectInsertBody' && node.body.upsert !== undefined)
    return 'it is an upsert';
  const far = table.uniques.find((key) => !key.local && !isRidKey(key, table));
  return far === undefined ? undefined : `unique index "${far.index}" reaches over stripes`;
}

/** Ids that are given by the coordinator never collide, wherever their rows lie. */
function isRidKey({ columns, index }: UniqueKey, table: Table): boolean {
  return index === table.rid && columns?.length === 1;
}

/** The column as the stripes call it; undefined for words for the rowid. */
function ownName(table: Table, name: string): string | undefined {
  return givenColumns(table).find((one) => foldName(one.name) === foldName(name))?.name;
}

function returningText(
  { sql, parameters }: Binding,
  { returning }: InsertStmt,
  stars: readonly Edit[],
): string {
  const last = returning?.at(-1);
  const first = returning?.[0];
  if (first === undefined || last === undefined) return '';
  const span: Span = {
    offset: first.span.offset,
    length: last.span.offset + last.span.length - first.span.offset,
  };
  const edits = [...stars, ...parameters.edits].filter(
    (one) =>
      one.span.offset >= span.offset &&
      one.span.offset + one.span.length <= span.offset + span.length,
  );
  const inside = edits.map((one) => ({
    ...one,
    span: { ...one.span, offset: one.span.offset - span.offset },
  }));
  return ` RETURNING ${splice(sql.slice(span.offset, span.offset + span.length), inside)}`;
}
