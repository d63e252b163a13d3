/**
 * The tiers together, and what is on its way into them: finds the candidates for a request, takes in what `settle` says,
 * removes and purges. Decides nothing about HTTP.
 */
import type { Clock } from '../base/time.ts';
import type { ColdTier } from './cold-tier.ts';
import { DiskTier } from './disk-tier.ts';
import { ComposedBody, isSmall, PieceBody, smallBody, type Body } from './body.ts';
import { isList, type Candidates } from './decide.ts';
import { expired, hasValidator, isSameVariant, UNKNOWN_LENGTH, type Entry } from './entry.ts';
import { Fill } from './fill.ts';
import { Flights } from './flights.ts';
import { HotCopies } from './hot-copies.ts';
import { listOf, type Update } from './freshen.ts';
import { MemoryTier } from './memory-tier.ts';
import { brokenOff, type Join } from './partial.ts';
import { MongoTier } from './mongo-tier.ts';
import type { MongoPlace } from './mongo-driver.ts';
import { Purges, type PurgeKind } from './purges.ts';
import { Removals } from './removals.ts';
import { asVariants, Stored, type TierStats } from './tier.ts';

/** Variants under one key; the oldest makes room. */
export const VARIANTS_MAX = 16;
/** Of one body, while it comes and there is a disk for the rest. */
const FILL_MEMORY_BYTES_MAX: number = 4 * 1024 * 1024;
/** What is of no use for longer is not written to disk, unless told otherwise. */
const DISK_LIFETIME_S_MIN = 10;
/** A body up to this size comes back from disk as a whole, so that damage is found before anything is answered. */
const WARM_BYTES_MAX: number = 64 * 1024;

export interface HttpCacheDisk {
  /** Of this process alone. */
  readonly folder: string;
  readonly bytesMax: number;
  /** What is of no use for so long is not written. */
  readonly lifetimeSMin?: number;
}

export interface HttpCacheMongo extends MongoPlace {
  /** Of this process alone. */
  readonly name: string;
  readonly bytesMax: number;
  readonly clock: Clock;
}

export interface HttpCacheOptions {
  readonly memoryBytesMax: number;
  /** For copies of what other processes own; none unless said. */
  readonly hotBytesMax?: number;
  readonly disk?: HttpCacheDisk | undefined;
  /** In place of a disk. */
  readonly mongo?: HttpCacheMongo | undefined;
  /** A body larger than this is not stored. */
  readonly bodyBytesMax: number;
  /** Told of what the disk or the database refuses, each time. */
  readonly onTrouble?: (error: unknown) => void;
}

/** What the cache is told of an answer that it is to store. */
export interface Storing {
  /** What `stamp` said when the upstream was asked. */
  readonly stamp: number;
  readonly onRoom?: () => void;
  /** Another process owns the key: it is a copy that is kept until then. Epoch milliseconds. */
  readonly hotUntilMs?: number | undefined;
}

/** An answer that is being stored. Whoever has the upstream feeds `fill` and says how it ended. */
export interface Filling {
  readonly fill: Fill;
  /** What clients are answered from, now already. */
  readonly stored: Stored;
  /** All bytes came. */
  end(): Promise<void>;
  /** They did not. */
  fail(): Promise<void>;
}

export interface PurgeTarget {
  readonly kind: PurgeKind;
  readonly value: string;
}

export class HttpCache implements AsyncDisposable {
  readonly flights: Flights = new Flights();
  readonly #options: HttpCacheOptions;
  readonly #memory: MemoryTier;
  readonly #hot: HotCopies | undefined;
  readonly #cold: ColdTier | undefined;
  readonly #purges: Purges;
  readonly #removals = new Removals();
  readonly #filling = new Map<string, readonly Stored[]>();
  readonly #loading = new Map<string, Promise<Candidates<Stored>>>();
  #lastStamp: number;
  #saving: Promise<void> = Promise.resolve();
  /** Changes that wait for what the disk has under their key, in order: each is made of what the one before left. */
  readonly #changes = new Map<string, ((candidates: Candidates<Stored>) => Candidates<Stored>)[]>();
  readonly #changing = new Set<Promise<void>>();

  private constructor(options: HttpCacheOptions, cold: ColdTier | undefined, purges: Purges) {
    this.#options = options;
    this.#memory = new MemoryTier(options.memoryBytesMax);
    this.#hot = options.hotBytesMax === undefined ? undefined : new HotCopies(options.hotBytesMax);
    this.#cold = cold;
    this.#purges = purges;
    this.#lastStamp = Math.max(cold?.lastStamp ?? 0, purges.newestStamp);
  }

