/** Rows of one SELECT on their way to a client, who asks for the next when it has taken those before. */
import type { Column, Outcome, RowStream, SqlRow } from '../hrana/hrana.ts';

type Batch = IteratorResult<readonly SqlRow[], unknown>;

export interface StreamedRowsOptions {
  readonly columns: readonly Column[];
  readonly batches: AsyncGenerator<readonly SqlRow[]>;
  /** Was read to know that the statement runs at all. */
  readonly first: Batch;
  readonly next: () => Promise<Batch>;
  /** Tells everybody, and gives the error for the client. */
  readonly failed: (error: unknown) => Promise<unknown>;
  /** Called once, unless it failed. */
  readonly ended: () => void;
  readonly outcome: () => Outcome;
}

export class StreamedRows implements RowStream {
  readonly #options: StreamedRowsOptions;
  #first: Batch | undefined;
  #isOver = false;

  constructor(options: StreamedRowsOptions) {
    this.#options = options;
    this.#first = options.first;
  }

  get columns(): readonly Column[] {
    return this.#options.columns;
  }

  async next(): Promise<readonly SqlRow[]> {
    while (!this.#isOver) {
      const batch = this.#first ?? (await this.#more());
      this.#first = undefined;
      if (batch.done === true) this.#end();
      else if (batch.value.length > 0) return batch.value;
    }
    return [];
  }

  outcome(): Outcome {
    return this.#options.outcome();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#end();
    await this.#options.batches.return(undefined);
  }

  async #more(): Promise<Batch> {
    try {
      return await this.#options.next();
    } catch (error) {
      this.#isOver = true;
      throw await this.#options.failed(error);
    }
  }

  #end(): void {
    if (!this.#isOver) this.#options.ended();
    this.#isOver = true;
  }
}
