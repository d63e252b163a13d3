/**
 * A registry whose engine can be changed while it is used: embedded first, etcd when a second machine comes. Commits wait for
 * the moment of the change, watches end with `REGISTRY_COMPACTED` (list again), nothing is refused or lost.
 */
import type {
  CommitResult,
  Condition,
  Entry,
  Lease,
  ListResult,
  Operation,
  Registry,
  Revision,
  WatchBatch,
} from './contract.ts';
import { closed, compacted } from './errors.ts';

/** Asked after a commit and before it is answered; while it waits, so does the one who committed. */
export type CommitGate = (revision: Revision) => Promise<void>;

export class SwitchableRegistry implements Registry {
  #engine: Registry;
  #gate: CommitGate | undefined;
  /** Aborted when the engine that watches read from is not the one any more. */
  #era = new AbortController();
  /** Resolves when changes may go on; undefined while nothing keeps them. */
  #frozen: PromiseWithResolvers<void> | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #listeners = new Set<() => void>();
  #isSwitching = false;
  #isClosed = false;

  constructor(engine: Registry) {
    this.#engine = engine;
  }

  get engine(): string {
    return this.#engine.engine;
  }

  /** The engine of now: for the copy, and for what belongs to one engine only. */
  get current(): Registry {
    return this.#engine;
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#engine.get(key);
  }

  list(prefix: string): Promise<ListResult> {
    return this.#engine.list(prefix);
  }

  async *watch(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const era = this.#era.signal;
    const both = AbortSignal.any([signal, era]);
    yield* this.#engine.watch(prefix, fromRevision, both);
    if (signal.aborted || !era.aborted || this.#isClosed) return;
    throw compacted(fromRevision, fromRevision + 1);
  }

  async commit(
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    const result = await this.#change(() => this.#engine.commit(conditions, operations));
    const gate = this.#gate;
    if (gate === undefined || result.kind !== 'committed') return result;
    // What hangs on a lease is gone when its owner is: it need not be anywhere else.
    if (operations.every((one) => one.kind === 'put' && one.leaseId !== undefined)) return result;
    await gate(result.revision);
    return result;
  }

  lease(ttlMs: number): Promise<Lease> {
    return this.#change(() => this.#engine.lease(ttlMs));
  }

  /** Where etcd's members are from now on. Only while the engine is etcd. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#engine.setEndpoints?.(endpoints);
  }

  /** Undefined: a commit is answered when the engine has answered. */
  setCommitGate(gate: CommitGate | undefined): void {
    this.#gate = gate;
  }

  /**
   * Changes the engine. `move` resolves to the next one; once it has called `freeze`, and that has resolved, nobody commits to
   * the old one any more. When `move` throws, all goes on with the old one. Afterwards the old one is closed.
   */
  async switchTo(move: (freeze: () => Promise<void>) => Promise<Registry>): Promise<void> {
    if (this.#isClosed) throw closed();
    if (this.#isSwitching) throw new Error('The registry is being switched already');
    this.#isSwitching = true;
    const old = this.#engine;
    try {
      this.#engine = await move(() => this.#freeze());
    } finally {
      this.#isSwitching = false;
      if (this.#engine === old) this.#thaw();
    }
    const era = this.#era;
    this.#era = new AbortController();
    era.abort(new Error('The registry has another engine'));
    this.#thaw();
    for (const call of this.#listeners) call();
    await old[Symbol.asyncDispose]();
  }

  /** Calls after each change of the engine. */
  onSwitched(call: () => void): Disposable {
    this.#listeners.add(call);
    return { [Symbol.dispose]: () => this.#listeners.delete(call) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#thaw();
    await this.#engine[Symbol.asyncDispose]();
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    while (this.#frozen !== undefined) await this.#frozen.promise;
    if (this.#isClosed) throw closed();
    const running = work();
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  async #freeze(): Promise<void> {
    this.#frozen ??= Promise.withResolvers();
    await Promise.allSettled(this.#underWay);
  }

  #thaw(): void {
    this.#frozen?.resolve();
    this.#frozen = undefined;
  }
}
