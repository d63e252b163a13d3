/**
 * Full-text tables that keep no text themselves: their columns are another table's, or nobody's. What is not on the stripe cannot be
 * read back and put in elsewhere, so a statement that is gathered only notes what is put into such a table, and the stripe does that.
 */
import { MolnError } from '../base/errors.ts';
import type { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { foldName, list, type Table } from './table.ts';
import type { StripeSession } from './stripes.ts';
import { quoted } from './syntax.ts';

/** INSERTs into one table. */
export interface Feed {
  readonly table: Table;
  readonly notes: string;
  readonly columns: readonly string[];
}

/** Those that a gathered text puts something into. Throws for what it may not do with them. */
export function fedTables(
  { fed, tables, written }: Binding,
  { objects }: Catalogue,
): readonly Table[] {
  const outside = tables.filter(({ content }) => content !== undefined);
  for (const table of outside) {
    const name = foldName(table.name);
    const replaces = objects.some(
      ({ sql, type }) =>
        type === 'trigger' &&
        foldName(sql).includes(name) &&
        /\b(?:or\s+replace|replace\s+into)\b/i.test(sql),
    );
    const isOnlyFed = written.includes(table) && fed.has(name) && !replaces;
    if (isOnlyFed && table.schema === 'main' && /\busing\s+fts5\b/i.test(table.sql)) continue;
    throw refused(
      `Full-text table "${table.name}" keeps no text of its own: together with triggers, views or striped tables it can only be put into`,
      `Use INSERT INTO ${table.name}(${table.name}, rowid, …) VALUES ('delete', …) for rows that go, or let it keep its own text`,
    );
  }
  return outside;
}

export function refused(sentence: string, hint: string): MolnError {
  return new MolnError('PLANNER_FTS_CONTENT', sentence, { hint });
}

/** Stands in for the table and notes, in order, what is put in. */
export function noteFeeds(db: MemoryDatabase, tables: readonly Table[]): readonly Feed[] {
  return tables.map((table, at): Feed => {
    const columns = ['rowid', ...table.columns.map(({ name }) => name), table.name, 'rank'];
    const notes = `_moln_fed_${at}`;
    db.exec(`CREATE TABLE main.${notes}(${columns.map((_, one) => `c${one}`).join(', ')});
      CREATE VIEW main.${quoted(table.name)}(${list(columns)}) AS SELECT ${columns.map(() => 'NULL').join(', ')} WHERE 0;
      CREATE TRIGGER main._moln_feed_${at} INSTEAD OF INSERT ON main.${quoted(table.name)} BEGIN
        INSERT INTO ${notes} VALUES (${columns.map((name) => `new.${quoted(name)}`).join(', ')}); END`);
    return { table, notes, columns };
  });
}

/**
 * After all other rows are where they belong, for the text is read there. Tells how many rows the text itself put in, which SQLite does
 * not count of what stands in for a table.
 */
export async function feed(
  db: MemoryDatabase,
  feeds: readonly Feed[],
  session: StripeSession,
  { parsed }: Binding,
): Promise<number> {
  const node = parsed?.node;
  const replaces = node !== undefined && 'orConflict' in node && node.orConflict === 'Replace';
  const into = node?.type === 'InsertStmt' ? foldName(node.tblName.objName.text) : undefined;
  let changes = 0;
  for (const { columns, notes, table } of feeds) {
    const runs = db.prepare(`SELECT * FROM main.${notes} ORDER BY rowid`).all();
    if (runs.length === 0) continue;
    if (foldName(table.name) === into) changes += runs.length;
    const marks = columns.map((_, at) => `?${at + 1}`).join(', ');
    const verb = replaces ? 'INSERT OR REPLACE' : 'INSERT';
    const sql = `${verb} INTO ${quoted(table.name)}(${list(columns)}) VALUES (${marks})`;
    await session.write(0, [{ sql, runs }]);
  }
  return changes;
}

const VALUE = String.raw`('(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^\]]*\]|[^\s,)]+)`;

/** The definition of one that keeps what it is given, as long as rows are gathered. */
export function withOwnContent({
  content,
  name,
  sql,
}: Pick<Table, 'content' | 'name' | 'sql'>): string {
  if (content === undefined) return sql;
  if (content === '') {
    throw refused(
      `Full-text table "${name}" keeps no text and cannot be read together with striped tables`,
      'Read the rowids first, and then the rows that have them',
    );
  }
  const option = String.raw`content(?:_rowid)?\s*=\s*${VALUE}`;
  return sql
    .replace(new RegExp(String.raw`,\s*${option}`, 'gi'), '')
    .replace(new RegExp(String.raw`\(\s*${option}\s*,`, 'gi'), '(');
}
