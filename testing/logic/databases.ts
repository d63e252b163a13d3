/** What the records of a file are asked of: plain SQLite, and stripes of several numbers. */
import { Planner, type PlannerSettings } from '../../src/planner/planner.ts';
import { MemoryDatabase, type SqlRow } from '../../src/sqlite/sqlite.ts';
import { MemoryStripes } from '../memory-stripes.ts';
import { bound, ROOM, startSql } from '../sql-kit.ts';

/** One database, asked one statement after the other by one client. */
export interface LogicDatabase extends AsyncDisposable {
  readonly name: string;
  rows(sql: string): Promise<readonly SqlRow[]>;
}

/**
 * Real stripes, as `src/sql` runs them for a client. `sqliteIds`: rows that name no id get the one that SQLite would give; else a larger
 * one, as nodes do that give ids without asking each other.
 */
export async function engineOf(
  stripes: number,
  options: { readonly sqliteIds: boolean },
): Promise<LogicDatabase> {
  const on = await startSql(stripes, options);
  const session = await on.open();
  return {
    name: `${stripes} stripes`,
    rows: async (sql) => (await session.execute(bound(sql), ROOM)).rows,
    async [Symbol.asyncDispose]() {
      await session.close();
      await on[Symbol.asyncDispose]();
    },
  };
}

/** The planner alone over stripes in memory, which begins at once. */
export function plannerOf(stripes: number, settings: Partial<PlannerSettings> = {}): LogicDatabase {
  const memory = new MemoryStripes(stripes, 2000);
  memory.isLookedAt = true;
  const planner = new Planner(memory, settings);
  const connection = planner.connect();
  return {
    name: `${stripes} stripes in memory`,
    rows: async (sql) => (await connection.execute(sql)).rows,
    async [Symbol.asyncDispose]() {
      await connection.close();
      planner[Symbol.dispose]();
      memory[Symbol.dispose]();
    },
  };
}

/** The one that is right. */
export function plainSqlite(): LogicDatabase {
  const database = new MemoryDatabase({ foreignKeys: true });
  return {
    name: 'SQLite',
    rows: (sql) =>
      new Promise((resolve) => {
        resolve(database.prepare(sql).all());
      }),
    [Symbol.asyncDispose]() {
      database[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}
