/**
 * A stripe's thread: owns the file, in one role at a time. As primary it has a writer, as mirror an applier, and in both a reader,
 * which sees what is committed while a group waits for the log.
 */
import assert from 'node:assert/strict';
import { flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../base/time.ts';
import type { Applied } from './applied.ts';
import { Applier } from './applier.ts';
import { tooLong } from './connection.ts';
import { setCrashHook } from './crash-points.ts';
import type { EncodedEntry, Entry } from './entry.ts';
import { failureBody, limitMet, schemaChanged } from './errors.ts';
import {
  packOutcomes,
  type PackedTransactions,
  type TransactionOutcome,
  unpackTransactions,
} from './packed-group.ts';
import { Reader } from './reader.ts';
import type { Statement, StatementResult, Step } from './statement.ts';
import type {
  Calls,
  GroupAnswer,
  QueryAnswer,
  Reply,
  Request,
  Role,
  ThreadData,
} from './thread-calls.ts';
import { causeOf, type EntryFacts, GroupLost, type Outcome, Writer } from './writer.ts';

const now = (): number => systemClock.monotonicMs();

class StripeThread implements Calls {
  readonly #path: string;
  #applier: Applier | undefined;
  #writer: Writer | undefined;
  #reader: Reader | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  open(role: Role): Applied {
    this.close();
    if (role === 'mirror') this.#applier = new Applier(this.#path);
    else this.#writer = new Writer(this.#path, now);
    this.#reader = new Reader(this.#path, now);
    return (this.#applier ?? this.#needWriter()).applied;
  }

  apply(entries: readonly Entry[]): Applied {
    assert.ok(this.#applier !== undefined, 'only a mirror applies entries');
    this.#applier.apply(entries);
    return this.#applier.applied;
  }

  group(packed: PackedTransactions, facts: EntryFacts, statementMs: number): GroupAnswer {
    const writer = this.#needWriter();
    writer.begin();
    try {
      const transactions = unpackTransactions(packed);
      const isAlone = transactions.length === 1;
      const untilMs = now() + statementMs;
      const version = writer.applied.schemaVersion;
      const outcomes = transactions.map(({ statements, planned: wanted = version }) => {
        return outcomeBody(
          wanted === version
            ? writer.run(statements, { isAlone, statementMs: untilMs - now() })
            : { kind: 'failed', error: schemaChanged(wanted, version), at: 0 },
        );
      });
      const entry = writer.finish(facts);
      if (entry === undefined) writer.rollBack();
      return { kind: 'run', outcomes: packOutcomes(outcomes), entry };
    } catch (error) {
      writer.rollBack();
      return {
        kind: 'lost',
        failure: failureBody(error instanceof GroupLost ? causeOf(error) : error),
      };
    }
  }

  begin(): void {
    this.#needWriter().begin();
  }

  /** All of them have the time of one statement: whoever waits takes the thread for stuck after twice that. */
  steps(steps: readonly Step[], statementMs: number): readonly StatementResult[] {
    const writer = this.#needWriter();
    const until = now() + statementMs;
    try {
      return steps.flatMap((step) => {
        // Without one the first statement would be a transaction by itself, of which the log knows nothing.
        if (!writer.isOpen) throw notBegun();
        if ('savepoint' in step) return writer.savepoint(step);
        if ('schemaVersion' in step) return writer.raiseSchema(step.schemaVersion);
        const leftMs = until - now();
        if (leftMs <= 0) throw tooLong();
        return writer.step(step, leftMs);
      });
    } catch (error) {
      throw error instanceof GroupLost ? causeOf(error) : error;
    }
  }

  prepare(facts: EntryFacts): EncodedEntry | undefined {
    const writer = this.#needWriter();
    if (!writer.isOpen) throw notBegun();
    writer.checkForeignKeys();
    const entry = writer.finish(facts);
    if (entry === undefined) writer.rollBack();
    return entry;
  }

  commit(): Applied {
    this.#needWriter().commit();
    return this.#needWriter().applied;
  }

  rollBack(): void {
    this.#needWriter().rollBack();
  }

  barrier(facts: EntryFacts): EncodedEntry {
    return this.#needWriter().barrier(facts);
  }

  passed(barrier: EncodedEntry, epoch: number): Applied {
    this.#needWriter().passed(barrier, epoch);
    return this.#needWriter().applied;
  }

  query(
    statement: Statement,
    readMs: number,
    planned: number | undefined,
    isLook: boolean,
  ): QueryAnswer {
    const reader = this.#needReader();
    reader.hold();
    try {
      const result = isLook
        ? reader.look(statement, readMs, planned)
        : reader.quick(statement, readMs, planned);
      return result === undefined ? { kind: 'slow' } : { kind: 'rows', result };
    } finally {
      reader.letGo();
    }
  }

  close(): void {
    this.#reader?.[Symbol.dispose]();
    this.#writer?.[Symbol.dispose]();
    this.#applier?.[Symbol.dispose]();
    this.#reader = undefined;
    this.#writer = undefined;
    this.#applier = undefined;
  }

  #needWriter(): Writer {
    assert.ok(this.#writer !== undefined, 'only a primary runs transactions');
    return this.#writer;
  }

  #needReader(): Reader {
    assert.ok(this.#reader !== undefined, 'the file is not open');
    return this.#reader;
  }
}

function notBegun(): Error {
  return limitMet('transaction', 'The transaction is over', 'Begin a new one', 21);
}

function outcomeBody(outcome: Outcome): TransactionOutcome {
  if (outcome.kind !== 'failed') return outcome;
  return { kind: 'failed', failure: failureBody(outcome.error), at: outcome.at };
}

const { path, crashAt } = workerData as ThreadData;
if (crashAt !== undefined) {
  setCrashHook((point) => {
    if (point === crashAt) process.kill(process.pid, 'SIGKILL');
  });
}
const port = parentPort;
assert.ok(port !== null, 'this file is the entry of a thread');
const thread = new StripeThread(path);
port.on('message', (requests: readonly Request[]) => {
  let replies: Reply[] = [];
  const send = (): void => {
    if (replies.length > 0) port.postMessage(replies);
    replies = [];
  };
  for (const request of requests) {
    // Reads are answered together, but do not wait for what takes longer.
    if (request.name !== 'query') send();
    replies.push(answer(request));
    if (request.name !== 'query') send();
    if (request.name === 'close') return port.close();
  }
  send();
});

function answer({ id, name, args }: Request): Reply {
  try {
    const call = thread[name] as (...values: readonly unknown[]) => unknown;
    return { id, value: call.apply(thread, [...args]) };
  } catch (error) {
    return { id, failure: failureBody(error) };
  }
}

// The first thread that has the code writes down what was compiled, for those after it.
flushCompileCache();