  /** Throws when the disk's folder cannot be used. */
  static async open(options: HttpCacheOptions): Promise<HttpCache> {
    const tier = await openCold(options);
    if (tier === undefined) return new HttpCache(options, undefined, new Purges());
    try {
      return new HttpCache(options, tier, await tier.readPurges());
    } catch (error) {
      await tier[Symbol.asyncDispose]();
      throw error;
    }
  }

  get stats(): readonly (TierStats & { readonly name: string })[] {
    const tiers = [this.#memory, this.#cold].flatMap((tier) =>
      tier === undefined ? [] : { name: tier.name, ...tier.stats },
    );
    const hot = this.#hot?.stats;
    return hot === undefined || hot.keys === 0 ? tiers : [...tiers, { name: 'hot', ...hot }];
  }

  /** To be taken when an upstream is asked. */
  stamp(nowMs: number): number {
    this.#lastStamp = Math.max(this.#lastStamp + 1, Math.floor(nowMs));
    return this.#lastStamp;
  }

  /** The candidates for `decide`: at once unless a disk has to be asked. */
  find(key: string): Candidates<Stored> | Promise<Candidates<Stored>> {
    const found = this.#memory.find(key);
    if (found !== undefined) return this.#usable(key, found);
    if (this.#cold?.mayHold(key) === true) return this.#load(key);
    return this.#usable(key, this.#hot?.find(key));
  }

  /** It is a copy of what another process owns. */
  isHot(key: string): boolean {
    return this.#hot?.mayHold(key) === true;
  }

  /** To be called a few times a second; no copy is kept for longer than `momentMs`. */
  cool(nowMs: number, momentMs: number): void {
    this.#hot?.cool(nowMs, momentMs);
  }

  // Storing -------------------------------------------------------------------------------------------------------

  /** For the outcome `store`. From now on others find it. */
  store(
    key: string,
    outcome: { readonly entry: Entry; readonly replaces: readonly Stored[] },
    storing: Storing,
  ): Filling {
    const { entry, replaces } = outcome;
    const length = entry.spans === undefined ? entry.length : entry.bodyBytes;
    const fill = this.#fill(key, length, storing);
    const made = (of: Entry, body: Body): Stored => new Stored(key, of, body, storing.stamp);
    const stored = made(entry, fill.body);
    return this.#begin(stored, fill, {
      end: (body) => {
        const unknown = entry.length === UNKNOWN_LENGTH;
        const whole = unknown ? entry.with({ length: body.bytes }) : entry;
        if (whole.bodyBytes === body.bytes) {
          this.#change(stored, replaces, made(whole, body), storing.hotUntilMs);
        }
      },
      fail: (body) => {
        const part = brokenOff(entry, body.bytes);
        if (part !== undefined)
          this.#change(stored, replaces, made(part, body), storing.hotUntilMs);
      },
    });
  }

  /** For the outcome `join`. */
  join(
    key: string,
    outcome: { readonly stored: Stored; readonly join: Join },
    storing: Storing,
  ): Filling {
    const { stored: old, join } = outcome;
    const { entry, pieces } = join;
    const partBytes = pieces.find(({ from }) => from === 'part')?.length ?? 0;
    const fill = this.#fill(key, partBytes, storing);
    const composed = (part: Body): ComposedBody =>
      new ComposedBody(
        pieces.map(({ from, offset, length }) => ({
          body: from === 'part' ? part : old.body,
          section: { from: offset, to: offset + length },
        })),
      );
    const stored = new Stored(key, entry, composed(fill.body), storing.stamp);
    return this.#begin(stored, fill, {
      end: (part) => {
        if (part.bytes !== partBytes) return;
        const body = composed(part);
        const all = PieceBody.of(body.pieces({ from: 0, to: body.bytes }));
        const whole = new Stored(key, entry, all, storing.stamp);
        this.#change(stored, [old], whole, storing.hotUntilMs);
      },
      // What is stored stays as it was.
      fail: () => undefined,
    });
  }

  /** For the updates of the outcomes `refreshed` and `pass`. `stamp` is that of the request that brought them. */
  update(updates: readonly Update<Stored>[], { stamp, hotUntilMs }: Storing): void {
    for (const { stored, entry, keep } of updates) {
      const { key, body } = stored;
      // What is on its way is stored when it is there, as it came.
      if (this.#filling.get(key)?.some((one) => one.body === body) === true) continue;
      const made = keep ? new Stored(key, entry, body, stamp) : undefined;
      this.#change(stored, [stored], made, hotUntilMs);
    }
  }

  // Removing ------------------------------------------------------------------------------------------------------

  /** For the outcome `pass`: variants that were disproved. */
  removeVariants(variants: readonly Stored[]): void {
    for (const stored of variants) this.#change(stored, [stored], undefined);
  }

  /** Everything under the keys, for what `invalidated` says; what is on its way is not stored. */
  remove(keys: readonly string[]): void {
    for (const key of keys) {
      this.#removals.add(key, ++this.#lastStamp);
      this.#loading.delete(key);
      this.#filling.delete(key);
      this.#set(key, []);
    }
  }

  /** Resolves when a restart would not bring back what was purged. Throws what the disk says. */
  async purge(target: PurgeTarget, options: { readonly soft: boolean }): Promise<void> {
    const { kind, value } = target;
    const { soft } = options;
    if (kind === 'key' && !soft) {
      this.remove([value]);
      await this.#cold?.sync();
    } else {
      this.#purges.add({ kind, value, soft, stamp: ++this.#lastStamp });
      await this.#savePurges();
    }
  }

  async clear(): Promise<void> {
    this.#purges.purgeOlder(++this.#lastStamp);
    this.#filling.clear();
    this.#loading.clear();
    this.#memory.clear();
    this.#hot?.clear();
    await this.#cold?.clear();
    await this.#savePurges();
  }

  /** What is being stored is given up; what was stored is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#changing);
    await this.#memory[Symbol.asyncDispose]();
    await this.#cold?.[Symbol.asyncDispose]();
  }

  // Inside --------------------------------------------------------------------------------------------------------

  /** What of it may be used, and what is on its way. */
  #usable(key: string, found: Candidates<Stored>): Candidates<Stored> {
    const filling = this.#filling.get(key);
    if (filling === undefined && (found === undefined || this.#isPlain(found))) return found;
    const list: Stored[] = [];
    for (const stored of [...listOf(found), ...(filling ?? [])]) {
      const covered = this.#purges.covers(stored);
      if (covered === 'hard' || !stored.body.alive) continue;
      list.push(covered === undefined ? stored : stored.with(expired(stored.entry, covered)));
    }
    return asVariants(list);
  }

  /** The usual case: nothing to look at. */
  #isPlain(found: Exclude<Candidates<Stored>, undefined>): boolean {
    if (isList(found)) return false;
    return isSmall(found.body) && found.clearedPurges === this.#purges.count;
  }

  #load(key: string): Promise<Candidates<Stored>> {
    const known = this.#loading.get(key);
    if (known !== undefined) return known;
    const loading: Promise<Candidates<Stored>> = this.#loadFromDisk(key).then((list) => {
      // Removed or stored anew while the disk was asked.
      if (this.#loading.get(key) !== loading) return this.#usable(key, this.#memory.find(key));
      this.#loading.delete(key);
      this.#memory.set(key, list);
      return this.#usable(key, asVariants(list));
    });
    this.#loading.set(key, loading);
    return loading;
  }

  async #loadFromDisk(key: string): Promise<readonly Stored[]> {
    const found = await Promise.all(listOf(await this.#cold?.find(key)).map(warmed));
    return found.filter((stored) => stored !== undefined);
  }

  #fill(key: string, length: number, { onRoom, stamp }: Storing): Fill {
    const { bodyBytesMax } = this.#options;
    const spill = this.#cold?.spill?.bind(this.#cold);
    const inMemory = this.#memory.keyBytesMax;
    return new Fill({
      length,
      memoryBytesMax: spill === undefined ? inMemory : Math.min(inMemory, FILL_MEMORY_BYTES_MAX),
      bytesMax: bodyBytesMax,
      ...(spill === undefined ? {} : { spill }),
      ...(onRoom === undefined ? {} : { onRoom }),
      onTooLong: () => this.#hide(key, stamp),
    });
  }

  #begin(
    stored: Stored,
    fill: Fill,
    ended: { readonly end: (body: Body) => void; readonly fail: (body: Body) => void },
  ): Filling {
    const { key, stamp } = stored;
    if (!this.#removals.covers(key, stamp)) {
      this.#filling.set(key, [...(this.#filling.get(key) ?? []), stored]);
      this.flights.shared(key);
    }
    const settle = async (how: 'end' | 'fail'): Promise<void> => {
      const body = await fill[how]();
      if (body !== undefined) ended[how](body);
      this.#hide(key, stamp);
    };
    return { fill, stored, end: () => settle('end'), fail: () => settle('fail') };
  }

  #hide(key: string, stamp: number): void {
    const left = this.#filling.get(key)?.filter((one) => one.stamp !== stamp) ?? [];
    if (left.length === 0) this.#filling.delete(key);
    else this.#filling.set(key, left);
  }

  /** Puts `made`, if anything, in the place of `gone`, unless `of` was removed. */
  #change(
    of: Stored,
    gone: readonly Stored[],
    made: Stored | undefined,
    hotUntilMs?: number,
  ): void {
    const { key } = of;
    const hot = this.#hot;
    const isHere = this.#memory.mayHold(key) || this.#cold?.mayHold(key) === true;
    const isCopy = !isHere && hot !== undefined && (hotUntilMs !== undefined || hot.mayHold(key));
    const apply = (candidates: Candidates<Stored>): Candidates<Stored> => {
      // Removed since: neither it nor its successor is wanted any more.
      if (this.#removals.covers(key, of.stamp)) return candidates;
      const list = listOf(candidates).filter(
        (one) =>
          !gone.some((old) => isSameStored(one, old)) && !this.#removals.covers(key, one.stamp),
      );
      this.#loading.delete(key);
      const left = made === undefined ? list : withVariant(list, made);
      // One that was a copy, and is owned here by now, moves.
      if (isCopy && (hotUntilMs !== undefined || made === undefined)) {
        hot.set(key, left, hotUntilMs);
      } else this.#set(key, left);
      return asVariants(left);
    };
    if (isCopy) apply(hot.find(key));
    else if (this.#memory.mayHold(key) || this.#cold?.mayHold(key) !== true) {
      apply(this.#memory.find(key));
    } else this.#changeLater(key, apply);
  }

  #changeLater(key: string, apply: (candidates: Candidates<Stored>) => Candidates<Stored>): void {
    const known = this.#changes.get(key);
    if (known !== undefined) {
      known.push(apply);
      return;
    }
    const changes = [apply];
    this.#changes.set(key, changes);
    const changed = this.#loadFromDisk(key).then((list) => {
      this.#changes.delete(key);
      let now = this.#memory.mayHold(key) ? this.#memory.find(key) : asVariants(list);
      for (const change of changes) now = change(now);
      this.#changing.delete(changed);
    });
    this.#changing.add(changed);
  }

  #set(key: string, variants: readonly Stored[]): void {
    this.#hot?.delete(key);
    this.#memory.set(key, variants);
    const leastS = this.#options.disk?.lifetimeSMin ?? DISK_LIFETIME_S_MIN;
    const worth = variants.filter(({ entry }) => isWorthDisk(entry, leastS));
    // It never rejects: what the disk refuses is told to `onTrouble`, and is a miss.
    void this.#cold?.set(key, worth);
  }

  /** One at a time; the last one writes all there is. */
  #savePurges(): Promise<void> {
    const cold = this.#cold;
    if (cold === undefined) return Promise.resolve();
    const saved = this.#saving.then(() => cold.writePurges(this.#purges));
    // The next one does not fail because this one did; this one's caller is told.
    this.#saving = saved.catch(() => undefined);
    return saved;
  }
}

