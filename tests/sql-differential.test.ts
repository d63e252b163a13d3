/** Generated stories over real stripes: every answer is the one that plain SQLite gives. */
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { sqliteCodeName } from '../src/hrana/hrana.ts';
import { MemoryDatabase, type SqlRow } from '../src/sqlite/sqlite.ts';
import { rows, type SqlUnderTest, startSql } from '../testing/sql-kit.ts';
import { seeded } from '../testing/seeded.ts';
import { SqlGenerator } from '../testing/sql-generator.ts';

const SEEDS = 2;
const STATEMENTS = 60;

function shown(found: readonly SqlRow[], ordered: boolean): string {
  const texts = found.map((row) =>
    row
      .map((value) => {
        if (typeof value === 'number') return `r${value}`;
        if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
        return typeof value === 'string' ? `'${value}'` : String(value);
      })
      .join('|'),
  );
  return JSON.stringify(ordered ? texts : texts.toSorted());
}

function plainAnswer(plain: MemoryDatabase, sql: string, ordered: boolean): string {
  try {
    return shown(plain.prepare(sql).all(), ordered);
  } catch (error) {
    if (!(error instanceof Error) || !('errcode' in error)) throw error;
    return `${sqliteCodeName(Number(error.errcode))} ${error.message}`;
  }
}

async function answer(on: SqlUnderTest, sql: string, ordered: boolean): Promise<string> {
  const session = await on.open();
  try {
    return shown(await rows(session, sql), ordered);
  } catch (error) {
    return isMolnError(error) ? `${error.code} ${error.message}` : String(error);
  } finally {
    await session.close();
  }
}

for (const count of [1, 3, 8]) {
  test(`${count} stripes answer as one SQLite does`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await using on = await startSql(count, { sqliteIds: true });
      using plain = new MemoryDatabase({ foreignKeys: true });
      const generator = new SqlGenerator(seeded(seed));
      const told: string[] = [];
      const compare = async (sql: string, ordered: boolean): Promise<void> => {
        told.push(sql);
        const [got, want] = [await answer(on, sql, ordered), plainAnswer(plain, sql, ordered)];
        if (got === want) return;
        const story = told.join(';\n');
        throw new Error(`Seed ${seed}:\n${story}\nanswers ${got}\nwant    ${want}`);
      };
      for (const sql of generator.schema()) await compare(sql, false);
      for (let at = 0; at < STATEMENTS; at++) {
        const { sql, ordered } = generator.statement();
        await compare(sql, ordered);
      }
      for (const { name } of generator.tables) await compare(`SELECT * FROM ${name}`, false);
    }
  });
}
