/**
 * One statement that reads several stripes without stopping anybody: each is read as it is, on the nearest copy, and afterwards the log is asked once whether
 * what was seen is all that there is. A log only grows, so a stripe whose newest entry is then the one that was seen had it at every moment in between: all
 * were as they were seen when the last of them was. That is a moment, and later than the statement's beginning. See `Moment` for what takes longer.
 */
import { isMolnError } from '../base/errors.ts';
import type {
  Expectation,
  Statement,
  StatementResult,
  StripeClient,
} from '../database/database.ts';
import type { Sightings } from '../planner/planner.ts';
import type { StripeSet } from './stripe-set.ts';

export class Looks implements Sightings {
  readonly #set: StripeSet;
  readonly #text: string;
  readonly #isAgain: boolean;
  /** What was seen for statements before this one may be used. */
  readonly mayUse: boolean;
  #usesKept = false;
  /** The entry that each stripe was seen at, by name. */
  readonly #seen = new Map<string, number>();
  #isSlow = false;
  #isSpoilt = false;

  /** Of the statement `text`. `before`: what was seen then was not all. */
  constructor(set: StripeSet, text: string, before: Looks | undefined) {
    this.#set = set;
    this.#text = text;
    this.mayUse = before === undefined;
    // The nearest copies were not asked for what was kept.
    this.#isAgain = before !== undefined && !before.usesKept;
  }

  get usesKept(): boolean {
    return this.#usesKept;
  }

  of(stripe: number): number | undefined {
    return this.#isSpoilt ? undefined : this.#seen.get(this.#set.client(stripe).name);
  }

  use(at: ReadonlyMap<number, number>): boolean {
    if (!this.mayUse) return false;
    for (const [stripe, index] of at) {
      this.#usesKept = true;
      this.#see(this.#set.client(stripe).name, index);
    }
    return true;
  }

  /** A node that runs an older program tells no entry. */
  #see(name: string, index: number | undefined): void {
    const before = this.#seen.get(name) ?? index;
    if (index === undefined || before !== index) this.#isSpoilt = true;
    else this.#seen.set(name, index);
  }

  /** It takes more than looks. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  async query(
    client: StripeClient,
    statement: Statement,
    expect: Expectation,
  ): Promise<StatementResult> {
    const level = { kind: 'look', isAgain: this.#isAgain } as const;
    try {
      const result = await client.query(statement, level, expect);
      this.#see(client.name, result.at);
      return result;
    } catch (error) {
      if (isMolnError(error, 'DATABASE_NOT_AT_ONCE')) {
        // Of all stripes that it was asked of, once.
        if (!this.#isSlow) this.#set.noteSlow(this.#text);
        this.#isSlow = true;
      }
      if (isMolnError(error, 'DATABASE_BEHIND')) this.#isSlow = true;
      // A copy that is behind may refuse what is right by now.
      if (!this.#isAgain) this.#isSpoilt = true;
      throw error;
    }
  }

  async isOneMoment(): Promise<boolean> {
    if (this.#isSlow || this.#isSpoilt) return false;
    const ends = this.#seen.size === 0 ? new Map<string, number>() : await this.#set.ends();
    const isOne = [...this.#seen].every(([name, index]) => ends.get(name) === index);
    if (isOne) this.#set.noteQuick(this.#text);
    return isOne;
  }
}
