/** A bank on two stripes of one folder, and the third that one of them is split into: for tests that kill the process which does it. */
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { Stripe } from '../src/database/database.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { startDatabase } from './database-kit.ts';

export const ACCOUNTS = 200;
export const SPLIT = { from: 0, into: 2 } as const;

/** Nobody leads again here who was held up by a busy machine; the next one replaces a killed one without waiting. */
const TTL_MS = 60_000;

export interface SplitBank extends AsyncDisposable {
  readonly engine: SqlEngine;
  readonly stripes: readonly Stripe[];
}

/** With what an earlier process left in the folder. */
export async function openSplitBank(folder: string): Promise<SplitBank> {
  const on = await startDatabase({ folder });
  const stripes: Stripe[] = [];
  for (const name of ['s0', 's1', 's2']) {
    const stripe = await on.copy('n1', { name, primaryTtlMs: TTL_MS });
    const replaces = (await on.log.primary(name))?.epoch;
    await stripe.lead(replaces === undefined ? {} : { replaces });
    stripes.push(stripe);
  }
  const engine = new SqlEngine({
    name: 'bank',
    stripes: stripes.slice(0, 2),
    more: (number) => {
      const stripe = stripes[number];
      if (stripe === undefined) throw new Error(`There is no stripe ${number}`);
      return stripe;
    },
    log: on.log,
    ids: new TableIds(on.registry, 'bank'),
    clock: systemClock,
    logger: silentLogger,
  });
  return {
    engine,
    stripes,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await on[Symbol.asyncDispose]();
    },
  };
}
