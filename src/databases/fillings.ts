/** Copies of one database that are filled beside, while others serve it: one that cannot be filled is tried again after a pause that grows. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { FILL_AGAIN_FIRST_MS, FILL_AGAIN_MOST_MS } from './limits.ts';
import { stripeName } from './records.ts';

export interface FillingsOptions {
  /** Opens this node's copy of that stripe. Leaves nothing when it rejects. */
  readonly open: (stripe: number) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Filling {
  readonly stop: AbortController;
  why: string | undefined;
}

export class Fillings implements AsyncDisposable {
  readonly #options: FillingsOptions;
  /** Under way, by stripe. */
  readonly #all = new Map<number, Filling>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: FillingsOptions) {
    this.#options = options;
  }

  /** Why one that is tried again has not been filled, in words. */
  get why(): string | undefined {
    for (const [stripe, { why }] of this.#all)
      if (why !== undefined)
        return `The copy of ${stripeName(stripe)} cannot be filled yet: ${why}`;
    return undefined;
  }

  /** Nobody waits for it. */
  fill(stripe: number): void {
    if (this.#all.has(stripe)) return;
    const filling: Filling = { stop: new AbortController(), why: undefined };
    this.#all.set(stripe, filling);
    const running = this.#fill(stripe, filling).finally(() => {
      this.#running.delete(running);
      if (this.#all.get(stripe) === filling) this.#all.delete(stripe);
    });
    this.#running.add(running);
  }

  /** It is not to be here any more. */
  leave(stripe: number): void {
    this.#all.get(stripe)?.stop.abort(new Error('The copy is not to be here any more'));
    this.#all.delete(stripe);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stripe of this.#all.keys()) this.leave(stripe);
    await Promise.all(this.#running);
  }

  async #fill(stripe: number, filling: Filling): Promise<void> {
    const { open, clock, logger } = this.#options;
    const { signal } = filling.stop;
    for (let pauseMs = FILL_AGAIN_FIRST_MS; !signal.aborted;) {
      try {
        return await open(stripe);
      } catch (error) {
        filling.why = messageOf(error);
        logger.error('A copy cannot be filled yet', { stripe: stripeName(stripe), pauseMs, error });
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, FILL_AGAIN_MOST_MS);
    }
  }
}
