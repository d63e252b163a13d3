/** Asks records of plain SQLite and of databases beside it, and tells every difference, also from what the file wants. */
import { type SqlRow, type SqlValue } from '../../src/sqlite/sqlite.ts';
import { type LogicDatabase, plainSqlite } from './databases.ts';
import { isWanted, type LogicRecord, logicValues } from './records.ts';

export interface LogicDifference {
  readonly database: string;
  readonly line: number;
  readonly sql: string;
  /** `file`: SQLite itself does not give what the file wants. */
  readonly kind: 'rows' | 'error' | 'no error' | 'words' | 'slow' | 'file';
  readonly got: string;
  readonly want: string;
}

export interface LogicPlay {
  readonly differences: readonly LogicDifference[];
  readonly records: number;
  readonly errors: number;
  /** Milliseconds that each database took for all, SQLite first. */
  readonly tookMs: readonly number[];
}

/** A statement is too slow when it takes longer than both. */
const SLOW_MS = 1000;
const SLOW_TIMES = 20;

interface LogicAnswer {
  readonly rows: readonly SqlRow[] | undefined;
  readonly error: string;
  readonly tookMs: number;
}

/** Closes the databases. */
export async function play(
  records: Iterable<LogicRecord>,
  databases: readonly LogicDatabase[],
): Promise<LogicPlay> {
  const differences: LogicDifference[] = [];
  const plain = plainSqlite();
  const all = [plain, ...databases];
  const tookMs = all.map(() => 0);
  let [count, errors] = [0, 0];
  const compare = async (record: LogicRecord): Promise<void> => {
    const { sql, line } = record;
    const want = await answerOf(plain, sql);
    count += 1;
    errors += want.rows === undefined ? 1 : 0;
    tookMs[0] = (tookMs[0] ?? 0) + want.tookMs;
    const asFile = fileDifference(record, want);
    if (asFile !== undefined) differences.push({ database: plain.name, line, sql, ...asFile });
    for (const [at, database] of databases.entries()) {
      const got = await answerOf(database, sql);
      tookMs[at + 1] = (tookMs[at + 1] ?? 0) + got.tookMs;
      const found = differenceOf(record, got, want);
      if (found !== undefined) differences.push({ database: database.name, line, sql, ...found });
    }
  };
  try {
    for (const record of records) await compare(record);
    for (const sql of await contentsOf(plain)) await compare(queryOf(sql));
  } finally {
    for (const database of all) await database[Symbol.asyncDispose]();
  }
  return { differences, records: count, errors, tookMs };
}

const queryOf = (sql: string): LogicRecord => ({
  kind: 'query',
  line: 0,
  sql,
  types: '',
  sort: 'rowsort',
  label: undefined,
  wanted: undefined,
});

/** What there is in the end: names, and the rows of every table. */
async function contentsOf(plain: LogicDatabase): Promise<readonly string[]> {
  const tables = await plain.rows(
    `SELECT 'SELECT ' || CASE WHEN l.wr THEN '' ELSE 'rowid, ' END || '* FROM "' || l.name || '"' FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite_%'`,
  );
  return ['SELECT type, name, tbl_name FROM sqlite_schema', ...tables.map(([sql]) => String(sql))];
}

async function answerOf(database: LogicDatabase, sql: string): Promise<LogicAnswer> {
  const began = performance.now();
  try {
    const rows = await database.rows(sql);
    return { rows, error: '', tookMs: performance.now() - began };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { rows: undefined, error: words, tookMs: performance.now() - began };
  }
}

function differenceOf(
  record: LogicRecord,
  got: LogicAnswer,
  want: LogicAnswer,
): Pick<LogicDifference, 'kind' | 'got' | 'want'> | undefined {
  if (got.rows === undefined || want.rows === undefined) {
    if (got.error === want.error) return undefined;
    const kind = want.rows !== undefined ? 'error' : got.rows !== undefined ? 'no error' : 'words';
    return { kind, got: got.error, want: want.error };
  }
  const isOrdered = record.kind === 'query' && record.sort === 'nosort';
  const [gotRows, wantRows] = [shown(got.rows, isOrdered), shown(want.rows, isOrdered)];
  if (gotRows !== wantRows) return { kind: 'rows', got: gotRows, want: wantRows };
  if (got.tookMs < SLOW_MS || got.tookMs < want.tookMs * SLOW_TIMES) return undefined;
  const ms = (took: number): string => `${took.toFixed(1)} ms`;
  return { kind: 'slow', got: ms(got.tookMs), want: ms(want.tookMs) };
}

function fileDifference(
  record: LogicRecord,
  { rows, error }: LogicAnswer,
): Pick<LogicDifference, 'kind' | 'got' | 'want'> | undefined {
  if (record.kind === 'statement') {
    if (record.fails === (rows === undefined)) return undefined;
    return { kind: 'file', got: error, want: record.fails ? 'an error' : 'no error' };
  }
  const { wanted, types, sort } = record;
  if (wanted === undefined || rows === undefined) return undefined;
  const values = logicValues(rows, types, sort);
  if (isWanted(values, wanted)) return undefined;
  return { kind: 'file', got: values.join(' '), want: JSON.stringify(wanted) };
}

function shown(rows: readonly SqlRow[], isOrdered: boolean): string {
  const texts = rows.map((row) => row.map(showValue).join('|'));
  return (isOrdered ? texts : texts.sort()).join('\n');
}

function showValue(value: SqlValue): string {
  if (typeof value === 'number') return `r${value}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** The records with what SQLite answers: a file that wants what is right. */
export async function answered(records: Iterable<LogicRecord>): Promise<readonly LogicRecord[]> {
  await using plain = plainSqlite();
  const done: LogicRecord[] = [];
  for (const record of records) {
    const { rows } = await answerOf(plain, record.sql);
    if (rows === undefined || record.kind === 'statement') {
      const { sql, line } = record;
      done.push({ kind: 'statement', sql, line, fails: rows === undefined });
      continue;
    }
    const types = typesOf(rows) || 'T';
    done.push({ ...record, types, wanted: { values: logicValues(rows, types, record.sort) } });
  }
  return done;
}

function typesOf(rows: readonly SqlRow[]): string {
  const columns = rows[0] ?? [];
  return columns
    .map((_, at) => {
      const value = rows.find((row) => row[at] !== null)?.[at];
      if (typeof value === 'bigint') return 'I';
      return typeof value === 'number' ? 'R' : 'T';
    })
    .join('');
}
