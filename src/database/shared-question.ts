/** One answer for everybody who asked before the question was put: a question that is under way already is too old for who comes now. */
export class SharedQuestion<T> {
  readonly #ask: () => Promise<T>;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** The answer to a question that is put after this call. */
  answer(): Promise<T> {
    this.#next ??= this.#afterThis();
    return this.#next;
  }

  async #afterThis(): Promise<T> {
    // How that one ends is for those who wait for it.
    await Promise.allSettled([this.#running]);
    this.#next = undefined;
    const running = this.#ask();
    this.#running = running;
    return await running;
  }
}
