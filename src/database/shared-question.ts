/** One answer for everybody who asked before the question was put: a question that is under way already is too old for who comes now. */
export class SharedQuestion {
  readonly #ask: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(ask: () => Promise<void>) {
    this.#ask = ask;
  }

  /** The answer to a question that is put after this call. */
  answer(): Promise<void> {
    this.#next ??= this.#afterThis();
    return this.#next;
  }

  async #afterThis(): Promise<void> {
    // How that one ends is for those who wait for it.
    await Promise.allSettled([this.#running]);
    this.#next = undefined;
    this.#running = this.#ask();
    await this.#running;
  }
}