async function openCold({
  disk,
  mongo,
  onTrouble,
}: HttpCacheOptions): Promise<ColdTier | undefined> {
  const told = onTrouble === undefined ? {} : { onTrouble };
  if (mongo !== undefined) return await MongoTier.open({ ...mongo, ...told });
  return disk === undefined ? undefined : await DiskTier.open({ ...disk, ...told });
}

/** It may have been read from disk once more. */
function isSameStored(a: Stored, b: Stored): boolean {
  return a.stamp === b.stamp && isSameVariant(a.entry, b.entry);
}

/** The variants with `made` among them. Of two that the same requests would get, what was asked for later stays. */
function withVariant(list: readonly Stored[], made: Stored): readonly Stored[] {
  const others = list.filter((one) => !isSameVariant(one.entry, made.entry));
  const later = list.some((one) => !others.includes(one) && one.stamp > made.stamp);
  return later ? list : [...others, made].slice(-VARIANTS_MAX);
}

function isWorthDisk(entry: Entry, leastS: number): boolean {
  const { lifetimeS, staleWhileRevalidateS, staleIfErrorS } = entry;
  const usableS = lifetimeS + Math.max(staleWhileRevalidateS, staleIfErrorS);
  return usableS >= leastS || hasValidator(entry);
}

/** From disk into memory: all of a small body, the start of a large one. Undefined when it is damaged. */
async function warmed(stored: Stored): Promise<Stored | undefined> {
  const { body } = stored;
  if (!(body instanceof PieceBody)) return stored;
  const [first] = body.list;
  if (first?.block === undefined) return stored;
  const bytes = await first.block.load();
  if (bytes === undefined) return undefined;
  const whole = body.list.length === 1 && first.length === bytes.length;
  if (whole && bytes.length <= WARM_BYTES_MAX) {
    return new Stored(stored.key, stored.entry, smallBody(bytes, first.block), stored.stamp);
  }
  first.bytes = bytes;
  return stored;
}
