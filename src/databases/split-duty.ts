/** Does the splits that a database's record lists, where stripe 0 is led: one after the other, and on from wherever the last one stopped. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { SqlEngine, Splitter } from '../sql/sql.ts';
import type { SplitState } from './control.ts';
import { SPLIT_LOOK_MS } from './limits.ts';
import type { SplitRecord } from './records.ts';
import { nextSplit } from './splits.ts';

export interface SplitDutyOptions {
  readonly name: string;
  readonly engine: SqlEngine;
  readonly splits: () => readonly SplitRecord[];
  /** Whether this node does it, which is where stripe 0 is led. */
  readonly isMine: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SplitDuty {
  readonly #options: SplitDutyOptions;
  #splitter: Splitter | undefined;
  #why: string | undefined;

  constructor(options: SplitDutyOptions) {
    this.#options = options;
  }

  /** Undefined when nothing is to be done, or another node does it. */
  get state(): SplitState | undefined {
    const { engine, isMine, splits } = this.#options;
    if (!isMine()) return undefined;
    const { slots } = engine.set;
    const split = nextSplit(splits(), slots);
    if (split === undefined) return undefined;
    const { rows = 0, pauseMsMax = 0 } = this.#splitter?.figures ?? {};
    const left = slots.moving?.into === split.into ? slots.moving.left.length : undefined;
    return { ...split, slotsLeft: left, rows, pauseMsMax: Math.round(pauseMsMax), why: this.#why };
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, name } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look(signal);
        this.#why = undefined;
      } catch (error) {
        this.#why = messageOf(error);
        if (!signal.aborted)
          logger.warn('A stripe cannot be split yet', { database: name, why: this.#why });
      }
      await clock.sleep(SPLIT_LOOK_MS, signal).catch(() => undefined);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { engine, isMine, logger, name, splits } = this.#options;
    if (splits().length === 0 || !isMine()) return;
    await engine.set.load();
    const split = nextSplit(splits(), engine.set.slots);
    if (split === undefined) return;
    const splitter = engine.splitter();
    this.#splitter = splitter;
    await splitter.run(split, signal);
    const { rows, pauseMsMax } = splitter.figures;
    logger.info('A stripe was split', { database: name, ...split, rows, pauseMsMax });
  }
}
