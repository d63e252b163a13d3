/** Where the record of a key is: hashes and places in tables of numbers, 8 bytes for each key and as much again that is free. */

import type { KeyBytes } from './key-bytes.ts';

/** Many small tables: when one grows, the others need not wait. */
const TABLE_BITS = 6;
const TABLES: number = 2 ** TABLE_BITS;
const SLOTS_MIN = 4;
/** A table that is fuller grows. */
const LOAD_MAX: number = 3 / 4;
/** What a table takes besides its slots. */
const TABLE_OVERHEAD_BYTES = 200;
const NONE = 0;
const EMPTY_BYTES: number = TABLES * SLOTS_MIN * 2 * Uint32Array.BYTES_PER_ELEMENT;

/** Who has the records. */
export interface KeyHolder {
  isKey(place: number, key: KeyBytes): boolean;
}

/** Open addressing: what finds its slot taken goes into the next free one. A slot is a hash and a place + 1. */
class Table {
  slots = new Uint32Array(SLOTS_MIN * 2);
  count = 0;
  #mask = SLOTS_MIN - 1;

  hashAt(slot: number): number {
    return this.slots[slot * 2] ?? NONE;
  }

  placeAt(slot: number): number {
    return (this.slots[slot * 2 + 1] ?? NONE) - 1;
  }

  first(hash: number): number {
    return hash & this.#mask;
  }

  next(slot: number): number {
    return (slot + 1) & this.#mask;
  }

  put(slot: number, hash: number, place: number): void {
    this.slots[slot * 2] = hash;
    this.slots[slot * 2 + 1] = place + 1;
  }

  add(hash: number, place: number): void {
    if (this.count >= (this.#mask + 1) * LOAD_MAX) this.#grow();
    let slot = this.first(hash);
    while (this.placeAt(slot) >= 0) slot = this.next(slot);
    this.put(slot, hash, place);
    this.count++;
  }

  /** The slot of a place that is there. */
  slotOf(hash: number, place: number): number {
    let slot = this.first(hash);
    while (this.placeAt(slot) !== place) slot = this.next(slot);
    return slot;
  }

  /** Those behind it that found their slots taken move up. */
  remove(removed: number): void {
    let free = removed;
    for (let slot = this.next(free); this.placeAt(slot) >= 0; slot = this.next(slot)) {
      const hash = this.hashAt(slot);
      const wayToSlot = (slot - this.first(hash)) & this.#mask;
      const wayFromFree = (slot - free) & this.#mask;
      if (wayToSlot < wayFromFree) continue;
      this.put(free, hash, this.placeAt(slot));
      free = slot;
    }
    this.slots[free * 2 + 1] = NONE;
    this.count--;
  }

  #grow(): void {
    const old = this.slots;
    this.slots = new Uint32Array(old.length * 2);
    this.#mask = this.slots.length / 2 - 1;
    this.count = 0;
    for (let at = 0; at < old.length; at += 2) {
      const place = (old[at + 1] ?? NONE) - 1;
      if (place >= 0) this.add(old[at] ?? NONE, place);
    }
  }
}

export class KeyIndex {
  readonly #holder: KeyHolder;
  #tables = newTables();
  #slotBytes = EMPTY_BYTES;

  constructor(holder: KeyHolder) {
    this.#holder = holder;
  }

  /** All that it takes. */
  get bytes(): number {
    return this.#slotBytes + TABLES * TABLE_OVERHEAD_BYTES;
  }

  find(key: KeyBytes): number | undefined {
    const { hash } = key;
    const table = this.#tableOf(hash);
    for (let slot = table.first(hash); ; slot = table.next(slot)) {
      const place = table.placeAt(slot);
      if (place < 0) return undefined;
      if (table.hashAt(slot) === hash && this.#holder.isKey(place, key)) return place;
    }
  }

  add(hash: number, place: number): void {
    const table = this.#tableOf(hash);
    this.#slotBytes -= table.slots.byteLength;
    table.add(hash, place);
    this.#slotBytes += table.slots.byteLength;
  }

  move(hash: number, from: number, to: number): void {
    const table = this.#tableOf(hash);
    table.put(table.slotOf(hash, from), hash, to);
  }

  remove(hash: number, place: number): void {
    const table = this.#tableOf(hash);
    table.remove(table.slotOf(hash, place));
  }

  clear(): void {
    this.#tables = newTables();
    this.#slotBytes = EMPTY_BYTES;
  }

  #tableOf(hash: number): Table {
    const table = this.#tables[hash >>> (32 - TABLE_BITS)];
    if (table === undefined) throw new RangeError('A hash has 32 bits');
    return table;
  }
}

function newTables(): readonly Table[] {
  return Array.from({ length: TABLES }, () => new Table());
}
