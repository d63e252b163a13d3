/** Several streams as one, whatever comes first; more may be added while it is read. Each waits until its item was taken. */
export class MergedLines<T> {
  readonly #items: { readonly item: T; readonly taken: () => void }[] = [];
  #open = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  add(source: AsyncIterable<T>): void {
    this.#open++;
    void this.#pass(source);
  }

  /** Ends when all of them have ended; throws when one does. */
  async *read(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = this.#items.shift();
      if (next !== undefined) {
        yield next.item;
        next.taken();
      } else if (this.#failure !== undefined) {
        throw this.#failure.error;
      } else if (this.#open === 0) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  async #pass(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const item of source) {
        await new Promise<void>((taken) => {
          this.#items.push({ item, taken });
          this.#wake();
        });
      }
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#open--;
      this.#wake();
    }
  }
}
