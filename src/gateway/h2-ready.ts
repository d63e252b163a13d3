/**
 * Answers that are given again and again as one text (see `ready-answers.ts`), taken apart once for many: what is left of one is
 * a block of fields and a frame.
 */
import { type Field, prepareFields } from '../http2/http2.ts';

export interface ReadyHead {
  readonly fields: readonly Field[];
  /** Where the body begins in the text. */
  readonly bodyAt: number;
}

/** Kept at a time. */
const READY_MAX = 1000;

export class ReadyHeads {
  /** Undefined: it was given once lately. The second time is worth the memory. */
  readonly #known = new Map<string, ReadyHead | undefined>();
  #second = -1;

  /** Answers of another second than this are let go: their dates have changed. */
  find(text: string, second: number): ReadyHead | undefined {
    if (second !== this.#second) {
      this.#second = second;
      this.#known.clear();
    }
    return this.#known.get(text);
  }

  /** The text is one whole answer to anything but HEAD. */
  add(text: string, head: ReadyHead): void {
    if (!this.#known.has(text)) {
      if (this.#known.size < READY_MAX) this.#known.set(text, undefined);
      return;
    }
    prepareFields(head.fields);
    this.#known.set(text, head);
  }
}
