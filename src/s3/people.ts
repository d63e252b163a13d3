/** Who the owners are that lists name: asked of the file store, kept for a while. */
import type { FileStore } from '../files/files.ts';
import type { Person } from './acl.ts';

const KEPT_MAX = 1000;

export class PeopleOf {
  readonly #store: FileStore;
  readonly #kept = new Map<string, Person>();

  constructor(store: FileStore) {
    this.#store = store;
  }

  async find(idOrEmail: string): Promise<Person | undefined> {
    const known = this.#kept.get(idOrEmail);
    if (known !== undefined) return known;
    const found = await this.#store.owner(idOrEmail);
    if (found === undefined) return undefined;
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(idOrEmail, found);
    return found;
  }
}
