/**
 * A registry whose engine can be changed while it is used: embedded first, etcd when a second machine comes. Commits wait for
 * the moment of the change, watches end with `REGISTRY_COMPACTED` (list again), nothing is refused or lost.
 */
import { isMolnError } from '../base/errors.ts';
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
import { closed, leaseLost, moved, unconfirmed } from './errors.ts';

/**
 * Asked after a commit that changed the registry and before it is answered; while it waits, so does the one who committed. When
 * it rejects, the commit has happened all the same, and its author is told `REGISTRY_OUTCOME_UNKNOWN`.
 */
export type CommitGate = (
  result: { readonly revision: Revision },
  operations: readonly Operation[],
) => Promise<void>;

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

  /** It owns the engine from now on. */
  constructor(engine: Registry) {
    this.#engine = engine;
  }

  /** Of the engine of now: `sqlite` or `etcd`. */
  get engine(): string {
    return this.#engine.engine;
  }

  /** The engine of now: for the copy, and for what belongs to one engine only. */
  get current(): Registry {
    return this.#engine;
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read((engine) => engine.get(key));
  }

  list(prefix: string): Promise<ListResult> {
    return this.#read((engine) => engine.list(prefix));
  }

  async *watch(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const era = this.#era.signal;
    yield* this.#engine.watch(prefix, fromRevision, AbortSignal.any([signal, era]));
    if (era.aborted && !signal.aborted && !this.#isClosed) throw moved();
  }

  /** As the engine's. Waits during a move; conditions from before it then fail, as they should. */
  async commit(
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    const result = await this.#change((engine) => engine.commit(conditions, operations));
    const gate = this.#gate;
    if (gate === undefined || result.kind !== 'committed') return result;
    // What hangs on a lease is gone when its owner is: it need not be anywhere else.
    if (operations.every((one) => one.kind === 'put' && one.leaseId !== undefined)) return result;
    try {
      await gate(result, operations);
    } catch (error) {
      throw unconfirmed(result.revision, error);
    }
    return result;
  }

  /** Ends with the engine that granted it: afterwards it says `REGISTRY_LEASE_LOST`. */
  async lease(ttlMs: number): Promise<Lease> {
    const { engine, lease } = await this.#change(async (engine) => {
      return { engine, lease: await engine.lease(ttlMs) };
    });
    const hasMoved = (): boolean => this.#engine !== engine && !this.#isClosed;
    const renew = async (): Promise<void> => {
      try {
        if (!hasMoved()) return await lease.renew();
      } catch (error) {
        if (!hasMoved()) throw error;
      }
      throw leaseLost(lease.id);
    };
    const revoke = async (): Promise<void> => {
      try {
        if (!hasMoved()) await lease.revoke();
      } catch (error) {
        if (!hasMoved()) throw error;
      }
    };
    return { id: lease.id, ttlMs: lease.ttlMs, renew, revoke };
  }

  /** Where etcd's members are from now on. Nothing happens while the registry is embedded. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#engine.setEndpoints?.(endpoints);
  }

  /** As the engine's. Nothing happens while the registry is embedded. */
  hurry(): void {
    this.#engine.hurry?.();
  }

  /** Undefined: a commit is answered when the engine has answered. */
  setCommitGate(gate: CommitGate | undefined): void {
    this.#gate = gate;
  }

  /**
   * Changes the engine. `move` resolves to the next one; once it has called `freeze`, and that has resolved, nobody commits to
   * the old one any more. When `move` throws, all goes on with the old one. Afterwards the old one is closed: what only that
   * meets is thrown when the new one is in use already. One at a time.
   */
  async switchTo(move: (freeze: () => Promise<void>) => Promise<Registry>): Promise<void> {
    if (this.#isClosed) throw closed();
    if (this.#isSwitching) throw new Error('The registry is being switched already');
    this.#isSwitching = true;
    const old = this.#engine;
    let next: Registry;
    try {
      next = await move(() => this.#freeze());
    } catch (error) {
      this.#thaw();
      throw error;
    } finally {
      this.#isSwitching = false;
    }
    if (this.#isClosed) {
      await next[Symbol.asyncDispose]();
      throw closed();
    }
    const era = this.#era;
    this.#engine = next;
    this.#era = new AbortController();
    era.abort();
    this.#thaw();
    try {
      for (const call of this.#listeners) call();
    } finally {
      await old[Symbol.asyncDispose]();
    }
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

  /** One that the old engine did not finish is asked of the new one. */
  async #read<T>(ask: (engine: Registry) => Promise<T>): Promise<T> {
    for (;;) {
      const engine = this.#engine;
      try {
        return await ask(engine);
      } catch (error) {
        const isOver = engine !== this.#engine && isMolnError(error);
        const isOfTheMove =
          isOver && (error.code === 'REGISTRY_CLOSED' || error.code === 'REGISTRY_UNAVAILABLE');
        if (!isOfTheMove) throw error;
      }
    }
  }

  async #change<T>(work: (engine: Registry) => Promise<T>): Promise<T> {
    while (this.#frozen !== undefined) await this.#frozen.promise;
    if (this.#isClosed) throw closed();
    const running = work(this.#engine);
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
