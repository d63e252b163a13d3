/** Runs each statement on planners over several numbers of stripes and on one plain SQLite, and compares all they say. */
import {
  type Connection,
  Planner,
  type PlannerSettings,
  type SqlRow,
} from '../src/planner/planner.ts';
import { MemoryDatabase } from '../src/sqlite/sqlite.ts';
import { MemoryStripes } from './memory-stripes.ts';

export interface Answer {
  readonly rows?: readonly string[];
  readonly columns?: readonly string[];
  readonly error?: string;
}

export interface Asked {
  /** The order of rows is part of the answer. */
  readonly ordered?: boolean;
  readonly values?: SqlRow;
}

/** No table is small enough to be gathered for the sake of order alone. */
export const NEVER = { rowsMax: 0, bytesMax: 0 } as const;

export class PlannerPair implements Disposable {
  readonly plain: MemoryDatabase;
  readonly planners: readonly Planner[];
  readonly connections: readonly Connection[];
  readonly stripes: readonly MemoryStripes[];

  constructor(stripeCounts: readonly number[], settings: Partial<PlannerSettings> = {}) {
    this.plain = new MemoryDatabase({ foreignKeys: settings.foreignKeys ?? true });
    this.stripes = stripeCounts.map((count) => new MemoryStripes(count));
    // In every second one what was read is kept.
    for (const [at, stripes] of this.stripes.entries()) stripes.isLookedAt = at % 2 === 1;
    this.planners = this.stripes.map((stripes) => new Planner(stripes, settings));
    this.connections = this.planners.map((planner) => planner.connect());
  }

  /** Throws when any answer differs; gives the answer. */
  async ask(sql: string, asked: Asked = {}): Promise<Answer> {
    const expected = this.#plainAnswer(sql, asked);
    for (const [at, connection] of this.connections.entries()) {
      const got = await plannedAnswer(connection, sql, asked);
      const want = JSON.stringify(expected);
      if (JSON.stringify(got) === want) continue;
      throw new Error(
        `${this.stripes[at]?.count} stripes answer\n${sql}\nwith ${JSON.stringify(got)}\nwant ${want}`,
      );
    }
    return expected;
  }

  #plainAnswer(sql: string, { ordered = false, values = [] }: Asked): Answer {
    try {
      const statement = this.plain.prepare(sql);
      const columns = statement.columns.map(({ name }) => name);
      return { columns, rows: shown(statement.all(values), ordered) };
    } catch (error) {
      return { error: wordsOf(error) };
    }
  }

  [Symbol.dispose](): void {
    for (const planner of this.planners) planner[Symbol.dispose]();
    for (const stripes of this.stripes) stripes[Symbol.dispose]();
    this.plain[Symbol.dispose]();
  }
}

async function plannedAnswer(
  connection: Connection,
  sql: string,
  { ordered = false, values = [] }: Asked,
): Promise<Answer> {
  try {
    const { columns, rows } = await connection.execute(sql, values);
    return { columns, rows: shown(rows, ordered) };
  } catch (error) {
    return { error: wordsOf(error) };
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${'errcode' in error ? String(error.errcode) : 'code' in error ? String(error.code) : ''} ${error.message}`;
}

function shown(rows: readonly SqlRow[], ordered: boolean): readonly string[] {
  const texts = rows.map((row) => row.map(showValue).join('|'));
  return ordered ? texts : texts.sort();
}

function showValue(value: SqlRow[number]): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return `r${value}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  return value === null ? 'NULL' : `'${value}'`;
}
