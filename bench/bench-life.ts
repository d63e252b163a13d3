/** The life of a measurement that uses real nodes, as tests know it: what is to be cleaned up at its end. */
import type { TestLife } from '../testing/test-node.ts';

export class BenchLife implements TestLife, AsyncDisposable {
  readonly #ends: (() => void)[] = [];
  passed = false;

  after(cleanUp: () => void): void {
    this.#ends.push(cleanUp);
  }

  diagnostic(message: string): void {
    console.error(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.toReversed()) end();
  }
}
