/**
 * Appends for one term of a primary, and finds out what became of an append whose answer was lost: it is in the log, or a barrier
 * takes its place under the same comparison, after which it can never get there.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Revision } from '../registry/registry.ts';
import type { CommitLog, Head } from './commit-log.ts';
import { judgeDoubt } from './doubt.ts';
import { type EncodedEntry, sameHash } from './entry.ts';
import { notPrimary, outcomeUnknown } from './errors.ts';
import { isOutcomeOpen } from './registry-log.ts';

export interface AppenderOptions {
  readonly log: CommitLog;
  readonly stripe: string;
  readonly epoch: Revision;
  readonly head: Head;
  /** An entry that changes nothing, at the same place as `lost`. */
  readonly barrier: (lost: EncodedEntry) => Promise<EncodedEntry>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Appended =
  | { readonly kind: 'appended' }
  /** It did not happen and never will; `barrier` has its place, if one was needed. */
  | {
      readonly kind: 'ruledOut';
      readonly barrier: EncodedEntry | undefined;
      readonly why: string;
      /** It was not sent, because the log is out of reach. */
      readonly away?: Error;
    };

const PAUSE_FIRST_MS = 20;
const PAUSE_MS_MAX = 1000;

export class Appender {
  readonly #options: AppenderOptions;
  #head: Head;
  /** Another copy is known to have taken over. */
  #isOver = false;
  /** The log has refused this term. */
  #isFenced = false;
  /** The log cannot be reached, and something was sent to it of which it is not known whether it has it. */
  #away: Error | undefined;
  readonly #onAway = new Set<(why: Error) => void>();

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#head = options.head;
  }

  get head(): Head {
    return this.#head;
  }

  /** Of an append over several stripes that another one made. */
  moveTo(head: Head): void {
    this.#head = head;
  }

  /** Throws `REGISTRY_UNAVAILABLE` while nothing more can be sent, for what was sent last is in doubt and the log cannot be reached. */
  requireReach(): void {
    if (this.#away !== undefined) throw this.#away;
  }

  /** Calls when that begins. */
  whenAway(tell: (why: Error) => void): Disposable {
    this.#onAway.add(tell);
    return { [Symbol.dispose]: () => void this.#onAway.delete(tell) };
  }

  /** Waits for what sends something, but not for a log that is out of reach: then throws `DATABASE_OUTCOME_UNKNOWN`, and the work goes on. */
  async unlessAway<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const tell = (why: Error): void => reject(outcomeUnknown(this.#options.stripe, why.message));
    using _told = this.whenAway(tell);
    if (this.#away !== undefined) tell(this.#away);
    return await Promise.race([work, promise]);
  }

  /** Throws `DATABASE_NOT_PRIMARY` when the term is over; then this entry is not in the log. */
  async append(entry: EncodedEntry, signal: AbortSignal): Promise<Appended> {
    const { log, stripe, epoch } = this.#options;
    if (this.#isOver) return this.#over();
    try {
      const result = await log.append([{ stripe, epoch, after: this.#head, entry }]);
      if (result.kind === 'refused') return await this.#refused(entry, result.fenced.length > 0);
      this.#head = result.heads[0] ?? this.#head;
      return { kind: 'appended' };
    } catch (error) {
      if (isMolnError(error, 'DATABASE_NOT_PRIMARY')) throw error;
      if (!isOutcomeOpen(error)) {
        const away = isMolnError(error, 'REGISTRY_UNAVAILABLE') ? { away: error } : {};
        return { kind: 'ruledOut', barrier: undefined, why: messageOf(error), ...away };
      }
      return await this.resolve(entry, messageOf(error), signal);
    }
  }

  /**
   * Goes on until it knows, also when the term is over meanwhile. `why` is what went wrong. Throws `DATABASE_OUTCOME_UNKNOWN` only
   * when the signal aborts.
   */
  async resolve(entry: EncodedEntry, why: string, signal: AbortSignal): Promise<Appended> {
    const { logger, stripe } = this.#options;
    logger.warn('The answer to an append was lost', { stripe, index: entry.index, why });
    try {
      return await this.#resolve(entry, why, signal);
    } finally {
      this.#away = undefined;
    }
  }

  async #resolve(entry: EncodedEntry, why: string, signal: AbortSignal): Promise<Appended> {
    const { clock, logger, stripe } = this.#options;
    for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        const known = await this.#look(entry, why);
        if (known !== undefined) return known;
      } catch (error) {
        if (isMolnError(error, 'DATABASE_NOT_PRIMARY')) throw error;
        if (isMolnError(error, 'REGISTRY_UNAVAILABLE')) this.#isAway(error);
        logger.warn('Cannot find out about an append yet', {
          stripe,
          index: entry.index,
          why: messageOf(error),
        });
      }
      if (signal.aborted) throw outcomeUnknown(stripe, why);
      await Promise.race([clock.sleep(pauseMs), aborted(signal)]);
    }
  }

  #isAway(why: Error): void {
    if (this.#away !== undefined) return;
    this.#away = why;
    for (const tell of this.#onAway) tell(why);
  }

  async #look(entry: EncodedEntry, why: string): Promise<Appended | undefined> {
    const { log, stripe } = this.#options;
    const head = await log.head(stripe);
    switch (judgeDoubt(head, entry)) {
      case 'present':
        this.#head = head;
        return { kind: 'appended' };
      case 'replaced':
        return this.#over();
      case 'beyond': {
        const [found] = await log.read(stripe, entry.index);
        // Our successor went on behind it: it happened, but the term is over, and the copy applies it from the log.
        if (found === undefined || !sameHash(found.hash, entry.hash)) return this.#over();
        this.#isOver = true;
        // For whoever is told of it. Nothing is ever appended at its revision, which is of the one before.
        this.#head = { ...this.#head, index: entry.index, hash: entry.hash, group: entry.group };
        return { kind: 'appended' };
      }
      case 'absent':
        // Nothing of this term gets there any more. A log that was taken over may be at another revision, or lack entries.
        return this.#isFenced ? this.#over() : await this.#bar(entry, why);
    }
  }

  async #bar(entry: EncodedEntry, why: string): Promise<Appended | undefined> {
    const { log, stripe, epoch, barrier: make } = this.#options;
    const barrier = await make(entry);
    const result = await log.append([{ stripe, epoch, after: this.#head, entry: barrier }]);
    // The lost one may have come first, or the term is over: look again, or say so.
    if (result.kind === 'refused') {
      if (result.moved.length === 0) return this.#over();
      this.#isFenced ||= result.fenced.length > 0;
      return undefined;
    }
    this.#head = result.heads[0] ?? this.#head;
    return { kind: 'ruledOut', barrier, why };
  }

  /** An append is only refused when the term is over, or when an earlier attempt of the same one got through. */
  async #refused(entry: EncodedEntry, isFenced: boolean): Promise<Appended> {
    const head = await this.#options.log.head(this.#options.stripe);
    if (judgeDoubt(head, entry) === 'present') {
      this.#head = head;
      return { kind: 'appended' };
    }
    throw notPrimary(
      this.#options.stripe,
      isFenced ? 'its term is over' : 'its log went on without it',
    );
  }

  #over(): never {
    this.#isOver = true;
    throw notPrimary(this.#options.stripe, 'another copy took over');
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
