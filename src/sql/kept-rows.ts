/**
 * Tables' rows as they were read, kept while the logs of all stripes stay where they were: one question to the log then answers for
 * the stripes. What is read often and written seldom is not fetched again for every statement.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CommitLog, ReadStripe, SqlValue } from '../database/database.ts';
import type { SqlRow } from '../planner/planner.ts';
import { KEPT_ROWS_BYTES_MAX, KEPT_TEXT_BYTES_MAX } from './limits.ts';

/** The heads of all stripes. */
export type Position = readonly ReadStripe[];

/** What was read of one position. */
export class KeptRows {
  readonly position: Position;
  readonly stripeVersion: number;
  readonly #rows = new Map<string, readonly SqlRow[]>();
  #bytes = 0;

  constructor(position: Position, stripeVersion: number) {
    this.position = position;
    this.stripeVersion = stripeVersion;
  }

  find(stripe: number, sql: string, values: SqlRow): readonly SqlRow[] | undefined {
    return this.#rows.get(keyOf(stripe, sql, values));
  }

  /** Only what is small, as long as there is room. */
  keep(stripe: number, sql: string, values: SqlRow, rows: readonly SqlRow[]): void {
    const bytes = rows.reduce((sum, row) => row.reduce(plusValue, sum), sql.length);
    if (bytes > KEPT_TEXT_BYTES_MAX || this.#bytes + bytes > KEPT_ROWS_BYTES_MAX) return;
    this.#bytes += bytes;
    this.#rows.set(keyOf(stripe, sql, values), rows);
  }
}

/** The newest of one database. */
export class KeptRowsOfNow {
  #kept: KeptRows | undefined;

  /** What is kept, if the log says that nothing was appended since. */
  async current(log: CommitLog, stripeVersion: number): Promise<KeptRows | undefined> {
    const kept = this.#kept;
    if (kept?.stripeVersion !== stripeVersion) return undefined;
    if ((await log.append([], kept.position)).kind === 'appended') return kept;
    if (this.#kept === kept) this.#kept = undefined;
    return undefined;
  }

  /** Where what is read of this position is kept. */
  at(position: Position, stripeVersion: number): KeptRows {
    const kept = this.#kept;
    if (kept?.stripeVersion === stripeVersion && isDeepStrictEqual(kept.position, position)) {
      return kept;
    }
    return (this.#kept = new KeptRows(position, stripeVersion));
  }
}

function keyOf(stripe: number, sql: string, values: SqlRow): string {
  if (values.length === 0) return `${stripe} ${sql}`;
  const texts = values.map((value) => `${typeof value} ${textOf(value)}`);
  return JSON.stringify([stripe, sql, ...texts]);
}

const textOf = (value: SqlValue): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value);

/** A value's share of memory, about. */
function plusValue(sum: number, value: SqlValue): number {
  if (typeof value === 'string') return sum + 16 + value.length * 2;
  return sum + 16 + (value instanceof Uint8Array ? value.length : 0);
}
