/** Copies of databases that were found damaged within the last day, in words, as `moln status` has them. */
import { formatDuration } from '../base/time.ts';
import type { DatabaseState } from '../databases/databases.ts';

const TOLD_MS: number = 24 * 3600 * 1000;

/** `states`: of each node, by its name. Pure. */
export function databaseTroubles(
  states: Iterable<readonly [string, DatabaseState]>,
  now: number,
): readonly string[] {
  return [...states].flatMap(([node, { name, stripes }]) =>
    stripes.flatMap(({ number, rebuilt, rebuiltAt = -Infinity }) =>
      rebuilt === undefined || now - rebuiltAt > TOLD_MS
        ? []
        : [
            `The copy of stripe ${number} of database "${name}" on ${node} was put aside and built anew ${formatDuration(Math.max(0, now - rebuiltAt))} ago: ${rebuilt}. When it happens again, look at that machine's disk`,
          ],
    ),
  );
}
