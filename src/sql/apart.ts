/** Texts that read no table, where they can be stopped: a stripe has processes for reads that may take long. */
import { isMolnError } from '../base/errors.ts';
import type { SqlRow } from '../planner/planner.ts';
import { fromStripe } from './errors.ts';
import type { StripeSet } from './stripe-set.ts';

export async function runApart(
  set: StripeSet,
  sql: string,
  values: SqlRow,
  signal: AbortSignal | undefined,
): Promise<readonly SqlRow[]> {
  try {
    const asked = set.client(0).query({ sql, args: values }, { kind: 'stale' });
    return (await unlessAborted(asked, signal)).rows;
  } catch (error) {
    throw fromStripe(error);
  }
}

/** A stripe gives so much at once and no more. */
export function isAnswerTooLong(error: unknown): boolean {
  if (!isMolnError(error, 'DATABASE_LIMIT')) return false;
  return error.details?.['limit'] === 'rows' || error.details?.['limit'] === 'rowBytes';
}

/** The process that reads goes on until its own limit; whoever asked is told at once. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await work;
  // Nobody waits for it any more when the statement was stopped before it was asked.
  work.catch(() => {});
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
