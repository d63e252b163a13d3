/**
 * Writes one block to as many storages as its policy wants, at once. Durable on `min` of them when it resolves, or on all that there are
 * while there are fewer; what lacks then is made by repair.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { BlobStore, PutOptions, Sums, Written } from '../blobs/blobs.ts';
import { BlockFeed } from './block-feed.ts';
import { noStorage, policyUnmet, storageFull } from './errors.ts';
import { choose, isHere, judge, type Place } from './placement.ts';
import type { Policy } from './policy.ts';

/** Where blocks lie, as this process sees it now. */
export interface Places {
  /** This node. */
  readonly self: string;
  all(): readonly Place[];
  /** Undefined when that place is not known any more. */
  blobs(place: string): BlobStore | undefined;
  /** It failed: asked for its state again before it is trusted. */
  suspect(place: string): void;
  /** For ids that are not known yet: another node may just have added them. */
  look(): Promise<void>;
}

export interface StoredBlock {
  readonly cid: string;
  readonly length: number;
  readonly sha256: string;
  /** Ids of the places that have it. */
  readonly places: readonly string[];
  /** False: repair is to make more copies. */
  readonly isWhole: boolean;
}

export interface BlockWish {
  readonly cid: string;
  readonly policy: Policy;
  readonly put: PutOptions;
}

interface Attempt {
  readonly place: Place;
  readonly ended: Promise<Written | undefined>;
}

export class BlockWriter {
  readonly #places: Places;
  readonly #log: Logger;
  readonly #feed = new BlockFeed();
  readonly #wish: BlockWish;
  /** Ids. */
  readonly #tried = new Set<string>();
  readonly #attempts: Attempt[] = [];
  /** By the place's id. */
  readonly #failures = new Map<string, unknown>();
  /** So many copies it must have before it counts as written. */
  readonly #min: number;

  /** Throws `FILES_POLICY_UNMET`, `FILES_FULL` or `FILES_NO_STORAGE` before a byte is taken. */
  constructor(options: {
    readonly places: Places;
    readonly log: Logger;
    readonly wish: BlockWish;
  }) {
    this.#places = options.places;
    this.#log = options.log;
    this.#wish = options.wish;
    const { policy } = options.wish;
    const places = this.#candidates();
    const chosen = choose(policy, { cid: this.#wish.cid, places, have: [] });
    const isUnmet = chosen.length === 0 || (policy.isMust && chosen.length < policy.slots.length);
    if (isUnmet) throw refusal(policy, chosen, options.places.all());
    this.#min = Math.min(policy.min, chosen.length);
    for (const place of chosen) this.#begin(place);
  }

  /** Of what was pushed; undefined when no storage of this process takes them. */
  get sums(): Sums | undefined {
    return this.#feed.sharedSums;
  }

  /** Takes the piece over. */
  async push(piece: Uint8Array): Promise<void> {
    await this.#feed.push(piece);
    if (this.#failures.size >= this.#attempts.length) this.#replace();
  }

  /** The source broke off. */
  async abandon(error: unknown): Promise<void> {
    this.#feed.fail(error);
    await Promise.all(this.#attempts.map(({ ended }) => ended));
  }

  async finish(): Promise<StoredBlock> {
    const { cid, policy } = this.#wish;
    this.#feed.end();
    let good = await this.#good();
    while (good.length < policy.slots.length && this.#replace()) good = await this.#good();
    const [first] = good;
    if (first === undefined) throw this.#failed();
    const same = good.filter(({ written }) => written.sha256 === first.written.sha256);
    if (same.length < this.#min) throw this.#failed();
    return {
      cid,
      length: first.written.length,
      sha256: first.written.sha256,
      places: same.map(({ place }) => place.id),
      isWhole: same.length >= policy.slots.length,
    };
  }

  #candidates(): readonly Place[] {
    const { length } = this.#wish.put;
    const wanted = length ?? this.#wish.put.maxBytes;
    return this.#places
      .all()
      .filter((place) => place.freeBytes >= wanted && !this.#tried.has(place.id));
  }

  #begin(place: Place): void {
    this.#tried.add(place.id);
    const body = this.#feed.join();
    const blobs = this.#places.blobs(place.id);
    if (body === undefined || blobs === undefined) return;
    this.#attempts.push({ place, ended: this.#put(blobs, place, body) });
  }

  async #put(
    blobs: BlobStore,
    place: Place,
    body: AsyncIterable<Uint8Array>,
  ): Promise<Written | undefined> {
    try {
      const sums =
        place.node === this.#places.self && place.isRented !== true ? this.#feed.sums : undefined;
      const given = { ...this.#wish.put, givesPieces: true };
      const put = sums === undefined ? given : { ...given, sums };
      return await blobs.put(this.#wish.cid, body, put);
    } catch (error) {
      // Whatever it did not take must not hold up the others.
      await body[Symbol.asyncIterator]().return?.();
      this.#failures.set(place.id, error);
      this.#places.suspect(place.id);
      this.#log.warn('A storage did not take a block', { place: place.id, why: messageOf(error) });
      return undefined;
    }
  }

  /** Others instead of those that failed, if what has passed can be given to them. False when there are none. */
  #replace(): boolean {
    const { policy, cid } = this.#wish;
    const have = this.#attempts
      .map(({ place }) => place)
      .filter(({ id }) => !this.#failures.has(id));
    const others = choose(policy, { cid, places: this.#candidates(), have });
    const known = this.#attempts.length;
    for (const place of others) this.#begin(place);
    return this.#attempts.length > known;
  }

  async #good(): Promise<readonly { readonly place: Place; readonly written: Written }[]> {
    const all = await Promise.all(
      this.#attempts.map(async ({ place, ended }) => ({ place, written: await ended })),
    );
    return all.flatMap(({ place, written }) => (written === undefined ? [] : [{ place, written }]));
  }

  #failed(): Error {
    const failures = [...this.#failures.values()];
    const [first] = failures;
    if (failures.every((one) => isMolnError(one, 'BLOBS_FULL'))) return storageFull();
    return noStorage(messageOf(first));
  }
}

/** Why nothing is written: the policy names what there is not, or there is no room. */
function refusal(policy: Policy, chosen: readonly Place[], all: readonly Place[]): Error {
  const here = all.filter(isHere);
  if (here.length === 0 && all.length > 0)
    return noStorage(all.map(({ name, state }) => `${name} is ${state}`).join(', '));
  const { filled, missing } = judge(policy, here);
  const isNowhere = here.length > 0 && filled.every((place) => place === undefined);
  if (isNowhere || (policy.isMust && missing.length > 0))
    return policyUnmet(policy, missing, 'no storage is there for');
  if (chosen.length === 0) return storageFull();
  return policyUnmet(policy, judge(policy, chosen).missing, 'there is no room for');
}
