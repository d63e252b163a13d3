/**
 * A statement in a session of its own that is one INSERT on one stripe: most of what apps write over HTTP. It needs no session, for
 * nobody asks afterwards what that has seen; so it goes to its stripe at once.
 */
import { isMolnError } from '../base/errors.ts';
import type { BoundStatement, Caller, StatementResult } from '../hrana/hrana.ts';
import type { LoneInsert } from '../planner/planner.ts';
import type { Engine } from './engine.ts';
import { isSchemaMoved, toClient } from './errors.ts';

type Parts = Pick<Engine, 'counts' | 'limits' | 'options' | 'planner' | 'queries' | 'set'>;

/** Undefined, now or later: nothing has happened, and a session is to run it. */
export function loneWrite(
  caller: Caller,
  { sql, values }: BoundStatement,
  engine: Parts,
): Promise<StatementResult | undefined> | undefined {
  if (caller.readOnly || !engine.set.isLoaded) return undefined;
  const insert = engine.planner.loneInsert(sql, values);
  return insert && write(caller, sql, insert, engine);
}

async function write(
  caller: Caller,
  shown: string,
  { stripe, sql, row, hasId }: LoneInsert,
  { counts, limits, options, queries, set }: Parts,
): Promise<StatementResult | undefined> {
  const { clock } = options;
  const began = clock.monotonicMs();
  using query = queries.begin(shown, caller);
  try {
    const expect = { schemaVersion: set.schema.stripeVersion };
    const { results } = await set.client(stripe).execute([{ sql, args: row }], expect);
    const { changes = 0, lastInsertRowid } = results[0] ?? {};
    const durationMs = clock.monotonicMs() - began;
    counts.commits++;
    counts.took(durationMs);
    return {
      columns: [],
      rows: [],
      affectedRows: changes,
      // 0 is none, as in a session.
      lastInsertRowid: (hasId && changes > 0 && lastInsertRowid) || null,
      rowsRead: 0,
      rowsWritten: 0,
      durationMs,
    };
  } catch (error) {
    // Only an error of a stripe says that nothing has happened, and this one does not. Any other a session finds out about, or gets over.
    const isOpen = !isMolnError(error) || error.code === 'DATABASE_OUTCOME_UNKNOWN';
    const tookMs = clock.monotonicMs() - began;
    // Planned anew, and told in SQLite's words, it is in a session only, however long this took.
    const isForSession = isSchemaMoved(error) || isMolnError(error, 'DATABASE_SQL');
    const mayPass = tookMs < limits.retryMs && !isMolnError(error, 'REGISTRY_UNAVAILABLE');
    if (!isOpen && (isForSession || mayPass)) return undefined;
    query.failure = error;
    counts.failed++;
    counts.took(tookMs);
    throw toClient(error);
  }
}
