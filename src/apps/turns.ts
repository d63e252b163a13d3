/** So many at once; the rest wait in the order in which they came. */
export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it is this one's turn; dispose ends the turn. Rejects with the signal's reason when aborted. */
  async take(signal: AbortSignal, onWait: (before: number) => void): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#taken < this.#most) this.#taken++;
    else {
      onWait(this.#taken + this.#waiting.length);
      await this.#wait(signal);
    }
    return { [Symbol.dispose]: () => this.#next() };
  }

  #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const leave = (): void => {
      const at = this.#waiting.indexOf(resolve);
      // Whoever has been called already keeps the turn, and gives it back.
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', leave, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', leave));
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }
}
