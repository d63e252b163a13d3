/** Whose a name in the database is: one process's at a time, known by its run, which says again and again that it is there. */
import { MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { isDuplicate, type MongoCollection } from './mongo-driver.ts';

export const BEAT_EVERY_MS = 5000;
/** Who has said nothing for so long is gone. */
const GONE_AFTER_MS = 30_000;

/** What a run that ended in good order leaves to the next. */
export interface LeftClean {
  readonly lastStamp: number;
  readonly purges: string;
}

export class MongoClaim {
  readonly #claims: MongoCollection;
  readonly #name: string;
  readonly #run: string;
  readonly #clock: Clock;

  constructor(
    claims: MongoCollection,
    of: { readonly name: string; readonly run: string; readonly clock: Clock },
  ) {
    this.#claims = claims;
    this.#name = of.name;
    this.#run = of.run;
    this.#clock = of.clock;
  }

  /** What the run of before left; undefined: nothing that may be believed. Throws `CACHE_NAME_TAKEN`. */
  async take(): Promise<LeftClean | undefined> {
    const name = this.#name;
    const beatMs = this.#clock.now();
    const own = { run: this.#run, isClean: false, beatMs };
    const seen = await this.#claims.findOne({ _id: name });
    if (seen === null) {
      try {
        await this.#claims.insertMany([{ _id: name, ...own }]);
        return undefined;
      } catch (error) {
        throw isDuplicate(error) ? taken(name) : error;
      }
    }
    const {
      run,
      isClean,
      beatMs: seenMs,
      lastStamp,
      purges,
    } = seen as Partial<Record<string, unknown>>;
    const isThere = typeof seenMs === 'number' && seenMs > beatMs - GONE_AFTER_MS;
    if (isClean !== true && isThere && run !== this.#run) throw taken(name);
    // Of two that take it at once, one finds another run.
    const { matchedCount } = await this.#claims.updateOne({ _id: name, run }, { $set: own });
    if (matchedCount !== 1) throw taken(name);
    if (isClean !== true || typeof lastStamp !== 'number' || typeof purges !== 'string')
      return undefined;
    return { lastStamp, purges };
  }

  /** False: another process has it by now. */
  async keep(): Promise<boolean> {
    const change = { $set: { beatMs: this.#clock.now() } };
    const { matchedCount } = await this.#claims.updateOne(
      { _id: this.#name, run: this.#run },
      change,
    );
    return matchedCount === 1;
  }

  async leave(left: LeftClean): Promise<void> {
    const change = { $set: { ...left, isClean: true } };
    await this.#claims.updateOne({ _id: this.#name, run: this.#run }, change);
  }
}

function taken(name: string): MolnError {
  return new MolnError(
    'CACHE_NAME_TAKEN',
    `The cache "${name}" in MongoDB is in use by another gateway process`,
    { hint: 'Give this gateway another "cache.mongodb.name"', retryable: true },
  );
}
