/** Who leads a stripe, without a question each time: the log is asked when the key may have changed, and now and then, for a hint may get lost. */
import type { Clock } from '../base/time.ts';
import type { CommitLog, Primary } from './commit-log.ts';

export interface KnownPrimaryOptions {
  readonly name: string;
  readonly log: Pick<CommitLog, 'primary'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** Without a hint. A primary that has ended was heard of by its own node, or is not heard any more, long before. */
const ASK_EVERY_MS = 1000;

export class KnownPrimary {
  readonly #options: KnownPrimaryOptions;
  #known: Primary | undefined;
  #askedMs = -Infinity;

  constructor(options: KnownPrimaryOptions) {
    this.#options = options;
  }

  /** As the log said when it was asked last, however long ago. */
  get known(): Primary | undefined {
    return this.#known;
  }

  /** Whoever asks next asks the log. */
  mayHaveChanged(): void {
    this.#askedMs = -Infinity;
  }

  /** As of `ASK_EVERY_MS` ago at the most, and of the newest hint. Rejects as the log does. */
  async recent(): Promise<Primary | undefined> {
    const isOld = this.#options.clock.monotonicMs() - this.#askedMs >= ASK_EVERY_MS;
    return isOld ? await this.now() : this.#known;
  }

  /** As the log says now. */
  async now(): Promise<Primary | undefined> {
    const { log, name, clock } = this.#options;
    // Before the question: a hint that comes meanwhile counts.
    this.#askedMs = clock.monotonicMs();
    try {
      this.#known = await log.primary(name);
    } catch (error) {
      this.mayHaveChanged();
      throw error;
    }
    return this.#known;
  }
}
