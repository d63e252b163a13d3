/**
 * The door of virtual addresses: addresses of a LAN that one node after the other holds, so that one that is lost takes nothing
 * with it. At most one node holds an address, whatever happens to its agent (`limits.ts` says why).
 */
import { followAgain } from '../base/again.ts';
import type { Logger } from '../base/log.ts';
import { countingSleep } from '../base/uptime.ts';
import type { Clock } from '../base/time.ts';
import type { WorkerRunner } from '../base/worker.ts';
import type { Events, NodeMethods, Peers } from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import { requireAble, whyNotHeld } from './ability.ts';
import type { AbilityFacts } from './ability.ts';
import { AddressRecords } from './address-records.ts';
import { AddressBook } from './book.ts';
import { addressTaken } from './errors.ts';
import { Hold } from './hold.ts';
import { Keeper } from './keeper.ts';
import { GATEWAY_SILENT_MS } from './limits.ts';
import { KernelLinks } from './links.ts';
import type { AddressWish } from './virtual-address.ts';

export type { AddressRequest, AddressRow } from './book.ts';
export { ADDRESSES_PREFIX } from './address-records.ts';
export { isVirtualLink } from './virtual-address.ts';

export interface AddressesOptions {
  /** What the managers say, never what was last heard of it. */
  readonly registry: Registry;
  /** What was last heard of it, when no manager answers. */
  readonly known: Registry;
  readonly peers: Peers;
  readonly clusterId: string;
  /** Where the gateway here listens. */
  readonly gatewayAddresses: readonly string[];
  /** The gateway here answers. */
  readonly isServing: () => boolean;
  readonly events: Events;
  readonly workers: WorkerRunner;
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY_MS = 1000;

export class Addresses implements AsyncDisposable {
  readonly book: AddressBook;
  readonly #options: AddressesOptions;
  readonly #records: AddressRecords;
  readonly #links: KernelLinks;
  readonly #hold: Hold;
  readonly #keeper: Keeper;
  readonly #sleepless: Clock;
  readonly #stop = new AbortController();
  #following: Promise<void> | undefined;
  #servedAtMs = -Infinity;

  constructor(options: AddressesOptions) {
    this.#options = options;
    const { registry, peers, clusterId, events, workers, log } = options;
    this.#sleepless = countingSleep(options.clock);
    const clock = this.#sleepless;
    this.#records = new AddressRecords(registry);
    this.#links = new KernelLinks({ nodeId: peers.self, clusterId, clock });
    const links = this.#links;
    this.#hold = new Hold({ registry, links, clock, log, onTrouble: () => this.#wake() });
    this.#keeper = new Keeper({
      records: this.#records,
      hold: this.#hold,
      links,
      peers,
      whyNot: (addresses) => whyNotHeld(addresses, this.#facts()),
      onTaken: () => workers.wake(this.#hold.name),
      tell: (text, node) => events.tell('address', text, { node }),
      clock,
      log,
    });
    this.book = new AddressBook({
      records: this.#records,
      known: new AddressRecords(options.known),
      isBlind: () => this.#keeper.isBlind,
      peers,
      requireAble: (wish) => this.#requireAble(wish),
      tell: (text) => events.tell('address', text),
      clock,
    });
  }

  methods(): NodeMethods['methods'] {
    return this.book.methods();
  }

  start(): void {
    const { workers, peers } = this.#options;
    workers.add(this.#keeper);
    workers.add(this.#hold);
    const following = peers.onChange(() => this.#wake());
    this.#following = this.#follow().finally(() => following[Symbol.dispose]());
  }

  /** Number of addresses that this node holds now. */
  get heldCount(): number {
    return this.#hold.addresses.length;
  }

  /** Addresses that nobody holds, as this node last saw it: a part of a sentence each. */
  troubles(): readonly string[] {
    const { view } = this.#keeper;
    const rows = view === undefined ? [] : this.book.rows(view);
    return rows
      .filter(({ holder }) => holder === undefined)
      .map(
        ({ address, sentence }) => `address ${address}: ${sentence.replace('Nobody', 'nobody')}`,
      );
  }

  /** Before the gateway here stops: others take them at once. */
  async leave(): Promise<void> {
    if (this.#following !== undefined) await this.#keeper.leave(() => this.#wake());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The node stops'));
    await this.#following;
  }

  #wake(): void {
    this.#options.workers.wake(this.#keeper.name);
  }

  /** Of those that were not added yet: also whether somebody else has it. */
  async #requireAble(wish: AddressWish): Promise<void> {
    await requireAble(wish, this.#facts());
    const found = await this.#links.whoAnswers(await this.#links.place(wish));
    if (found === undefined) return;
    const { address } = wish;
    throw addressTaken(
      `${address} is in use: a machine with the hardware address ${found} answers`,
    );
  }

  #facts(): AbilityFacts {
    const { peers, gatewayAddresses, isServing } = this.#options;
    const now = this.#sleepless.monotonicMs();
    if (isServing()) this.#servedAtMs = now;
    return {
      nodeId: peers.self,
      gatewayAddresses,
      isServing: now - this.#servedAtMs < GATEWAY_SILENT_MS,
    };
  }

  /** A change of the records is looked at at once. */
  #follow(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.debug('Cannot follow the virtual addresses and will retry', { error });
    const work = async (): Promise<void> => {
      for await (const _view of this.#records.anything.watch(signal)) this.#wake();
    };
    return followAgain(work, { clock: this.#sleepless, signal, pauseMs: RETRY_MS, onError });
  }
}
