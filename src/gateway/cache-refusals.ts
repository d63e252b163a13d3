/** The last reasons why answers were not stored, by key: for the question why something is not cached. */
import type { StorageRefusal } from './gateway-question.ts';

/** Keys remembered; the one that was refused longest ago makes room. */
export const REFUSALS_MAX = 2000;
/** A longer key is not worth its place. */
const KEY_CHARACTERS_MAX = 2048;

export class CacheRefusals {
  readonly #byKey = new Map<string, StorageRefusal>();

  add(key: string, refusal: Omit<StorageRefusal, 'count'>): void {
    if (key.length > KEY_CHARACTERS_MAX) return;
    const known = this.#byKey.get(key);
    const count = known?.why === refusal.why ? known.count + 1 : 1;
    this.#byKey.delete(key);
    this.#byKey.set(key, { ...refusal, count });
    if (this.#byKey.size <= REFUSALS_MAX) return;
    const [oldest] = this.#byKey.keys();
    if (oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** It was stored after all. */
  forget(key: string): void {
    if (this.#byKey.size > 0) this.#byKey.delete(key);
  }

  get(key: string): StorageRefusal | undefined {
    return this.#byKey.get(key);
  }
}
