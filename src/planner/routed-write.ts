/** An UPDATE or DELETE that runs on the stripes as it is. */
import { settleAll } from '../base/settle-all.ts';
import type { Written } from './gathered-write.ts';
import { type PinContext, pinned } from './pins.ts';
import { slotHomes } from '../slots/slots.ts';
import type { StripeSession, WriteOutcome } from './stripes.ts';
import type { SqlRow } from './values.ts';
import type { RoutedShape } from './write-plan.ts';

/** The stripes it has to run on, or undefined when it means one thing on one stripe only and there are more. */
export function routeOf(shape: RoutedShape, context: PinContext): readonly number[] | undefined {
  const { table, terms, items, unsteady } = shape;
  const { count } = context.slots;
  const every = Array.from({ length: count }, (_, stripe) => stripe);
  if (table.place === 'reference') return unsteady && count > 1 ? undefined : every;
  if (table.place === 'single') return [0];
  const stripes = [...(pinned(items, 0, terms, context) ?? slotHomes(context.slots))];
  return unsteady && stripes.length > 1 ? undefined : stripes;
}

export async function routedWrite(
  shape: RoutedShape,
  route: readonly number[],
  values: SqlRow,
  session: StripeSession,
  {
    inTransaction,
    lastInsertRowid,
  }: { readonly inTransaction: boolean; readonly lastInsertRowid: bigint },
): Promise<Written> {
  const last = !inTransaction && route.length === 1;
  const outcomes = await everywhere(route, async (stripe) =>
    session.write(stripe, [{ sql: shape.sql, runs: [values] }], last),
  );
  // Copies of one table say the same: one speaks for all.
  const counted = shape.table.place === 'reference' ? outcomes.slice(0, 1) : outcomes;
  return {
    rows: counted.flatMap(({ rows }) => rows),
    changes: counted.reduce((sum, { changes }) => sum + changes, 0),
    lastInsertRowid: counted[0]?.lastInsertRowid ?? lastInsertRowid,
    rolledBack: false,
  };
}

/** Waits for all before it throws: nothing runs on when the statement is undone. */
export async function everywhere(
  stripes: readonly number[],
  work: (stripe: number) => Promise<readonly WriteOutcome[]>,
): Promise<readonly WriteOutcome[]> {
  const [only] = stripes;
  if (only !== undefined && stripes.length === 1) return await work(only);
  return (await settleAll(stripes.map(async (stripe) => work(stripe)))).flat();
}
