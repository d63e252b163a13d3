/**
 * A transaction whose statements are all known, sent to its stripe in one call, which groups it with others'; or what is known of an
 * open one, in one call too. Each statement is
 * planned by itself up to the moment when it would write; if all of them come to one stripe with one text, those go there
 * together, and the answers come back to where each plan waits. Nothing has happened when that is not so.
 */
import { isMolnError } from '../base/errors.ts';
import type { Statement, StripeClient } from '../database/database.ts';
import type {
  Connection,
  Result,
  SqlRow,
  StripeSession,
  StripeWrite,
  WriteOutcome,
} from '../planner/planner.ts';
import type { AnswerRoom, BoundStatement } from '../hrana/hrana.ts';
import { fromStripe } from './errors.ts';
import type { Schema, StripeSet } from './stripe-set.ts';
import { mayReturnMuch } from './texts.ts';

/** Of one call. */
const STATEMENTS_MAX = 1000;
/** What plans alike whatever came before it in the transaction. */
const PLAIN: RegExp = /^\s*(?:insert|replace|(?:update|delete)\b(?![\s\S]*\breturning\b))\b/i;
const OF_CONNECTION: RegExp = /\b(?:changes|last_insert_rowid|total_changes)\s*\(/i;

/** It does not go this way. */
class Unfit extends Error {}

type Answers = Awaited<ReturnType<StripeClient['execute']>>['results'];

interface Part {
  readonly statements: readonly Statement[];
  readonly resolve: (answers: Answers) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchOptions {
  readonly set: StripeSet;
  readonly connect: (session: () => StripeSession) => Connection;
  /** Runs them on a stripe. Undefined when nothing of them has happened and they are to go another way. */
  readonly run: (stripe: number, statements: readonly Statement[]) => Promise<Answers | undefined>;
}

export function mayBeWhole(statements: readonly BoundStatement[], room: AnswerRoom): boolean {
  return (
    statements.length <= STATEMENTS_MAX &&
    statements.every(({ sql }) => PLAIN.test(sql) && !OF_CONNECTION.test(sql)) &&
    !mayReturnMuch(
      statements.map(({ sql, values }) => ({ sql, args: values })),
      room,
    )
  );
}

/** The results, or undefined when it has to go another way and nothing has happened. Throws when it is unknown whether it has. */
export async function runWhole(
  statements: readonly BoundStatement[],
  options: BatchOptions,
): Promise<readonly Result[] | undefined> {
  const batch = new WholeBatch(statements.length, options);
  const asked = await Promise.allSettled(
    statements.map(async ({ sql, values }, at) => {
      try {
        const result = await options.connect(() => batch.session(at)).execute(sql, values);
        // A statement that asked no stripe anything fits too: there is nothing that it could have missed.
        batch.arrived(at);
        return result;
      } catch (error) {
        batch.give(error);
        throw error;
      }
    }),
  );
  if (batch.unknown !== undefined) throw batch.unknown;
  const failed = asked.find((one) => one.status === 'rejected');
  if (failed === undefined) return asked.flatMap((one) => ('value' in one ? [one.value] : []));
  // Never a second time.
  if (batch.hasHappened) throw failed.reason;
  return undefined;
}

class WholeBatch {
  readonly #options: BatchOptions;
  readonly #planned: Schema;
  readonly #count: number;
  readonly #parts = new Map<number, Part>();
  readonly #arrived = new Set<number>();
  #stripe: number | undefined;
  #isOver = false;
  hasHappened = false;
  /** It was sent, and nobody knows what became of it. */
  unknown: unknown;

  constructor(count: number, options: BatchOptions) {
    this.#count = count;
    this.#options = options;
    this.#planned = options.set.schema;
  }

  session(at: number): StripeSession {
    const nothing = (): Promise<void> => Promise.resolve();
    const unfit = (): Promise<never> => Promise.reject(new Unfit());
    return {
      slots: this.#planned.slots,
      // What it reads it would have to read after what those before it write.
      rows: () => unreadable(),
      write: (stripe, writes, last = false) => this.#write(at, stripe, writes, last),
      alter: unfit,
      savepoint: nothing,
      release: nothing,
      rollbackTo: nothing,
      commit: nothing,
      rollback: nothing,
    };
  }

  arrived(at: number): void {
    this.#arrived.add(at);
    if (this.#arrived.size === this.#count && !this.#isOver) void this.#send();
  }

  /** One of them cannot go this way. */
  give(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reject(this.#parts.values(), error);
  }

  async #write(
    at: number,
    stripe: number,
    writes: readonly StripeWrite[],
    last: boolean,
  ): Promise<readonly WriteOutcome[]> {
    if (!last) throw new Unfit();
    const statements = writes.flatMap(({ sql, runs }) => runs.map((args) => ({ sql, args })));
    const answers = await this.#ask(at, stripe, statements);
    let from = 0;
    return writes.map(({ runs }) => {
      const own = answers.slice(from, (from += runs.length));
      return {
        changes: own.reduce((sum, { changes }) => sum + changes, 0),
        rows: own.flatMap(({ rows }) => rows),
        lastInsertRowid: own.at(-1)?.lastInsertRowid,
      };
    });
  }

  async #ask(at: number, stripe: number, statements: readonly Statement[]): Promise<Answers> {
    this.#stripe ??= stripe;
    // A second question of one statement would miss what those before it do.
    if (this.#isOver || this.#stripe !== stripe || this.#parts.has(at)) throw new Unfit();
    const { promise, resolve, reject } = Promise.withResolvers<Answers>();
    this.#parts.set(at, { statements, resolve, reject });
    this.arrived(at);
    return await promise;
  }

  async #send(): Promise<void> {
    this.#isOver = true;
    const parts = [...this.#parts].toSorted(([a], [b]) => a - b).map(([, part]) => part);
    const statements = parts.flatMap((part) => part.statements);
    if (statements.length === 0) return;
    try {
      const results = await this.#options.run(this.#stripe ?? 0, statements);
      if (results === undefined) return this.#reject(parts, new Unfit());
      this.hasHappened = true;
      let from = 0;
      for (const part of parts) part.resolve(results.slice(from, (from += part.statements.length)));
    } catch (error) {
      // Only an error of a stripe says that nothing has happened, and this one does not.
      if (!isMolnError(error) || error.code === 'DATABASE_OUTCOME_UNKNOWN') this.unknown = error;
      this.#reject(parts, fromStripe(error));
    }
  }

  #reject(parts: Iterable<Part>, error: unknown): void {
    for (const { reject } of parts) reject(error);
  }
}

// oxlint-disable-next-line require-yield -- it has nothing to give
async function* unreadable(): AsyncGenerator<readonly SqlRow[]> {
  throw await Promise.resolve(new Unfit());
}
