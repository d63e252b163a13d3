/**
 * Carries commits out, each once. When the answer to one is lost, its mark tells what became of it: either the mark
 * holds the commit's own word, so it happened, or we overwrite the mark under the same comparison that the commit
 * carries, so that it never can (DESIGN §7, "in doubt").
 */
import { isMolnError, messageOf } from '../../base/errors.ts';
import { randomId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { CommitResult, Condition, Operation } from '../contract.ts';
import { leaseLost } from '../errors.ts';
import { failureOf } from './connection.ts';
import type { Endpoints } from './endpoints.ts';
import { isLeaseLost, isUnknown, outcomeUnknown, refused, unavailable } from './failures.ts';
import { canBeMarked, type Mark, Marks } from './marks.ts';
import { putOp, rangeOp, type Root } from './translate.ts';
import type { Txn, TxnAnswer } from './txn-wire.ts';

export interface CommitsOptions {
  readonly endpoints: Endpoints;
  readonly root: Root;
  /** Begins this client's marks. One that stays the same leaves no litter behind. */
  readonly client: string;
  readonly log: Logger;
}

/** Short, for a proposal that died with a leader is never answered, and a mark settles what is cut short. */
const MARKED_ATTEMPT_MS = 3000;
/** Longer than etcd itself waits (5 s and two elections): without a mark nothing can be settled. */
const BARE_ATTEMPT_MS = 8000;

type Answer =
  | { readonly kind: 'answered'; readonly answer: TxnAnswer }
  /** Sent, and no answer came. */
  | { readonly kind: 'lost'; readonly why: string };

export class Commits {
  readonly #options: CommitsOptions;
  readonly #marks: Marks;
  /** Begins what this client writes into its marks, so that two processes of one name are told apart. */
  readonly #session = randomId();
  #count = 0;

  constructor(options: CommitsOptions) {
    this.#options = options;
    this.#marks = new Marks((index) => options.root.markKey(`${options.client}/${index}`));
  }

  /** Throws `REGISTRY_OUTCOME_UNKNOWN` only when a mark did not fit or no manager can be asked about it. */
  async commit(
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    checkLeases(operations);
    const txn = this.#options.root.txnOf(conditions, operations);
    if (!canBeMarked(conditions, operations)) return this.#commitBare(txn, conditions, operations);
    const mark = await this.#marks.take();
    try {
      return await this.#commitMarked(txn, mark, conditions, operations);
    } catch (error) {
      // etcd that has run full takes deletions, but no mark.
      const isFull = isMolnError(error, 'REGISTRY_FULL');
      if (!isFull || operations.some(({ kind }) => kind === 'put')) throw error;
      return await this.#commitBare(txn, conditions, operations);
    } finally {
      this.#marks.give(mark);
    }
  }

  async #commitBare(
    txn: Txn,
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    if (operations.length === 0) {
      const told = await this.#options.endpoints.read((connection, options) =>
        connection.txn(txn, options),
      );
      return this.#resultOf(conditions, told);
    }
    const answer = await this.#send(txn, operations, BARE_ATTEMPT_MS);
    if (answer.kind === 'lost') throw outcomeUnknown(answer.why);
    return this.#resultOf(conditions, answer.answer);
  }

  async #commitMarked(
    txn: Txn,
    mark: Mark,
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    const { endpoints, log } = this.#options;
    const patience = endpoints.patience();
    let why = 'its mark was overwritten again and again';
    while (patience.leftMs > 0) {
      mark.revision ??= (await this.#read(mark)).revision;
      const word = this.#newWord('commit');
      const marked: Txn = {
        compare: [...txn.compare, this.#options.root.isAt(mark.key, mark.revision)],
        success: [...txn.success, putOp(mark.key, Buffer.from(word))],
        failure: txn.failure,
      };
      const answer = await this.#send(marked, operations, MARKED_ATTEMPT_MS);
      if (answer.kind === 'answered') {
        const result = this.#resultOf(conditions, answer.answer);
        if (result.kind === 'committed') mark.revision = result.revision;
        // No condition failed, so it was the mark: another process of our name writes it. Nothing was changed.
        else if (result.failed.length === 0) mark.revision = undefined;
        if (result.kind === 'committed' || result.failed.length > 0) return result;
        continue;
      }
      why = answer.why;
      const revision = await this.#settle(mark, word, why);
      log.info('The answer to a commit was lost', { why, happened: revision !== undefined });
      if (revision !== undefined) return { kind: 'committed', revision };
    }
    throw unavailable(endpoints.all, why);
  }

  /**
   * What became of a commit whose answer was lost: its revision, or undefined when it did not and cannot happen any more.
   * Throws `REGISTRY_OUTCOME_UNKNOWN` when no manager answers, or somebody else wrote the mark.
   */
  async #settle(mark: Mark, word: string, why: string): Promise<number | undefined> {
    const before = mark.revision ?? 0;
    // Whoever takes the mark next has to look it up, unless this succeeds.
    mark.revision = undefined;
    const barrier = this.#newWord('barrier');
    const txn: Txn = {
      compare: [this.#options.root.isAt(mark.key, before)],
      success: [putOp(mark.key, Buffer.from(barrier))],
      failure: [rangeOp(mark.key)],
    };
    try {
      const { endpoints } = this.#options;
      // May be repeated: it writes only where nothing has been written since.
      const told = await endpoints.read((connection, options) => connection.txn(txn, options));
      if (told.succeeded) {
        mark.revision = this.#options.root.revisions.ours(told.revision);
        return undefined;
      }
      const found = await this.#read(mark);
      mark.revision = found.revision;
      if (found.word === word) return found.revision;
      if (found.word === barrier) return undefined;
    } catch (error) {
      throw outcomeUnknown(`${why}; then ${messageOf(error)}`);
    }
    throw outcomeUnknown(`${why}; then another process of this node's name wrote its mark`);
  }

  async #read(mark: Mark): Promise<{ readonly revision: number; readonly word: string }> {
    const { endpoints, root } = this.#options;
    const { kvs } = await endpoints.read(({ kv }, options) => kv.range({ key: mark.key }, options));
    const word = Buffer.from(kvs[0]?.value ?? []).toString();
    return { revision: root.revisions.ours(kvs[0]?.modRevision), word };
  }

  /** Sends once. Throws when it was not sent, or was refused; both changed nothing. */
  async #send(txn: Txn, operations: readonly Operation[], timeoutMs: number): Promise<Answer> {
    const { endpoints } = this.#options;
    await endpoints.requireAnswer();
    const connection = await endpoints.connectedInTime('calls');
    const ended = endpoints.begin();
    try {
      const answer = await connection.txn(txn, { timeoutMs });
      ended(true);
      return { kind: 'answered', answer };
    } catch (error) {
      if (isMolnError(error)) throw error;
      const failure = failureOf(error);
      if (isLeaseLost(failure)) throw leaseLost(leaseIdsOf(operations).join(', '));
      ended(!isUnknown(failure));
      if (!isUnknown(failure)) throw refused(failure);
      endpoints.rotate('calls', connection);
      return { kind: 'lost', why: `${connection.endpoint}: ${failure.message}` };
    }
  }

  #resultOf(conditions: readonly Condition[], answer: TxnAnswer): CommitResult {
    const { root } = this.#options;
    if (answer.succeeded)
      return { kind: 'committed', revision: root.revisions.ours(answer.revision) };
    const { response } = answer;
    const revision = root.revisions.ours(response.header?.revision);
    return { kind: 'conflict', revision, failed: root.failedOf(conditions, response) };
  }

  #newWord(kind: 'commit' | 'barrier'): string {
    return `${kind} ${this.#session} ${this.#count++}`;
  }
}

function leaseIdsOf(operations: readonly Operation[]): readonly string[] {
  const ids = operations.flatMap((one) => (one.kind === 'put' ? (one.leaseId ?? []) : []));
  return [...new Set(ids)];
}

/** Another engine's lease, say after a move to etcd: it has ended. */
function checkLeases(operations: readonly Operation[]): void {
  for (const id of leaseIdsOf(operations)) {
    if (!/^[1-9]\d{0,18}$/.test(id)) throw leaseLost(id);
  }
}
