/** Steady requests in the background, to show that something disturbs nobody. */
import { setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '../src/base/errors.ts';
import type { Answer } from './http.ts';

export interface LoadResult {
  readonly answers: number;
  /** One line for each failure: the status with the first bytes of the body, or the connection's error. */
  readonly failures: readonly string[];
  /** How often each body came, by its text. */
  readonly bodies: ReadonlyMap<string, number>;
}

export class Load implements AsyncDisposable {
  readonly #loops: readonly Promise<void>[];
  readonly #failures: string[] = [];
  readonly #bodies = new Map<string, number>();
  #answers = 0;
  #stopped = false;

  /** `parallel` loops that ask, wait for the answer, and ask again. */
  constructor(asks: () => Promise<Answer>, options: { readonly parallel?: number } = {}) {
    this.#loops = Array.from({ length: options.parallel ?? 2 }, () => this.#loop(asks));
  }

  /** Answers so far, to wait for a number of them. */
  get answers(): number {
    return this.#answers;
  }

  async stop(): Promise<LoadResult> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    return { answers: this.#answers, failures: this.#failures, bodies: this.#bodies };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #loop(asks: () => Promise<Answer>): Promise<void> {
    while (!this.#stopped) {
      try {
        const { status, body } = await asks();
        this.#answers++;
        this.#bodies.set(body, (this.#bodies.get(body) ?? 0) + 1);
        if (status >= 400) this.#failures.push(`${status} ${body.slice(0, 200)}`);
      } catch (error) {
        this.#failures.push(messageOf(error));
      }
      await turn();
    }
  }
}
