/** Runs a planned change of the schema on the stripes, with the rows that it touches. Inside one transaction. */
import { bind, type Binding } from './binding.ts';
import { type Catalogue, isParent } from './catalogue.ts';
import { refused } from './full-text.ts';
import type { Table } from './table.ts';
import { gather, stripesOf } from './gather.ts';
import { gatheredWrite, type WriteContext } from './gathered-write.ts';
import type { PlannedChange } from './schema-change.ts';
import { sqliteFailure } from './sqlite-errors.ts';
import { quoted } from './syntax.ts';

/** How many rows DROP TABLE deleted because of foreign keys. */
export async function applyChange(
  change: PlannedChange,
  before: Catalogue,
  /** As the connection sees it afterwards. */
  after: Catalogue,
  context: WriteContext,
): Promise<number> {
  const { session } = context;
  let removed = 0;
  const { catalogue, checkUnique, content, empty, fill, onlyEmpty, texts } = change;
  if (empty !== undefined && context.foreignKeys && isParent(empty, before)) {
    const binding = bind(before, `DELETE FROM ${quoted(empty.name)}`, context);
    removed = await written({ ...binding, usesTrigger: false }, { ...context, catalogue: before });
  }
  if (checkUnique !== undefined) await tryUnique(checkUnique, before, context);
  if (content !== undefined && (await hasRows(content, context, 1))) {
    throw refused(
      `The rows of "${content.name}" are spread over stripes, and a full-text table reads them on the first`,
      `Create "${content.name}" anew with the comment "/* moln: single */", and copy its rows`,
    );
  }
  if (onlyEmpty !== undefined && (await hasRows(onlyEmpty.table, context))) {
    throw sqliteFailure(onlyEmpty.message);
  }
  await session.alter({
    texts,
    catalogue: catalogue.serialize(),
    schemaVersion: catalogue.version,
  });
  if (fill !== undefined) {
    const sql = `INSERT INTO main.${quoted(fill.table.name)} ${fill.select}`;
    await written(bind(after, sql, context), { ...context, catalogue: after });
  }
  return removed;
}

/** How many rows were changed, cascades included. */
export async function written(binding: Binding, context: WriteContext): Promise<number> {
  const { failure, totalChanges } = await gatheredWrite(binding, binding.sql, [], context);
  if (failure !== undefined) throw failure;
  return totalChanges ?? 0;
}

/** Rows on different stripes may collide: the index is tried over all of them. */
async function tryUnique(
  { table, sql }: NonNullable<PlannedChange['checkUnique']>,
  before: Catalogue,
  { budget, pool, session, slots }: WriteContext,
): Promise<void> {
  const old = before.table(table.name);
  if (old === undefined) return;
  const scratch = pool.take(before);
  scratch.spoiled = true;
  try {
    const fetches = [{ table: old, stripes: stripesOf(old, slots.count) }];
    await gather(fetches, { session, scratch, budget });
    scratch.db.exec(sql);
  } finally {
    pool.give(scratch);
  }
}

async function hasRows(table: Table, { session, slots }: WriteContext, from = 0): Promise<boolean> {
  for (const stripe of stripesOf(table, slots.count).slice(from)) {
    const text = `SELECT 1 FROM ${quoted(table.name)} LIMIT 1`;
    for await (const rows of session.rows(stripe, text, [])) if (rows.length > 0) return true;
  }
  return false;
}
