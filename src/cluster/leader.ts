/**
 * One leader at a time, by a lease on one key. The lease is liveness only: it may end early or late, and a process may be
 * stopped while it believes that it leads. Safety is the fencing token, the revision of the key, on which every commit
 * of a leader is conditioned: what a deposed one commits fails as a whole.
 */
import { messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, untilBeat } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type {
  Collection,
  CommitResult,
  Condition,
  Lease,
  Operation,
  Registry,
  Revision,
  Stored,
} from '../registry/registry.ts';
import { deposed } from './errors.ts';
import { endOf, LEADER_KEY, type LeaderRecord, leaderRecords } from './leader-records.ts';

/** One term of leading. */
export interface LeaderTerm {
  /** The fencing token: revision of the leader's key. */
  readonly token: Revision;
  /** Aborts when the term is over, or may be. */
  readonly signal: AbortSignal;
  /**
   * As the registry's, but only while this term lasts. Throws `CLUSTER_DEPOSED` when it is over; what is committed after
   * that changes nothing, what was on its way at that moment may have happened. Takes one condition less.
   */
  commit(conditions: readonly Condition[], operations: readonly Operation[]): Promise<CommitResult>;
}

/** The registry for a leader's writes: they fail with `CLUSTER_DEPOSED` once the term is over. */
export function duringTerm(registry: Registry, term: LeaderTerm): Registry {
  return {
    get engine() {
      return registry.engine;
    },
    get: (key) => registry.get(key),
    list: (prefix) => registry.list(prefix),
    watch: (prefix, from, signal) => registry.watch(prefix, from, signal),
    commit: (conditions, operations) => term.commit(conditions, operations),
    lease: (ttlMs) => registry.lease(ttlMs),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

export interface LeaderElectionOptions {
  readonly registry: Registry;
  readonly node: { readonly id: string; readonly name: string };
  readonly clock: Clock;
  readonly log: Logger;
  /** The leader's work, until the signal aborts. Returning early resigns; throwing resigns and is logged. */
  readonly lead: (term: LeaderTerm) => Promise<void>;
  /** Asked at each step; one that leads and may not any more resigns. Default: always. */
  readonly mayLead?: () => boolean;
  /** 2 s by default; etcd may grant more. */
  readonly ttlMs?: number;
}

/** The least that etcd grants with its usual election timeout: after the death of its own leader it counts anew. */
export const LEADER_TTL_MS = 2000;
/** With the default life it is renewed when the node checks in; one renewal may fail before the term is over. */
const RENEW_RATIO = 3 / 8;
/** After a renewal that failed; what is left of the term is short. */
const RENEW_AGAIN_MS = 250;
/** A leader stops this part of its lease's life before the others may notice that it ended. */
const MARGIN_RATIO = 0.2;
/** After resigning for an error the others have so many lives of the lease to take over. */
const SHY_TTLS = 2;

interface Leading {
  readonly lease: Lease;
  readonly record: LeaderRecord;
  readonly token: Revision;
  readonly stop: AbortController;
  /** By the monotonic clock, from when the last renewal was sent. */
  untilMs: number;
  timer: Disposable | undefined;
  work: Promise<void>;
  isWorkDone: boolean;
}

export class LeaderElection implements Worker, AsyncDisposable {
  readonly name = 'leader';
  readonly incarnation: string = randomId();
  readonly #options: LeaderElectionOptions;
  readonly #records: Collection<LeaderRecord>;
  readonly #ttlMs: number;
  #leading: Leading | undefined;
  #status = 'Not a candidate yet';
  #shyUntilMs = -Infinity;
  #isClosed = false;
  #hasLed = false;
  /** The key is followed by `changes`: it need not be read while that says nothing. */
  #isFollowed = false;
  #isNews = true;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#records = leaderRecords(options.registry);
    this.#ttlMs = options.ttlMs ?? LEADER_TTL_MS;
  }

  status(): string {
    return this.#status;
  }

  /** As of this moment; true is only a belief, see above. */
  get isLeading(): boolean {
    return this.#leading !== undefined && !this.#isOver(this.#leading);
  }

  async step(): Promise<StepResult> {
    if (this.#isClosed) return { kind: 'done' };
    const startedMs = this.#options.clock.monotonicMs();
    try {
      if (this.#leading === undefined) await this.#campaign();
      else await this.#hold(this.#leading);
    } catch (error) {
      // A leader goes on until its time is over; its timer sees to that.
      this.#status = `The registry does not answer: ${messageOf(error)}`;
      const soonMs = this.#soonMs(startedMs);
      const mostMs = this.#leading === undefined ? Infinity : RENEW_AGAIN_MS;
      return { kind: 'idle', retryInMs: Math.min(soonMs, mostMs) };
    }
    // Whoever only waits is woken by `changes`, and looks by itself for the case that this fails.
    const retryInMs = this.#leading === undefined ? this.#ttlMs : this.#soonMs(startedMs);
    return { kind: 'idle', retryInMs };
  }

  #soonMs(startedMs: number): number {
    const { clock } = this.#options;
    return untilBeat(clock, this.#ttlMs * RENEW_RATIO, clock.monotonicMs() - startedMs);
  }

  /** Yields whenever it changed who leads: the next step should come at once. Until the signal aborts. */
  async *changes(signal: AbortSignal): AsyncGenerator<void, void, undefined> {
    try {
      for await (const _view of this.#records.watch(signal)) {
        this.#isFollowed = true;
        this.#isNews = true;
        yield;
      }
    } finally {
      this.#isFollowed = false;
    }
  }

  /** Ends the term at once, for the next one to begin. Safe when not leading. */
  async resign(): Promise<void> {
    const leading = this.#leading;
    if (leading === undefined) return;
    await this.#end(leading, 'this node resigned');
    await this.#release(leading);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const { log } = this.#options;
    try {
      await this.resign();
    } catch (error) {
      log.warn('Could not resign: the others wait for the lease to end', { error });
    }
  }

  async #campaign(): Promise<void> {
    const { clock, registry, node, log } = this.#options;
    if (!this.#mayLead) {
      this.#status = 'No candidate: this node does not hold the registry';
      return;
    }
    const holder = await this.#records.get('now');
    if (holder !== undefined && !this.#mayTakeOver(holder.value)) {
      this.#status = `${holder.value.nodeName} leads`;
      return;
    }
    if (clock.monotonicMs() < this.#shyUntilMs) return;
    const last = await this.#records.get('last');
    const record: LeaderRecord = {
      nodeId: node.id,
      nodeName: node.name,
      incarnation: this.incarnation,
      sinceMs: clock.now(),
      why: whyNow(holder, last),
      ended: 'not',
    };
    const sentAtMs = clock.monotonicMs();
    const lease = await registry.lease(this.#ttlMs);
    const result = await registry.commit(
      [{ key: LEADER_KEY, revision: holder?.revision ?? 0 }],
      [
        this.#records.putOperation('now', record, lease.id),
        this.#records.putOperation('last', record),
      ],
    );
    if (result.kind === 'conflict') {
      await lease.revoke();
      return;
    }
    if (this.#isClosed) return lease.revoke();
    log.info('This node leads', { why: record.why, token: result.revision });
    this.#begin(lease, record, { token: result.revision, sentAtMs });
  }

  /**
   * Its own key of an earlier start is taken over at once: that agent is gone, or deposed by this. Not by one that has
   * led before, or two agents of one node id would go on deposing each other.
   */
  #mayTakeOver({ nodeId, incarnation }: LeaderRecord): boolean {
    if (nodeId !== this.#options.node.id) return false;
    return incarnation === this.incarnation || !this.#hasLed;
  }

  #begin(
    lease: Lease,
    record: LeaderRecord,
    { token, sentAtMs }: { readonly token: Revision; readonly sentAtMs: number },
  ): void {
    const { lead, log, clock } = this.#options;
    const stop = new AbortController();
    const leading: Leading = {
      lease,
      record,
      token,
      stop,
      untilMs: 0,
      timer: undefined,
      work: Promise.resolve(),
      isWorkDone: false,
    };
    this.#leading = leading;
    this.#hasLed = true;
    this.#status = `This node leads: ${record.why}`;
    this.#extend(leading, sentAtMs);
    const term: LeaderTerm = {
      token,
      signal: stop.signal,
      commit: (conditions, operations) => this.#commit(leading, conditions, operations),
    };
    leading.work = Promise.resolve()
      .then(() => lead(term))
      .catch((error: unknown) => {
        if (stop.signal.aborted) return;
        log.error("The leader's work failed: this node resigns", { error });
        this.#shyUntilMs = clock.monotonicMs() + this.#ttlMs * SHY_TTLS;
      })
      .then(() => {
        leading.isWorkDone = true;
      });
  }

  get #mayLead(): boolean {
    return this.#options.mayLead?.() ?? true;
  }

  async #hold(leading: Leading): Promise<void> {
    if (leading.isWorkDone || !this.#mayLead) return this.resign();
    if (this.#isOver(leading)) {
      await this.#end(leading, 'its lease could not be renewed in time');
      await this.#release(leading);
      return;
    }
    const sentAtMs = this.#options.clock.monotonicMs();
    try {
      await leading.lease.renew();
    } finally {
      // A renewal that hung and failed may have been overtaken by the end of the term.
      if (this.#isOver(leading)) leading.stop.abort(deposed('its lease ended'));
    }
    if (!(await this.#stillHolds(leading))) return;
    this.#extend(leading, sentAtMs);
    this.#status = `This node leads: ${leading.record.why}`;
  }

  /** Ends the term of one whose key is somebody else's. Liveness only: a commit of such a leader fails in any case. */
  async #stillHolds(leading: Leading): Promise<boolean> {
    if (this.#isFollowed && !this.#isNews) return true;
    this.#isNews = false;
    const holder = await this.#records.get('now').catch((error: unknown) => {
      this.#isNews = true;
      throw error;
    });
    if (holder?.revision === leading.token) return true;
    await this.#end(leading, `${holder?.value.nodeName ?? 'nobody'} leads now`);
    return false;
  }

  #extend(leading: Leading, sentAtMs: number): void {
    const { clock } = this.#options;
    if (leading.stop.signal.aborted) return;
    leading.untilMs = sentAtMs + leading.lease.ttlMs * (1 - MARGIN_RATIO);
    leading.timer?.[Symbol.dispose]();
    leading.timer = clock.after(leading.untilMs - clock.monotonicMs(), () => {
      leading.stop.abort(deposed('its lease was not renewed in time'));
    });
  }

  #isOver(leading: Leading): boolean {
    const { clock } = this.#options;
    return leading.stop.signal.aborted || clock.monotonicMs() >= leading.untilMs;
  }

  async #commit(
    leading: Leading,
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    if (this.#isOver(leading)) {
      leading.stop.abort(deposed('its lease was not renewed in time'));
      throw deposed('its lease was not renewed in time');
    }
    const token: Condition = { key: LEADER_KEY, revision: leading.token };
    const result = await unlessAborted(
      leading.stop.signal,
      this.#options.registry.commit([token, ...conditions], operations),
    );
    if (result.kind === 'conflict' && result.failed.includes(LEADER_KEY)) {
      leading.stop.abort(deposed('another one leads'));
      throw deposed('another one leads');
    }
    return result;
  }

  /** Waits for the work to stop, so that no two terms of one process overlap. */
  async #end(leading: Leading, why: string): Promise<void> {
    const { log } = this.#options;
    leading.timer?.[Symbol.dispose]();
    leading.stop.abort(deposed(why));
    await leading.work;
    if (this.#leading !== leading) return;
    this.#leading = undefined;
    this.#status = `Led until ${why}`;
    log.info('This node does not lead any more', { why });
  }

  async #release({ lease, record, token }: Leading): Promise<void> {
    const ended: LeaderRecord = { ...record, ended: 'resigned' };
    await this.#options.registry.commit(
      [{ key: LEADER_KEY, revision: token }],
      [{ kind: 'delete', key: LEADER_KEY }, this.#records.putOperation('last', ended)],
    );
    await lease.revoke();
  }
}

function whyNow(
  holder: Stored<LeaderRecord> | undefined,
  last: Stored<LeaderRecord> | undefined,
): string {
  if (holder !== undefined) return 'it led before and its agent was started again';
  return last === undefined ? 'it was the first' : endOf(last.value);
}

/** Does not wait for a registry that hangs when the term is over: the next one must not be held up. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
