/**
 * CREATE, ALTER and DROP by a connection that has temporary objects, or makes its first one. A database with the definitions of both
 * schemas tries the text, for SQLite itself says which of them a name means; what then is different tells what was changed.
 */
import {
  type Catalogue,
  type Definitions,
  isParent,
  readDefinitions,
  readObjects,
} from './catalogue.ts';
import { planChange, type PlannedChange } from './schema-change.ts';
import { type Parsed, quoted, textOf } from './syntax.ts';
import { definitionIn, foldName, type StoredObject } from './table.ts';

export interface TemporaryChange {
  /** Of the database itself; undefined when that stays as it is. */
  readonly change: PlannedChange | undefined;
  /** The temporary objects afterwards. */
  readonly objects: readonly StoredObject[];
  /** For the connection's own database. */
  readonly texts: readonly string[];
  /** Run before, when foreign keys are on: its children have a say. */
  readonly before?: string;
  /** CREATE TABLE AS: run afterwards. */
  readonly fill?: string;
}

/** What is written into the schema `temp` whatever there is already. */
export function namesTemporary({ node }: Parsed): boolean {
  if ('temporary' in node && node.temporary) return true;
  return Object.values(node as object).some((value: unknown) => {
    if (typeof value !== 'object' || value === null || !('dbName' in value)) return false;
    const schema = value.dbName;
    if (typeof schema !== 'object' || schema === null || !('text' in schema)) return false;
    return String(schema.text).toLowerCase() === 'temp';
  });
}

/** `all`: the definitions of the database with those of the connection. */
export function planTemporary(
  parsed: Parsed,
  base: Catalogue,
  all: Catalogue,
  foreignKeys: boolean,
): TemporaryChange | undefined {
  using trial = all.clone();
  if (foreignKeys) trial.exec('PRAGMA foreign_keys = ON');
  trial.exec(parsed.sql);
  const after: Definitions = readDefinitions(trial);
  const objects = readObjects(trial, 'temp');
  const isChanged = !same(after, base.definitions);
  if (!isChanged && same(objects, all.temporary)) return undefined;
  const change = isChanged ? planChange(parsed, base, foreignKeys, after) : undefined;
  const kept = (list: readonly StoredObject[]): readonly StoredObject[] =>
    list.filter(({ type }) => type === 'table' || type === 'index');
  if (same(kept(objects), kept(all.temporary))) return { change, objects, texts: [] };
  return { change, objects, ...storeTexts(parsed, all, objects, foreignKeys) };
}

function storeTexts(
  { sql, node }: Parsed,
  all: Catalogue,
  objects: readonly StoredObject[],
  foreignKeys: boolean,
): Pick<TemporaryChange, 'texts' | 'before' | 'fill'> {
  const keyOf = ({ name, type }: StoredObject): string => `${type} ${foldName(name)}`;
  const known = new Set(all.temporary.map(keyOf));
  const made = objects.filter((one) => !known.has(keyOf(one)));
  const texts = made.map((one) => definitionIn('temp', one));
  switch (node.type) {
    case 'CreateTableStmt': {
      const name = made[0]?.name ?? '';
      return node.body.type === 'AsSelectCreateTableBody'
        ? { texts, fill: `INSERT INTO temp.${quoted(name)} ${textOf(sql, node.body.select)}` }
        : { texts };
    }
    case 'CreateVirtualTableStmt':
    case 'CreateIndexStmt':
      return { texts };
    case 'DropTableStmt': {
      const table = all.table(node.tblName.objName.text, 'temp');
      const empties = foreignKeys && table !== undefined && isParent(table, all);
      return {
        texts: [sql],
        ...(empties ? { before: `DELETE FROM temp.${quoted(table.name)}` } : {}),
      };
    }
    default:
      return { texts: [sql] };
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
