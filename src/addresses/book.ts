/** Virtual addresses as people add, see and remove them. */
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import { object, string } from '../base/schema.ts';
import { unknownName } from '../base/suggest.ts';
import type { Clock } from '../base/time.ts';
import type { NodeMethods, PeerNode, Peers } from '../cluster/cluster.ts';
import type { Stored } from '../registry/registry.ts';
import type { AddressRecords, AddressView, HolderRecord } from './address-records.ts';
import {
  addressExists,
  addressInvalid,
  addressNotFound,
  addressTaken,
  nobodyCanHold,
  nodeUnknown,
  stillHeld,
  tooManyAddresses,
} from './errors.ts';
import { ABILITY_WITHIN_MS, ADDRESSES_MAX, SETTLE_POLL_MS, SETTLE_WITHIN_MS } from './limits.ts';
import {
  type AddressWish,
  interfaceSchema,
  parseAddress,
  type VirtualAddress,
  wishSchema,
} from './virtual-address.ts';

export interface AddressRequest {
  /** `192.168.1.50` or `192.168.1.50/24`. */
  readonly address: string;
  readonly interface?: string | undefined;
  /** Names; empty: any node. */
  readonly nodes: readonly string[];
}

/** One address, for people. */
export interface AddressRow extends VirtualAddress {
  /** Who holds it and why, or why nobody does. */
  readonly sentence: string;
  readonly holder?:
    | { readonly node: string; readonly since: number; readonly why: string }
    | undefined;
  /** Those of the nodes that may hold it which cannot now. */
  readonly unable: readonly { readonly node: string; readonly why: string }[];
}

export interface AddressBookOptions {
  readonly records: AddressRecords;
  /** The same as this node last heard of it, also without managers. */
  readonly known: AddressRecords;
  /** No manager has answered for so long that nobody can hold an address. */
  readonly isBlind: () => boolean;
  readonly peers: Pick<Peers, 'all' | 'call'>;
  /** Of this node. Throws `ADDRESSES_UNABLE` with half a sentence, `ADDRESSES_TAKEN` with a whole one. */
  readonly requireAble: (wish: AddressWish) => Promise<void>;
  readonly tell: (text: string) => void;
  readonly clock: Clock;
}

const ABLE = 'addresses.able';
const answerSchema = object({ code: string(), why: string(), hint: string() });

interface Answer {
  readonly node: string;
  /** Empty: it can. */
  readonly code: string;
  readonly why: string;
  readonly hint: string;
}

export class AddressBook {
  readonly #options: AddressBookOptions;

  constructor(options: AddressBookOptions) {
    this.#options = options;
  }

  /** What other nodes ask of this one. */
  methods(): NodeMethods['methods'] {
    return {
      [ABLE]: async (params) => {
        const wish = wishSchema.decode(params, ABLE);
        try {
          await this.#options.requireAble(wish);
          return { code: '', why: '', hint: '' };
        } catch (error) {
          const { code = 'ADDRESSES_COMMAND_FAILED', hint = '' } = isMolnError(error) ? error : {};
          return { code, why: messageOf(error), hint };
        }
      },
    };
  }

  async list(): Promise<readonly AddressRow[]> {
    const { records, known, isBlind } = this.#options;
    return this.rows(await (isBlind() ? known : records).read());
  }

