/** A fixed number of turns, handed out in order; who waits too long in line is refused at once. */

/** Requests that may wait for a turn. */
const WAITING_MAX = 1024;

export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves when it is one's turn; dispose to end it. Undefined when too many wait already. */
  async next(): Promise<Disposable | undefined> {
    if (this.#free > 0) this.#free -= 1;
    else if (this.#waiting.length >= WAITING_MAX) return undefined;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return {
      [Symbol.dispose]: () => {
        const next = this.#waiting.shift();
        if (next === undefined) this.#free += 1;
        else next();
      },
    };
  }
}
