/** This node's copy of one stripe, with what it does by itself: leads when nobody does, makes snapshots while it leads. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type CommitLog,
  type PrimaryRecord,
  runCandidate,
  runSnapshots,
  type Stripe,
} from '../database/database.ts';
import { LEAD_EVERY_MS, PREFERENCE_MS, SNAPSHOT_EVERY_MS } from './limits.ts';

export class Copy implements AsyncDisposable {
  readonly stripe: Stripe;
  #isStarted = false;
  readonly #stop = new AbortController();
  #duties: readonly Promise<void>[] = [];

  constructor(stripe: Stripe) {
    this.stripe = stripe;
  }

  /** What is read here; undefined before the copy has had once all that the log has, if that could be reached, and while it has nothing. */
  get started(): Stripe | undefined {
    const hasAny = this.stripe.status.applied.index > 0;
    return this.#isStarted && hasAny ? this.stripe : undefined;
  }

  /** `rank`: how many copies should rather lead. */
  async start(options: {
    readonly log: CommitLog;
    readonly record: PrimaryRecord;
    readonly rank: number;
    readonly mayLead: () => boolean;
    readonly isGone: (node: string) => boolean;
    readonly isKeptElsewhere: () => boolean;
    readonly clock: Clock;
    readonly logger: Logger;
  }): Promise<void> {
    const { stripe } = this;
    const { signal } = this.#stop;
    const { log, record, rank, mayLead, isGone, isKeptElsewhere, ...shared } = options;
    await stripe.start();
    this.#isStarted = true;
    const everyMs = LEAD_EVERY_MS + rank * PREFERENCE_MS;
    this.#duties = [
      runCandidate({ ...shared, stripe, record, everyMs, mayLead, isGone }, signal),
      runSnapshots({ ...shared, stripe, log, everyMs: SNAPSHOT_EVERY_MS, isKeptElsewhere }, signal),
    ];
  }

  /** Hands the stripe over, if it leads, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The copy is being closed'));
    await Promise.all(this.#duties);
    await this.stripe[Symbol.asyncDispose]();
  }
}