  rows(view: AddressView): readonly AddressRow[] {
    if (!this.#options.isBlind()) return view.added.map(({ value }) => this.#row(value, view));
    const sentence = 'Nobody holds it: no manager answers, so no node can prove that it may';
    return view.added.map(({ value }) => ({ ...value, sentence, unable: [] }));
  }

  /** Answers when a node holds it; or, after a while, with why none does. */
  async add(request: AddressRequest, by: string): Promise<AddressRow> {
    const { records, clock, tell } = this.#options;
    const wish: AddressWish = {
      ...parseAddress(request.address),
      interface:
        request.interface === undefined
          ? undefined
          : interfaceSchema.decode(request.interface, 'interface'),
    };
    const { address } = wish;
    this.#requireNodes(request.nodes);
    const { added } = await records.read();
    if (added.some(({ id }) => id === address)) throw addressExists(address);
    if (added.length >= ADDRESSES_MAX) throw tooManyAddresses();
    await this.#requireHolders(wish, request.nodes);
    const nodes = [...new Set(request.nodes)];
    try {
      await records.added.create(address, { ...wish, nodes, addedAt: clock.now(), by });
    } catch (error) {
      throw isMolnError(error, 'REGISTRY_CONFLICT') ? addressExists(address) : error;
    }
    tell(`The address ${address} was added`);
    return await this.#settled(address, ({ holder }) => holder !== undefined);
  }

  /** Answers when nobody holds it. Throws `ADDRESSES_NOT_FOUND`. */
  async remove(text: string): Promise<void> {
    const { records, clock, tell } = this.#options;
    const { address } = parseAddress(text);
    if (!(await records.added.delete(address))) throw addressNotFound(address);
    tell(`The address ${address} was removed`);
    let holder: HolderRecord | undefined;
    for (let waitedMs = 0; waitedMs <= SETTLE_WITHIN_MS; waitedMs += SETTLE_POLL_MS) {
      const view = await records.read();
      holder = view.held.get(address)?.value;
      if (holder === undefined || holder.ended !== '') return await this.#forgetNodes(view);
      await clock.sleep(SETTLE_POLL_MS);
    }
    throw stillHeld(address, holder?.nodeName ?? 'a node');
  }

  #requireNodes(names: readonly string[]): void {
    const known = this.#options.peers.all().map(({ name }) => name);
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) throw nodeUnknown(unknownName('node', unknown, known));
  }

  /** Every named node that is heard of has to be able, or any of all of them. */
  async #requireHolders(wish: AddressWish, names: readonly string[]): Promise<void> {
    const { address } = wish;
    const heard = this.#options.peers
      .all()
      .filter(({ state }) => state === 'ready' || state === 'draining')
      .filter(({ name }) => names.length === 0 || names.includes(name));
    const answers = await Promise.all(heard.map((node) => this.#ask(node, wish)));
    const taken = answers.find(({ code }) => code === 'ADDRESSES_TAKEN');
    if (taken !== undefined) throw addressTaken(taken.why);
    const unable = answers.filter(({ code }) => code !== '');
    if (unable.length === 0 || (names.length === 0 && unable.length < answers.length)) return;
    const whys = unable.map(({ node, why }) => `Node "${node}" cannot hold ${address}: ${why}`);
    const [first] = unable;
    if (first?.code === 'ADDRESSES_INVALID') throw addressInvalid(address, first.why);
    throw nobodyCanHold(whys, first?.hint ?? '');
  }

  async #ask({ id, name }: PeerNode, wish: AddressWish): Promise<Answer> {
    try {
      const params = JSON.parse(JSON.stringify(wish)) as unknown;
      const deadline = { deadlineMs: ABILITY_WITHIN_MS };
      const said = await this.#options.peers.call(id, ABLE, params, deadline);
      return { node: name, ...answerSchema.decode(said, ABLE) };
    } catch (error) {
      const code = error instanceof MolnError ? error.code : 'ADDRESSES_UNABLE';
      return { node: name, code, why: messageOf(error), hint: 'Run "moln nodes"' };
    }
  }

  async #settled(address: string, isDone: (row: AddressRow) => boolean): Promise<AddressRow> {
    const { clock } = this.#options;
    for (let waitedMs = 0; ; waitedMs += SETTLE_POLL_MS) {
      const row = (await this.list()).find((one) => one.address === address);
      if (row === undefined) throw addressNotFound(address);
      if (isDone(row) || waitedMs >= SETTLE_WITHIN_MS) return row;
      await clock.sleep(SETTLE_POLL_MS);
    }
  }

  /** What nodes said of addresses that are not there any more, and nodes that are not. */
  async #forgetNodes({ added, able }: AddressView): Promise<void> {
    const { records, peers } = this.#options;
    const known = new Set(peers.all().map(({ id }) => id));
    for (const id of able.keys()) {
      if (added.length === 0 || !known.has(id)) await records.able.delete(id);
    }
  }

  #row(address: VirtualAddress, view: AddressView): AddressRow {
    const held: Stored<HolderRecord> | undefined = view.held.get(address.address);
    const mayHold = this.#options.peers
      .all()
      .filter(({ name }) => address.nodes.length === 0 || address.nodes.includes(name));
    const unable = mayHold.flatMap(({ id, name, state }) => {
      const why =
        state === 'ready' || state === 'draining'
          ? (view.able.get(id)?.whyNot[address.address] ?? 'it has not said yet whether it can')
          : 'it is not heard of';
      return why === '' ? [] : [{ node: name, why }];
    });
    if (held !== undefined && held.value.ended === '') {
      const { nodeName: node, since, why } = held.value;
      const sentence = `${node} holds it: ${why}`;
      return { ...address, sentence, holder: { node, since, why }, unable };
    }
    const whys = unable.map(({ node, why }) => `${node}: ${why}`).join('; ');
    const sentence = `Nobody holds it${whys === '' ? ' yet' : `: ${whys}`}`;
    return { ...address, sentence, unable };
  }
}
