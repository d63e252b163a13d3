/**
 * CREATE, ALTER and DROP. A copy of the shadow tries the text first, so that SQLite itself judges it; what the stripes then
 * run follows from the new catalogue.
 */
import { MolnError } from '../base/errors.ts';
import { Catalogue, type Definitions, distributionIn, shadowOf } from './catalogue.ts';
import { contentOf, type Distribution, foldName, type Table } from './table.ts';
import { refused } from './full-text.ts';
import { physicalTable } from './physical.ts';
import { SEQUENCE_TABLE } from './sequence.ts';
import { cut, type Edit, type Parsed, quoted, type Stmt, textOf } from './syntax.ts';

export interface PlannedChange {
  readonly catalogue: Catalogue;
  /** For every stripe, in order. */
  readonly texts: readonly string[];
  /** The user's unique index over rows that are there: it has to be tried over all of them. */
  readonly checkUnique?: { readonly table: Table; readonly sql: string };
  /** DROP TABLE: with foreign keys on, its rows are deleted first, for the sake of its children. */
  readonly empty?: Table;
  /** Cannot be done to a table that has rows. */
  readonly onlyEmpty?: { readonly table: Table; readonly message: string };
  /** It is read by a full-text table from now on, so its rows have to be on the first stripe. */
  readonly content?: Table;
  /** CREATE TABLE AS: the rows to put in. */
  readonly fill?: { readonly table: Table; readonly select: string };
}

const SCHEMA_STATEMENTS: ReadonlySet<Stmt['type']> = new Set<Stmt['type']>([
  'CreateTableStmt',
  'CreateIndexStmt',
  'CreateViewStmt',
  'CreateTriggerStmt',
  'CreateVirtualTableStmt',
  'AlterTableStmt',
  'DropTableStmt',
  'DropIndexStmt',
  'DropViewStmt',
  'DropTriggerStmt',
]);

export function isSchemaStatement({ type }: Stmt): boolean {
  return SCHEMA_STATEMENTS.has(type);
}

/** They show the file of one stripe. What SQLite does not know it refuses itself. */
const OTHER_MODULES: ReadonlySet<string> = new Set(['dbstat', 'sqlite_dbpage']);

/**
 * Undefined when nothing changes (IF NOT EXISTS, IF EXISTS). `after`: what the text makes of the definitions, when that is known. Throws SQLite's own error for a wrong text.
 */
export function planChange(
  parsed: Parsed,
  old: Catalogue,
  foreignKeys: boolean,
  after?: Definitions,
): PlannedChange | undefined {
  const { sql, node } = parsed;
  refuseUnsupported(node);
  const shadow = after === undefined ? old.clone() : shadowOf(after);
  try {
    if (after === undefined) {
      // A REFERENCES column with a default is refused where foreign keys are on.
      if (foreignKeys) shadow.exec('PRAGMA foreign_keys = ON');
      shadow.exec(sql);
    }
    const distributions = distributionsAfter(parsed, old);
    const catalogue = new Catalogue(old.version + 1, shadow, distributions, old);
    if (sameObjects(old, catalogue)) {
      shadow[Symbol.dispose]();
      return undefined;
    }
    checkNew(node, catalogue);
    return { catalogue, ...stripeTexts(parsed, old, catalogue, foreignKeys) };
  } catch (error) {
    shadow[Symbol.dispose]();
    throw error;
  }
}

function refuseUnsupported(node: Stmt): void {
  if (node.type === 'CreateVirtualTableStmt') {
    const name = foldName(node.moduleName.text);
    if (OTHER_MODULES.has(name)) {
      throw new MolnError(
        'PLANNER_MODULE',
        `Virtual tables of module "${name}" are not supported`,
        {
          hint: 'Supported are full text (fts3, fts4, fts5) and R-Tree (rtree, geopoly)',
        },
      );
    }
  }
}

function sameObjects(old: Catalogue, next: Catalogue): boolean {
  return JSON.stringify(old.objects) === JSON.stringify(next.objects);
}

function distributionsAfter(
  { sql, node }: Parsed,
  old: Catalogue,
): Readonly<Record<string, Distribution>> {
  const after: Record<string, Distribution> = { ...old.distributions };
  if (node.type === 'CreateTableStmt') {
    const name = foldName(node.tblName.objName.text);
    if (old.table(name) !== undefined) return after;
    after[name] = { place: 'striped', ...distributionIn(sql), since: old.version + 1 };
  } else if (node.type === 'CreateVirtualTableStmt') {
    const content = contentTable(sql, old);
    const name = foldName(content?.name ?? '');
    if (content?.place === 'striped')
      after[name] = { ...withoutColumn(after[name]), place: 'single' };
  } else if (node.type === 'DropTableStmt') {
    delete after[foldName(node.tblName.objName.text)];
  } else if (node.type === 'AlterTableStmt') {
    alterDistribution(node, after);
  }
  return after;
}

function withoutColumn({ since }: Partial<Distribution> = {}): Partial<Distribution> {
  return since === undefined ? {} : { since };
}

/** That of a full-text table which keeps its columns elsewhere. */
function contentTable(sql: string, old: Catalogue): Table | undefined {
  const name = contentOf(sql);
  if (name === undefined || name === '') return undefined;
  const table = old.table(name, 'main');
  if (table !== undefined) return table;
  throw refused(
    `The text of a full-text table cannot be that of "${name}", which is no table of this database`,
    'Create the table first; a view cannot keep the text',
  );
}

