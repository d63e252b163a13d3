/**
 * Keeps this node's lease and check-in in the registry and tells the fence about each one that arrived. A second agent with
 * the same node id takes its place; the older one then stays fenced for good. So does a node that was forgotten: from that
 * commit on no check-in of it is taken, so that others may count its silence from there.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, untilBeat } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { Collection, Lease, Registry, Revision } from '../registry/registry.ts';
import type { Fence } from './fence.ts';
import { nodeForgotten } from './join-errors.ts';
import { notForgotten } from './members.ts';
import { CHECK_IN_MS, type CheckIn, type NodeLoad, PRESENCE_CLOCKS } from './presence.ts';
import { presenceRecords } from './presence-records.ts';

export interface PresenceKeeperOptions {
  readonly registry: Registry;
  readonly nodeId: string;
  readonly fence: Fence;
  readonly clock: Clock;
  readonly log: Logger;
  /** Life of the lease; 30 s by default. */
  readonly lostAfterMs?: number;
  /** 750 ms by default. A node that is alone can do with far fewer, as long as its apps' clocks allow it. */
  readonly checkInMs?: number;
  /** Told with each check-in. */
  readonly load?: () => NodeLoad;
  /** With `CLUSTER_NODE_FORGOTTEN`, once: everything is fenced already. */
  readonly onForgotten: (error: unknown) => void;
}

/** A lease is renewed when a third of it has passed. */
const RENEW_RATIO = 1 / 3;

export class PresenceKeeper implements Worker {
  readonly name = 'presence';
  readonly incarnation: string = randomId();
  readonly #options: PresenceKeeperOptions;
  readonly #records: Collection<CheckIn>;
  readonly #checkInMs: number;
  #lease: Lease | undefined;
  #renewAtMs = 0;
  #count = 0;
  /** Of our last check-in; undefined when it is not known. */
  #revision: Revision | undefined;
  #status = 'Not heard yet';
  #isFailing = false;
  #isReplaced = false;
  #isForgotten = false;
  #isLeaving = false;

  constructor(options: PresenceKeeperOptions) {
    this.#options = options;
    this.#records = presenceRecords(options.registry);
    this.#checkInMs = options.checkInMs ?? CHECK_IN_MS;
  }

  status(): string {
    return this.#status;
  }

  /** Another agent says that it is this node: it is newer, and this one must not go on. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  async step(): Promise<StepResult> {
    const { clock, fence, log } = this.#options;
    // First of all: a process that was stopped finds out here.
    fence.wake();
    if (this.#isOver || this.#isLeaving) return { kind: 'done' };
    const startedMs = clock.monotonicMs();
    try {
      await this.#keepLease();
      await this.#checkIn('stay');
      if (this.#isFailing) log.info('The registry hears this node again');
      this.#isFailing = false;
    } catch (error) {
      this.#revision = undefined;
      this.#status = `Not heard: ${messageOf(error)}`;
      // Ended by itself, for nobody renewed it in time: the next step takes another.
      if (isMolnError(error, 'REGISTRY_LEASE_LOST')) this.#lease = undefined;
      else if (!this.#isFailing) log.warn('The registry does not hear this node', { error });
      this.#isFailing = true;
    }
    if (this.#isOver) return { kind: 'done' };
    const tookMs = clock.monotonicMs() - startedMs;
    return { kind: 'idle', retryInMs: untilBeat(clock, this.#checkInMs, tookMs) };
  }

  /**
   * Says good-bye: nobody has to wait for the clocks. Only after the last instance has stopped. When the registry does
   * not answer, the clocks do it.
   */
  async leave(): Promise<void> {
    if (this.#isOver) return;
    this.#isLeaving = true;
    try {
      await this.#keepLease();
      await this.#checkIn('leaving');
    } catch (error) {
      this.#options.log.info('Nobody heard the good-bye of this node', {
        reason: messageOf(error),
      });
    }
  }

  get #isOver(): boolean {
    return this.#isReplaced || this.#isForgotten;
  }

  async #keepLease(): Promise<void> {
    const { registry, clock, lostAfterMs = PRESENCE_CLOCKS.lostAfterMs } = this.#options;
    const now = clock.monotonicMs();
    if (this.#lease === undefined) this.#lease = await registry.lease(lostAfterMs);
    else if (now >= this.#renewAtMs) await this.#lease.renew();
    else return;
    this.#renewAtMs = now + this.#lease.ttlMs * RENEW_RATIO;
  }

  async #checkIn(wish: CheckIn['wish']): Promise<void> {
    const { registry, clock, fence, nodeId } = this.#options;
    const { incarnation } = this;
    const before = this.#revision ?? (await this.#found());
    if (before === undefined) return;
    const sentAtMs = clock.monotonicMs();
    const checkIn: CheckIn = { incarnation, count: this.#count + 1, wish, ...this.#load() };
    const result = await registry.commit(
      [{ key: this.#records.keyOf(nodeId), revision: before }, notForgotten(nodeId)],
      [this.#records.putOperation(nodeId, checkIn, this.#lease?.id)],
    );
    if (result.kind === 'conflict') {
      // The lease has ended, or somebody else is this node: the next look tells.
      this.#revision = undefined;
      if (await this.#wasForgotten()) return;
      if ((await this.#found()) !== undefined) await this.#checkIn(wish);
      return;
    }
    this.#count++;
    this.#revision = result.revision;
    this.#status = wish === 'stay' ? 'The registry hears this node' : 'It has said good-bye';
    if (wish === 'stay') fence.confirm(sentAtMs, result.revision);
  }

  async #wasForgotten(): Promise<boolean> {
    const { registry, nodeId, fence, onForgotten } = this.#options;
    if ((await registry.get(notForgotten(nodeId).key)) === undefined) return false;
    this.#isForgotten = true;
    this.#status = 'This node was forgotten';
    fence.close();
    onForgotten(nodeForgotten());
    return true;
  }

  #load(): Pick<CheckIn, 'load'> {
    const { load } = this.#options;
    return load === undefined ? {} : { load: load() };
  }

  /** Revision to write over; 0 for none, undefined when another one has taken our place. */
  async #found(): Promise<Revision | undefined> {
    const { nodeId, log } = this.#options;
    const stored = await this.#records.get(nodeId);
    if (stored === undefined) return 0;
    const isOther = stored.value.incarnation !== this.incarnation;
    // Whoever was there when this agent started is its predecessor.
    if (isOther && this.#count > 0) {
      this.#isReplaced = true;
      this.#status = "Another agent has taken this node's place";
      log.error('Another agent runs under the id of this node: this one stays fenced', { nodeId });
      return undefined;
    }
    return stored.revision;
  }
}
