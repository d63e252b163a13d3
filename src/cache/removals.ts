/** Keys that were removed lately: an answer that was asked for before that is not stored any more when it comes. */

/** Keys remembered. When there are more, answers asked for before the oldest removal are not stored, whatever their key. */
export const REMOVALS_MAX = 4096;

export class Removals {
  readonly #stamps = new Map<string, number>();
  #floorStamp = 0;

  add(key: string, stamp: number): void {
    // Behind the others: the newest.
    this.#stamps.delete(key);
    this.#stamps.set(key, stamp);
    const [oldest] = this.#stamps;
    if (this.#stamps.size <= REMOVALS_MAX || oldest === undefined) return;
    this.#stamps.delete(oldest[0]);
    this.#floorStamp = oldest[1];
  }

  covers(key: string, stamp: number): boolean {
    return stamp < (this.#stamps.get(key) ?? this.#floorStamp);
  }
}
