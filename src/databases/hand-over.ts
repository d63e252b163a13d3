/**
 * A planned move of a stripe that is led here: the new primary catches up while this one goes on, then writes wait for as long as it takes to
 * finish what has begun and let the other one lead. Killed in between, the log says who leads, and whoever is left takes over.
 */
import { MolnError } from '../base/errors.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import type { Applied, Stripe } from '../database/database.ts';
import type { Moved } from './control.ts';
import { notReady } from './errors.ts';
import { MOVE_CATCH_UPS, MOVE_LAG_MAX, MOVE_TAKE_MS } from './limits.ts';
import type { PeerLinks } from './peer-link.ts';

export interface HandOverOptions {
  readonly stripe: Stripe;
  /** Id of the database, and its name for people. */
  readonly database: string;
  readonly name: string;
  /** Id of the node. */
  readonly to: string;
  /** For people. */
  readonly why: string;
  readonly links: Pick<PeerLinks, 'call'>;
  readonly clock: Clock;
}

/** Throws when the other one does not lead then: this one, or whoever comes first, leads again. */
export async function handOver(options: HandOverOptions): Promise<Moved> {
  const { stripe, database, name, to, why, links, clock } = options;
  if (stripe.primary === undefined) throw notReady(name, `${stripe.name} is not led here`);
  await broughtUp(options);
  let pauseMs: number | undefined;
  await stripe.release(async (replaces) => {
    const beganMs = clock.monotonicMs();
    const late = (): MolnError =>
      notReady(name, `the node that was to lead said nothing for ${MOVE_TAKE_MS} ms`);
    const leads = await withDeadline(MOVE_TAKE_MS, late, () =>
      links.call(to, 'lead', database, stripe.name, { replaces, why, isSettled: true }),
    );
    if (leads !== true) throw notReady(name, `another node leads ${stripe.name} already`);
    pauseMs = Math.round(clock.monotonicMs() - beganMs);
  });
  if (pauseMs === undefined) throw notReady(name, `${stripe.name} was lost meanwhile`);
  return { pauseMs };
}

/** What the other copy lacks it reads while writes go on, so that they wait for the last few entries only. */
async function broughtUp({ stripe, database, name, to, links }: HandOverOptions): Promise<void> {
  for (let round = 0; round < MOVE_CATCH_UPS; round++) {
    const { index } = (await links.call(to, 'beforeLead', database, stripe.name)) as Applied;
    if (stripe.status.applied.index - index <= MOVE_LAG_MAX) return;
  }
  throw notReady(name, `the copy of ${stripe.name} that was to lead does not keep up`);
}
