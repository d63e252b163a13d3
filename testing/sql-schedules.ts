/**
 * Schedules of several clients' transactions, and whether what they saw is what some order of them, one after the other, would have
 * shown: the definition of serializable, asked of plain SQLite.
 */
import { isDeepStrictEqual } from 'node:util';
import type { SqlValue } from '../src/hrana/hrana.ts';
import { MemoryDatabase } from '../src/sqlite/sqlite.ts';
import { rows, type SqlUnderTest } from './sql-kit.ts';
import { until } from './until.ts';

/** Whose turn it is, and what he says; BEGIN and COMMIT among it. */
export type Schedule = readonly (readonly [client: number, sql: string])[];

type Seen = readonly (readonly SqlValue[])[];

interface Told {
  readonly sql: string;
  readonly seen: Seen;
}

export interface Played {
  /** What each client that committed said and saw, without BEGIN and COMMIT. */
  readonly committed: ReadonlyMap<number, readonly Told[]>;
  readonly refused: ReadonlyMap<number, string>;
  readonly end: Seen;
}

const CONTROL = /^(?:begin|commit|rollback)/i;

/** Each step begins when the one before it is answered or waits for another transaction. */
export async function play(on: SqlUnderTest, schedule: Schedule, final: string): Promise<Played> {
  const sessions = new Map<number, Awaited<ReturnType<SqlUnderTest['open']>>>();
  const tails = new Map<number, Promise<void>>();
  const told = new Map<number, Told[]>();
  const refused = new Map<number, string>();
  const committed = new Map<number, readonly Told[]>();
  for (const [client, sql] of schedule) {
    const session = sessions.get(client) ?? (await on.open());
    sessions.set(client, session);
    let isDone = false;
    const before = tails.get(client) ?? Promise.resolve();
    const step = before.then(async () => {
      try {
        if (refused.has(client)) return;
        const seen = await rows(session, sql);
        if (/^commit/i.test(sql)) committed.set(client, told.get(client) ?? []);
        else if (!CONTROL.test(sql)) told.set(client, [...(told.get(client) ?? []), { sql, seen }]);
      } catch (error) {
        refused.set(client, String(error));
        // A client that hears of a failure gives the transaction up.
        if (!session.isAutocommit) await rows(session, 'ROLLBACK');
      } finally {
        isDone = true;
      }
    });
    tails.set(client, step);
    await until(`an answer to ${sql}`, () => isDone || on.engine.figures.waiting > 0);
  }
  await Promise.all(tails.values());
  const reader = await on.open();
  return { committed, refused, end: await rows(reader, final) };
}

/** Throws when no order of the committed transactions explains what was seen. */
export function requireSerial(setup: readonly string[], played: Played, final: string): void {
  for (const order of ordersOf([...played.committed.keys()])) {
    using plain = new MemoryDatabase();
    for (const sql of setup) plain.exec(sql);
    const fits = order.every((client) =>
      (played.committed.get(client) ?? []).every(({ sql, seen }) =>
        isDeepStrictEqual(plain.prepare(sql).all(), seen),
      ),
    );
    if (fits && isDeepStrictEqual(plain.prepare(final).all(), played.end)) return;
  }
  const shown = JSON.stringify(
    { committed: [...played.committed], refused: [...played.refused], end: played.end },
    (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value),
  );
  throw new Error(`No order of the transactions explains ${shown}`);
}

function ordersOf(clients: readonly number[]): readonly (readonly number[])[] {
  if (clients.length === 0) return [[]];
  return clients.flatMap((first) =>
    ordersOf(clients.filter((one) => one !== first)).map((rest) => [first, ...rest]),
  );
}
