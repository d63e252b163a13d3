/** When a log had grown to which size: turns an offset into a time. Bounded; old marks are thinned out. */

const MARKS_MAX = 512;

interface Mark {
  readonly size: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

export class LogMarks {
  #marks: Mark[] = [];

  get empty(): boolean {
    return this.#marks.length === 0;
  }

  /** The file had this size at this time. */
  saw(size: number, at: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && size < last.size) this.#marks = [];
    if (last?.size === size) return;
    this.#marks.push({ size, at });
    // Every other mark of the older half goes: times get coarser with age, never wrong by more.
    if (this.#marks.length > MARKS_MAX) {
      this.#marks = this.#marks.filter((_mark, index) => index >= MARKS_MAX / 2 || index % 2 === 1);
    }
  }

  /** When a line that ends at `offset` was first seen; undefined when nobody has looked since. */
  timeOf(offset: number): number | undefined {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#marks[middle]?.size ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return this.#marks[low]?.at;
  }
}
