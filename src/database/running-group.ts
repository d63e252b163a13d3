/** A group in the stripe's thread, from its first transactions on: more of them may come before it is to end. */
import { failureBody, schemaChanged } from './errors.ts';
import {
  packOutcomes,
  type PackedTransactions,
  type TransactionOutcome,
  unpackTransactions,
} from './packed-group.ts';
import type { GroupAnswer } from './thread-calls.ts';
import { causeOf, type EntryFacts, GroupLost, type Outcome, type Writer } from './writer.ts';

export class RunningGroup {
  readonly #writer: Writer;
  readonly #now: () => number;
  readonly #untilMs: number;
  readonly #outcomes: TransactionOutcome[] = [];
  /** Nothing of it stays. */
  #lost: { readonly error: unknown } | undefined;
  readonly #isBegun: boolean;

  /** `statementMs`: of all its statements together. */
  constructor(writer: Writer, now: () => number, statementMs: number) {
    this.#writer = writer;
    this.#now = now;
    this.#untilMs = now() + statementMs;
    this.#orLose(() => writer.begin());
    this.#isBegun = this.#lost === undefined;
  }

  /** More follow: nobody is alone. */
  run(packed: PackedTransactions): void {
    this.#run(packed, false);
  }

  /** With its last transactions; the writer waits for the log then, unless nothing was changed. Throws when there was nothing to run them in. */
  end(packed: PackedTransactions, facts: EntryFacts): GroupAnswer {
    const writer = this.#writer;
    this.#run(packed, this.#outcomes.length === 0);
    const entry = this.#orLose(() => writer.finish(facts));
    if (this.#lost !== undefined) {
      const { error } = this.#lost;
      if (!this.#isBegun) throw error;
      const failure = failureBody(error instanceof GroupLost ? causeOf(error) : error);
      return { kind: 'lost', failure };
    }
    if (entry === undefined) writer.rollBack();
    return { kind: 'run', outcomes: packOutcomes(this.#outcomes), entry };
  }

  #run(packed: PackedTransactions, isFirst: boolean): void {
    this.#orLose(() => {
      const transactions = unpackTransactions(packed);
      const isAlone = isFirst && transactions.length === 1;
      const version = this.#writer.applied.schemaVersion;
      for (const { statements, planned: wanted = version } of transactions) {
        const statementMs = this.#untilMs - this.#now();
        const outcome: Outcome =
          wanted === version
            ? this.#writer.run(statements, { isAlone, statementMs })
            : { kind: 'failed', error: schemaChanged(wanted, version), at: 0 };
        this.#outcomes.push(outcomeBody(outcome));
      }
    });
  }

  /** Once something went wrong with the whole of it, nothing of it is done any more. */
  #orLose<T>(work: () => T): T | undefined {
    if (this.#lost !== undefined) return undefined;
    try {
      return work();
    } catch (error) {
      this.#lost = { error };
      this.#writer.rollBack();
      return undefined;
    }
  }
}

function outcomeBody(outcome: Outcome): TransactionOutcome {
  if (outcome.kind !== 'failed') return outcome;
  return { kind: 'failed', failure: failureBody(outcome.error), at: outcome.at };
}
