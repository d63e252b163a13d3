/**
 * Answers of hits as whole texts. Age and what is left of the lifetime change once a second, so that a hot answer is made
 * once for many: what is left of a hit is a look and a write.
 */
import { ageMs, freshMs, type Stored, TextBody } from '../cache/cache.ts';

interface Ready {
  readonly text: string;
  /** Epoch milliseconds: good after the first and before the second. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Kept at a time; a small answer has up to some 5 KB. */
const READY_MAX = 1000;
const SECOND_MS = 1000;

export class ReadyAnswers {
  /** Undefined: it was answered once lately. The second time is worth the memory. */
  readonly #known = new Map<Stored, Ready | undefined>();

  /** The whole answer to a plain request for it. */
  find(stored: Stored, nowMs: number): string | undefined {
    const ready = this.#known.get(stored);
    const isGood = ready !== undefined && ready.fromMs < nowMs && nowMs < ready.untilMs;
    return isGood ? ready.text : undefined;
  }

  /** Says whether the answer should be made as one text, for `add`. */
  wants({ entry, body }: Stored): boolean {
    return body instanceof TextBody && entry.varyNames.length === 0 && entry.spans === undefined;
  }

  add(stored: Stored, nowMs: number, make: () => string): void {
    if (!this.#known.has(stored)) {
      if (this.#known.size < READY_MAX) this.#known.set(stored, undefined);
      return;
    }
    const { entry } = stored;
    const age = ageMs(entry, nowMs);
    // At the very second both numbers are those of neither side.
    if (age % SECOND_MS === 0 || freshMs(entry, nowMs) <= 0) return;
    const fromMs = nowMs - (age % SECOND_MS);
    // In one piece: a text of many pieces would be put together for each write.
    const text = Buffer.from(make(), 'latin1').toString('latin1');
    this.#known.set(stored, { text, fromMs, untilMs: fromMs + SECOND_MS });
  }

  /** To be called a few times a second: what is not asked for any more is let go. */
  clear(): void {
    this.#known.clear();
  }
}