function alterDistribution(
  { tblName, body }: Extract<Stmt, { type: 'AlterTableStmt' }>,
  after: Record<string, Distribution>,
): void {
  const name = foldName(tblName.objName.text);
  const own = after[name];
  if (own === undefined) return;
  if (body.type === 'RenameToAlterTableBody') {
    delete after[name];
    after[foldName(body.name.text)] = own;
  } else if (
    body.type === 'RenameColumnAlterTableBody' &&
    own.column !== undefined &&
    foldName(own.column) === foldName(body.old.text)
  ) {
    after[name] = { ...own, column: body.new.text };
  } else if (
    body.type === 'DropColumnAlterTableBody' &&
    own.column !== undefined &&
    foldName(own.column) === foldName(body.column.text)
  ) {
    throw new MolnError(
      'PLANNER_DISTKEY',
      `Column "${own.column}" distributes table "${name}" and cannot be dropped`,
      {
        hint: 'Create a new table with another distribution and copy the rows with INSERT … SELECT',
      },
    );
  }
}

function checkNew(node: Stmt, catalogue: Catalogue): void {
  if (node.type !== 'CreateTableStmt') return;
  const name = foldName(node.tblName.objName.text);
  const wanted = catalogue.distributions[name]?.column;
  const table = catalogue.table(name);
  if (wanted === undefined || table === undefined) return;
  const column = table.columns.find((one) => foldName(one.name) === foldName(wanted));
  if (column === undefined || column.generated) {
    const why = column === undefined ? 'has no such column' : 'computes it';
    throw new MolnError(
      'PLANNER_DISTKEY',
      `Cannot distribute by "${wanted}": table "${table.name}" ${why}`,
      {
        hint: 'Name a column of the table whose values are stored',
      },
    );
  }
}

function stripeTexts(
  { sql, node }: Parsed,
  old: Catalogue,
  next: Catalogue,
  foreignKeys: boolean,
): Omit<PlannedChange, 'catalogue'> {
  const first = next.sequence && !old.sequence ? [SEQUENCE_TABLE] : [];
  switch (node.type) {
    case 'CreateTableStmt':
      return createTable(sql, node, next, first);
    case 'CreateVirtualTableStmt': {
      const content = contentTable(sql, old);
      return { texts: [sql], ...(content?.place === 'striped' ? { content } : {}) };
    }
    case 'CreateIndexStmt': {
      const table = next.table(node.tblName.text);
      const index = next.objects.find(
        ({ type, name }) =>
          type === 'index' && foldName(name) === foldName(node.idxName.objName.text),
      );
      if (table === undefined || index === undefined) return { texts: [] };
      return {
        texts: [sql],
        ...(node.unique ? { checkUnique: { table, sql: index.sql } } : {}),
      };
    }
    case 'DropTableStmt': {
      const name = node.tblName.objName.text;
      const forget = old.table(name)?.autoincrement === true ? [forgetText(name)] : [];
      const table = old.table(name);
      return {
        texts: [`DROP TABLE ${quoted(name)}`, ...forget],
        ...(table === undefined ? {} : { empty: table }),
      };
    }
    case 'DropIndexStmt':
      return { texts: [sql] };
    case 'AlterTableStmt':
      return { texts: alterTexts(sql, node, old), ...onlyEmpty(node, old, foreignKeys) };
    default:
      // Views and triggers are the planner's alone.
      return { texts: [] };
  }
}

function forgetText(name: string): string {
  return `DELETE FROM _moln_sequence WHERE name = '${name.replaceAll("'", "''")}' COLLATE NOCASE`;
}

function createTable(
  sql: string,
  { tblName, body }: Extract<Stmt, { type: 'CreateTableStmt' }>,
  next: Catalogue,
  first: readonly string[],
): Omit<PlannedChange, 'catalogue'> {
  const table = next.table(tblName.objName.text);
  if (table === undefined) return { texts: [] };
  return {
    texts: [...first, physicalTable(table)],
    ...(body.type === 'AsSelectCreateTableBody'
      ? { fill: { table, select: textOf(sql, body.select) } }
      : {}),
  };
}

function alterTexts(
  sql: string,
  { tblName, body }: Extract<Stmt, { type: 'AlterTableStmt' }>,
  old: Catalogue,
): readonly string[] {
  const table = old.table(tblName.objName.text);
  // A view: only the planner knows it.
  if (table === undefined) return [];
  const edits: Edit[] = [];
  if (body.type === 'AddColumnAlterTableBody') {
    for (const { constraint, span } of body.column.constraints) {
      if (
        constraint.type === 'ForeignKeyColumnConstraint' ||
        constraint.type === 'DeferColumnConstraint'
      ) {
        edits.push({ span, text: '' });
      }
    }
  }
  const text = cut(sql, { offset: 0, length: sql.length }, edits);
  if (body.type === 'RenameToAlterTableBody' && table.autoincrement) {
    const to = body.name.text.replaceAll("'", "''");
    const from = table.name.replaceAll("'", "''");
    return [text, `UPDATE _moln_sequence SET name = '${to}' WHERE name = '${from}' COLLATE NOCASE`];
  }
  return [text];
}

/** The stripes know no foreign keys, so SQLite's refusal has to come from here. */
function onlyEmpty(
  { tblName, body }: Extract<Stmt, { type: 'AlterTableStmt' }>,
  old: Catalogue,
  foreignKeys: boolean,
): Pick<PlannedChange, 'onlyEmpty'> {
  const table = old.table(tblName.objName.text);
  if (!foreignKeys || table === undefined || body.type !== 'AddColumnAlterTableBody') return {};
  const kinds = body.column.constraints.map(({ constraint }) => constraint);
  const refers = kinds.some(({ type }) => type === 'ForeignKeyColumnConstraint');
  const filled = kinds.some(
    (one) => one.type === 'DefaultColumnConstraint' && one.expr?.type !== 'NullLiteral',
  );
  const message = 'Cannot add a REFERENCES column with non-NULL default value';
  return refers && filled ? { onlyEmpty: { table, message } } : {};
}
