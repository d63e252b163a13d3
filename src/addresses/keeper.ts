/**
 * The loop of every node: says which addresses it could hold, takes what falls to it and gives back what it must not keep. What
 * is decided is in `decide.ts`, what is held in `hold.ts`; here it is carried out, one address after the other.
 */
import { messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { Peers, PeerState } from '../cluster/cluster.ts';
import {
  type AddressRecords,
  type AddressView,
  type HolderRecord,
  whyNext,
} from './address-records.ts';
import { decide, type DecidingNode } from './decide.ts';
import { addressTaken } from './errors.ts';
import type { Hold } from './hold.ts';
import {
  HOLDER_TTL_MS,
  IDLE_LOOK_EVERY_MS,
  LEAVE_WITHIN_MS,
  LOOK_EVERY_MS,
  REFUSED_MS,
  RENEW_EVERY_MS,
} from './limits.ts';
import type { Links, PlacedAddress } from './links.ts';
import type { VirtualAddress } from './virtual-address.ts';

export interface KeeperOptions {
  readonly records: AddressRecords;
  readonly hold: Hold;
  readonly links: Links;
  readonly peers: Pick<Peers, 'all' | 'self' | 'get'>;
  /** By address: why this node cannot hold it, empty when it can. */
  readonly whyNot: (
    addresses: readonly VirtualAddress[],
  ) => Promise<Readonly<Record<string, string>>>;
  /** One was taken. */
  readonly onTaken: () => void;
  readonly tell: (text: string, node: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY_MS = 1000;

export class Keeper implements Worker {
  readonly name = 'addresses';
  readonly #options: KeeperOptions;
  readonly #incarnation: string = randomId();
  /** By address: since when nobody holds it, by the monotonic clock. */
  readonly #freeSinceMs = new Map<string, number>();
  /** By address: who held it when it was last seen held, or who gave it back. */
  readonly #before = new Map<string, HolderRecord>();
  /** By address: when its holder was seen to give it back. */
  readonly #givenBackMs = new Map<string, number>();
  /** By address: what went wrong when it was to be taken here, and until when it counts. */
  readonly #refused = new Map<string, { readonly why: string; readonly untilMs: number }>();
  #view: AddressView | undefined;
  #lookedAtMs = -Infinity;
  #whyNot: Readonly<Record<string, string>> = {};
  #status = 'No virtual addresses';
  /** By the monotonic clock: since when the registry does not answer. */
  #failingSinceMs: number | undefined;
  #isLeaving = false;
  #left: PromiseWithResolvers<void> | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  status(): string {
    return this.#status;
  }

  /** As it was last read. */
  get view(): AddressView | undefined {
    return this.#view;
  }

  /** The registry has not answered for so long that no lease of the time before lives. */
  get isBlind(): boolean {
    if (this.#failingSinceMs === undefined) return false;
    return this.#options.clock.monotonicMs() - this.#failingSinceMs > HOLDER_TTL_MS;
  }

  async step(): Promise<StepResult> {
    const { clock, log } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      const againMs = await this.#look();
      if (this.#failingSinceMs !== undefined) log.info('Virtual addresses are looked after again');
      this.#failingSinceMs = undefined;
      if (this.#left !== undefined) {
        this.#left.resolve();
        return { kind: 'done' };
      }
      return againMs === Infinity ? { kind: 'idle' } : { kind: 'idle', retryInMs: againMs };
    } catch (error) {
      if (this.#failingSinceMs === undefined) {
        log.warn('Virtual addresses cannot be looked after', { error });
      }
      this.#failingSinceMs ??= startedMs;
      this.#status = `Waits: ${messageOf(error)}`;
      return { kind: 'idle', retryInMs: RETRY_MS };
    }
  }

  /** Gives all back. When that cannot be said in time, the clocks do it. `wake`: the next step comes at once. */
  async leave(wake: () => void): Promise<void> {
    const { clock } = this.#options;
    this.#isLeaving = true;
    this.#left = Promise.withResolvers();
    wake();
    using _late = clock.after(LEAVE_WITHIN_MS, () => this.#left?.resolve());
    await this.#left.promise;
  }

  /** How long until the next look. */
  async #look(): Promise<number> {
    const { records, hold, links, peers, clock } = this.#options;
    const view = await records.read();
    this.#view = view;
    this.#remember(view);
    await this.#sayAbility(view);
    const { take, giveBack, againMs } = decide({
      self: peers.self,
      isLeaving: this.#isLeaving,
      nodes: this.#nodes(view),
      addresses: view.added.map(({ value }) => value),
      holders: new Map([...view.held].map(([address, { value }]) => [address, value])),
      freeMs: new Map(
        [...this.#freeSinceMs].map(([address, ms]) => [address, clock.monotonicMs() - ms]),
      ),
    });
    for (const address of hold.addresses) {
      if (!this.#isOwn(view.held.get(address)?.value)) await hold.drop(address);
    }
    for (const { address, why } of giveBack) await this.#giveBack(view, address, why);
    const ours = this.#ours(view).filter((one) => !giveBack.some(({ address }) => address === one));
    const taken = [...take, ...ours].map((address) => this.#take(view, address));
    const failed = (await Promise.allSettled(taken)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    await links.sweep(hold.addresses);
    this.#say(view);
    if (view.added.length === 0) return Infinity;
    if (take.length + giveBack.length > 0) return RENEW_EVERY_MS;
    const isCalm = hold.addresses.length === 0 && this.#areHeardOf(view);
    return Math.min(againMs, isCalm ? IDLE_LOOK_EVERY_MS : LOOK_EVERY_MS);
  }

  #isOwn(holder: HolderRecord | undefined): boolean {
    return holder?.incarnation === this.#incarnation && holder.ended === '';
  }

  #remember({ added, held }: AddressView): void {
    const now = this.#options.clock.monotonicMs();
    for (const { id } of added) {
      const holder = held.get(id)?.value;
      const before = this.#before.get(id);
      const isSame = before?.incarnation === holder?.incarnation;
      if (isSame && before?.ended === '' && holder?.ended !== '') this.#givenBackMs.set(id, now);
      if (holder !== undefined) this.#before.set(id, holder);
      if (holder?.ended === '') this.#freeSinceMs.delete(id);
      else if (!this.#freeSinceMs.has(id)) this.#freeSinceMs.set(id, now);
    }
    for (const map of [this.#before, this.#freeSinceMs, this.#givenBackMs, this.#refused]) {
      for (const address of map.keys()) {
        if (!added.some(({ id }) => id === address)) map.delete(address);
      }
    }
  }

  /** All have a holder, and he is heard of: a watch will tell when that ends. */
  #areHeardOf({ added, held }: AddressView): boolean {
    const { peers } = this.#options;
    return added.every(({ id }) => {
      const holder = held.get(id)?.value;
      if (holder === undefined || holder.ended !== '') return false;
      return stateOf(peers.get(holder.nodeId)?.state ?? 'lost') !== 'away';
    });
  }

  /** Others count on it to know whose turn it is. */
  async #sayAbility({ added, able }: AddressView): Promise<void> {
    const { records, peers, clock, whyNot } = this.#options;
    const now = clock.monotonicMs();
    const isNew = added.some(({ id }) => this.#whyNot[id] === undefined);
    if (isNew || now - this.#lookedAtMs >= LOOK_EVERY_MS) {
      this.#whyNot = added.length === 0 ? {} : await whyNot(added.map(({ value }) => value));
      this.#lookedAtMs = now;
    }
    const said = Object.entries(this.#whyNot).map(([address, why]): [string, string] => {
      const refused = this.#refused.get(address);
      return [
        address,
        why === '' && refused !== undefined && refused.untilMs > now ? refused.why : why,
      ];
    });
    const wanted = { whyNot: Object.fromEntries(said) };
    const known = able.get(peers.self);
    if (added.length === 0 || JSON.stringify(known) === JSON.stringify(wanted)) return;
    await records.able.put(peers.self, wanted);
  }

  #nodes({ able }: AddressView): readonly DecidingNode[] {
    return this.#options.peers.all().map(({ id, name, state }) => {
      return { id, name, state: stateOf(state), whyNot: able.get(id)?.whyNot ?? {} };
    });
  }

  /** The registry gives them to this node, and it does not hold them: its agent was started anew, or stood still. */
  #ours({ held }: AddressView): readonly string[] {
    const { hold, peers } = this.#options;
    return [...held]
      .filter(([, { value }]) => value.nodeId === peers.self && value.ended === '')
      .map(([address]) => address)
      .filter((address) => !this.#isLeaving && !hold.addresses.includes(address));
  }

  async #take(view: AddressView, address: string): Promise<void> {
    const { records, hold, tell, onTaken } = this.#options;
    const wish = view.added.find(({ id }) => id === address);
    const last = view.held.get(address);
    if (wish === undefined) return;
    const placed = await this.#prepare(wish.value);
    if (placed === undefined) return;
    const holder = this.#holderOf(address, last?.value);
    const leaseId = await hold.lease();
    if (!(await records.take(wish, last?.revision ?? 0, holder, leaseId))) return;
    await hold.keep(placed, leaseId);
    onTaken();
    const { nodeName, why } = holder;
    if (holder.since !== last?.value.since) {
      tell(`${nodeName} holds the address ${address}: ${why}`, nodeName);
    }
  }

  #holderOf(address: string, last: HolderRecord | undefined): HolderRecord {
    const { peers, clock } = this.#options;
    const own = { incarnation: this.#incarnation, ended: '' };
    if (last?.nodeId === peers.self && last.ended === '') return { ...last, ...own };
    const nodeName = peers.get(peers.self)?.name ?? peers.self;
    const why = whyNext(this.#before.get(address));
    return { ...own, nodeId: peers.self, nodeName, since: clock.now(), why };
  }

  /** Undefined when it cannot be here now: then somebody else has his turn. */
  async #prepare(wish: VirtualAddress): Promise<PlacedAddress | undefined> {
    const { links, clock, log } = this.#options;
    const { address } = wish;
    // Whoever gives it back has had it until just now: nobody else can have come in between.
    const givenBackMs = this.#givenBackMs.get(address) ?? -Infinity;
    const isGivenBack = clock.monotonicMs() - givenBackMs < HOLDER_TTL_MS;
    try {
      const placed = await links.place(wish);
      const answering = isGivenBack ? undefined : await links.whoAnswers(placed);
      // The one before has it still: for a moment only.
      if (answering === placed.hardware) return undefined;
      if (answering !== undefined)
        throw addressTaken(`a machine with the hardware address ${answering} has it`);
      await links.prepare(placed);
      return placed;
    } catch (error) {
      log.warn('A virtual address cannot be taken', { address, error });
      const untilMs = clock.monotonicMs() + REFUSED_MS;
      this.#refused.set(address, { why: messageOf(error), untilMs });
      return undefined;
    }
  }

  async #giveBack(view: AddressView, address: string, why: string): Promise<void> {
    const { records, hold, links } = this.#options;
    const held = view.held.get(address);
    await hold.drop(address);
    // Also what an agent before this one has put up: others rely on it that the kernel has it no longer.
    await links.sweep(hold.addresses);
    if (held === undefined) return;
    const isAdded = view.added.some(({ id }) => id === address);
    await records.giveBack(held, why, isAdded ? hold.leaseId : undefined);
  }

  #say({ added }: AddressView): void {
    const { addresses } = this.#options.hold;
    if (added.length === 0) this.#status = 'No virtual addresses';
    else if (addresses.length === 0) this.#status = `Watches over ${added.length} held elsewhere`;
    else this.#status = `Holds ${addresses.join(', ')}`;
  }
}

function stateOf(state: PeerState): DecidingNode['state'] {
  return state === 'ready' || state === 'draining' ? state : 'away';
}
