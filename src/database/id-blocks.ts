/**
 * Ids for a table that is striped: each node takes a block from one counter in the registry and gives ids from it. They are never
 * given twice and stay below 2^53; those of a block that its node did not use up are never given at all.
 */
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Registry } from '../registry/registry.ts';
import { corrupt } from './errors.ts';

export const BLOCK_IDS = 1000;
const ATTEMPTS_MAX = 100;

export class IdBlocks {
  readonly #registry: Registry;
  readonly #key: string;
  #next = 1;
  /** The last id of the block. */
  #last = 0;
  #taking: Promise<void> | undefined;

  constructor(registry: Registry, database: string, table: string) {
    this.#registry = registry;
    this.#key = `/db/${database}/ids/${table}`;
  }

  /** The first of `count` ids in a row. */
  async take(count = 1): Promise<number> {
    if (count > BLOCK_IDS) return (await this.#reserve(count, 0)).used + 1;
    while (this.#next + count - 1 > this.#last) {
      this.#taking ??= this.#refill();
      await this.#taking;
    }
    const first = this.#next;
    this.#next += count;
    return first;
  }

  /**
   * A row is inserted with an id that its author chose: this node gives no smaller one from now on, and none does from a new block. True when it may be in a block
   * that somebody has, or was given to a row that is on its way.
   */
  async raiseAbove(id: number): Promise<boolean> {
    const isOwn = id >= this.#next && id <= this.#last;
    const before = id > this.#last ? (await this.#reserve(0, id)).before : id;
    this.#next = Math.max(this.#next, id + 1);
    return !isOwn && before >= id;
  }

  async #refill(): Promise<void> {
    try {
      const { used } = await this.#reserve(BLOCK_IDS, 0);
      this.#next = used + 1;
      this.#last = used + BLOCK_IDS;
    } finally {
      this.#taking = undefined;
    }
  }

  /** Moves the counter to `count` above `used`: where it was before, or `least`. */
  async #reserve(
    count: number,
    least: number,
  ): Promise<{ readonly before: number; readonly used: number }> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = await this.#registry.get(this.#key);
      const before = found === undefined ? 0 : Number(Buffer.from(found.value).toString());
      if (!Number.isSafeInteger(before))
        throw corrupt(`The counter "${this.#key}" is not a number`);
      const used = Math.max(before, least);
      if (count === 0 && used === before) return { before, used };
      if (!Number.isSafeInteger(used + count)) throw exhausted(this.#key);
      try {
        const result = await this.#registry.commit(
          [{ key: this.#key, revision: found?.revision ?? 0 }],
          [{ kind: 'put', key: this.#key, value: Buffer.from(String(used + count)) }],
        );
        if (result.kind === 'committed') return { before, used };
      } catch (error) {
        // At worst a block is lost.
        if (!isMolnError(error, 'REGISTRY_OUTCOME_UNKNOWN')) throw error;
      }
    }
    throw new MolnError('DATABASE_BUSY', `Too many nodes take ids from "${this.#key}" at once`, {
      retryable: true,
    });
  }
}

function exhausted(key: string): MolnError {
  return new MolnError('DATABASE_IDS_EXHAUSTED', `"${key}" has given all ids below 2^53`, {
    hint: 'Use a TEXT or BLOB key',
  });
}
