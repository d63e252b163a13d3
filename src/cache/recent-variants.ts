/** What was taken out of the slabs lately and asked for again: the objects themselves, so that what everybody wants is taken out once. */
import type { Variants } from './tier.ts';

const COUNT_MAX = 4096;
/** There is one for so many bytes of memory. */
const BYTES_EACH: number = 64 * 1024;

/** What is under a key. */
export interface Recent {
  readonly hash: number;
  readonly variants: Variants;
  /** Of its record; changes when that moves. */
  place: number;
  readonly bytes: number;
}

/** A key has one place, which is the place of other keys too: the last one has it. */
export class RecentVariants {
  /** Of those that are kept; never more than `bytesMax`. */
  bytes = 0;
  readonly bytesMax: number;
  readonly #list: (Recent | undefined)[];
  readonly #mask: number;

  /** For a memory of so many bytes. */
  constructor(memoryBytes: number) {
    const count = Math.min(Math.max(memoryBytes / BYTES_EACH, 1), COUNT_MAX);
    const length = 2 ** Math.floor(Math.log2(count));
    this.bytesMax = Math.floor(memoryBytes / 32);
    this.#mask = length - 1;
    this.#list = Array.from({ length }, () => undefined);
  }

  /** One with that hash; its key may be another one. */
  find(hash: number): Recent | undefined {
    const recent = this.#list[hash & this.#mask];
    return recent?.hash === hash ? recent : undefined;
  }

  add(recent: Recent): void {
    if (recent.bytes > this.bytesMax) return;
    const slot = recent.hash & this.#mask;
    this.#let(slot);
    // Now and then all of them are taken out anew, which costs less than an order among them.
    if (this.bytes + recent.bytes > this.bytesMax) this.clear();
    this.#list[slot] = recent;
    this.bytes += recent.bytes;
  }

  moved(hash: number, from: number, to: number): void {
    const recent = this.#list[hash & this.#mask];
    if (recent?.place === from) recent.place = to;
  }

  /** The record is not what it was. */
  remove(hash: number, place: number): void {
    const slot = hash & this.#mask;
    if (this.#list[slot]?.place === place) this.#let(slot);
  }

  clear(): void {
    this.#list.fill(undefined);
    this.bytes = 0;
  }

  #let(slot: number): void {
    this.bytes -= this.#list[slot]?.bytes ?? 0;
    this.#list[slot] = undefined;
  }
}
