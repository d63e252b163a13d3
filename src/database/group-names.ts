/** Names of a term's groups, by which the log's readers know an entry again: some random bytes of the term, and which group of it that is. */
import { randomBytes } from 'node:crypto';
import { GROUP_ID_BYTES } from './entry.ts';

const COUNT_BYTES = 8;

export class GroupNames {
  readonly #term = randomBytes(GROUP_ID_BYTES - COUNT_BYTES);
  #groups = 0n;

  next(): Uint8Array {
    const name = new Uint8Array(GROUP_ID_BYTES);
    name.set(this.#term);
    new DataView(name.buffer).setBigUint64(this.#term.length, this.#groups++);
    return name;
  }
}
