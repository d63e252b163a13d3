/** One seed's story: a random schema, statements over it, and the state of every table in the end, asked of all planners and of SQLite. */
import { NEVER, PlannerPair } from './planner-pair.ts';
import { type Seeded, seeded } from './seeded.ts';
import { SqlGenerator } from './sql-generator.ts';

export interface StoryCounts {
  statements: number;
  errors: number;
  rows: number;
}

export interface Story {
  readonly seed: number;
  readonly statements: number;
  readonly stripes?: readonly number[];
  /** Some tables, views and triggers are the connection's own. */
  readonly temporary?: boolean;
}

/** Now and then a transaction, with savepoints in it, some of them mistaken. */
class TransactionWords {
  readonly #random: Seeded;
  #open = false;

  constructor(random: Seeded) {
    this.#random = random;
  }

  next(): readonly string[] {
    const random = this.#random;
    if (!random.chance(0.12)) return [];
    if (!this.#open) {
      this.#open = true;
      return [random.pick(['BEGIN', 'BEGIN IMMEDIATE', 'SAVEPOINT a'])];
    }
    const words = random.pick([
      'SAVEPOINT a',
      'ROLLBACK TO a',
      'RELEASE a',
      'COMMIT',
      'ROLLBACK',
      'COMMIT',
    ]);
    if (words === 'COMMIT' || words === 'ROLLBACK') this.#open = false;
    return [words];
  }
}

/** Throws with the seed, the statements so far and the two answers when one differs. */
export async function tellStory(story: Story): Promise<StoryCounts> {
  const { seed, statements, stripes = [1, 3, 8], temporary = false } = story;
  // Every second story never gathers for the sake of order alone, so that the other plans are tried with few rows too.
  // In the others even the order that SQL leaves open is SQLite's.
  const exact = seed % 2 === 0;
  using pair = new PlannerPair(stripes, exact ? {} : { exact: NEVER });
  const random = seeded(seed);
  const generator = new SqlGenerator(random, temporary);
  const counts: StoryCounts = { statements: 0, errors: 0, rows: 0 };
  const told: string[] = [];
  const ask = async (sql: string, ordered: boolean): Promise<void> => {
    told.push(sql);
    const answer = await pair.ask(sql, { ordered: ordered || exact });
    counts.statements += 1;
    counts.errors += answer.error === undefined ? 0 : 1;
    counts.rows += answer.rows?.length ?? 0;
  };
  const compareTables = async (): Promise<void> => {
    for (const { name, create } of generator.tables) {
      const rowid = create.includes('WITHOUT ROWID') ? '' : 'rowid, ';
      await ask(`SELECT ${rowid}* FROM ${name}`, false);
    }
  };
  try {
    for (const sql of generator.schema()) await ask(sql, false);
    const control = new TransactionWords(random);
    for (let at = 0; at < statements; at += 1) {
      for (const sql of control.next()) await ask(sql, false);
      const { sql, ordered } = generator.statement();
      await ask(sql, ordered);
      if (!/^(?:SELECT|WITH)/.test(sql)) await compareTables();
    }
    await compareTables();
  } catch (error) {
    const writes = told.filter((sql) => !/^(?:SELECT|WITH)/.test(sql)).join(';\n');
    throw new Error(`Seed ${seed}:\n${writes};\n\n${String(error)}`, { cause: error });
  }
  return counts;
}
