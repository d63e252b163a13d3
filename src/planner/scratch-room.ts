/** What scratches that wait for their next statement may take in one process, over all its databases and connections: the one that was used longest ago goes first. */

/** Bytes of SQLite's pages, of all that are kept. */
const KEPT_TOTAL_BYTES_MAX: number = 128 * 1024 * 1024;

export class ScratchRoom {
  readonly #bytesMax: number;
  /** In the order in which they came. */
  readonly #kept = new Map<object, { readonly bytes: number; readonly drop: () => void }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** `drop` is called when others need its place; it is gone from here then. */
  add(scratch: object, bytes: number, drop: () => void): void {
    this.#kept.set(scratch, { bytes, drop });
    this.#bytes += bytes;
    for (const [oldest, { drop: dropOldest }] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) return;
      this.remove(oldest);
      dropOldest();
    }
  }

  /** It is used, or closed. */
  remove(scratch: object): void {
    this.#bytes -= this.#kept.get(scratch)?.bytes ?? 0;
    this.#kept.delete(scratch);
  }
}

export const PROCESS_ROOM: ScratchRoom = new ScratchRoom(KEPT_TOTAL_BYTES_MAX);
