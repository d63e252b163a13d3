/**
 * A copy of some prefixes on this node, fed by watches, that can be read when no manager answers: gateway, DNS and console
 * go on with it, and it says that it is behind. It never writes, and each prefix is true at a revision of its own. Keys that
 * hang on a lease are left out: they are the word of somebody who is there now.
 */
import { renameSync, rmSync } from 'node:fs';
import { isMolnError, MolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, untilSecond, withDeadline } from '../base/time.ts';
import type { Entry, ListResult, RegistryReader, Revision, WatchBatch } from './contract.ts';
import { closed, compacted } from './errors.ts';
import { MirrorStore } from './mirror-store.ts';
import { checkKey, checkPrefix } from './rules.ts';
import { WatchHistory } from './watch-history.ts';

export interface MirrorOptions {
  /** Path of the file; its folder exists. It is a cache and may be deleted when nobody has it open. */
  readonly path: string;
  readonly source: RegistryReader;
  /** Names the source: after a move to another engine revisions start anew, and so must the mirror. */
  readonly sourceId: string;
  /** None begins another. */
  readonly prefixes: readonly string[];
  /**
   * `full` is the default, and what makes `appliedAt` mean the disk; `grouped` means the same with one fsync for all that comes while
   * one is under way; `normal` may lose the last commits with the power.
   */
  readonly durability?: 'normal' | 'full' | 'grouped';
  /**
   * Makes a commit below the prefixes. Given, it tells by its coming whether something is missing; left out, all is listed and compared,
   * which is for small sources.
   */
  readonly nudge?: () => Promise<unknown>;
  /** How often the source is asked whether it is there; 2 s by default. */
  readonly probeEveryMs?: number;
  /** Without an answer in this time the source counts as away; 2 s by default. */
  readonly probeWithinMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface MirrorStatus {
  /** False while the source does not answer: what is read may be old. */
  readonly isLive: boolean;
  /** When the source answered last, in epoch milliseconds; undefined when never since the start. */
  readonly seenAt: number | undefined;
  /** False until every prefix has been loaded once, and when it is closed. */
  readonly isComplete: boolean;
}

const PROBE_EVERY_MS = 2000;
const PROBE_WITHIN_MS = 2000;
const RETRY_MS = 1000;
/** Nothing may ever be heard of a revision, when nothing that is kept has changed there: so much later it is looked up. */
const CATCH_UP_MS = 250;
/** How far watchers of a prefix may be behind before they have to list again. */
const HISTORY = { batchesMax: 1000, bytesMax: 4 * 1024 * 1024 } as const;

interface Mirrored {
  readonly prefix: string;
  readonly history: WatchHistory;
  /** Newest that was heard, also when nothing of it is kept here. */
  heard: Revision;
  /** Up to here it is on the disk, as far as it is kept. */
  synced: Revision;
}

interface Waiter {
  readonly revision: Revision;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * Opens the file and starts to follow the source, which need not answer. A damaged file is put aside as `….damaged` and all is
 * read anew: a node must not fail to start for its cache.
 */
export function openMirror(options: MirrorOptions): RegistryMirror {
  return new RegistryMirror(options, openStore(options));
}

function openStore(options: MirrorOptions): MirrorStore {
  const { path, log } = options;
  const { sourceId, durability = 'full' } = options;
  const store = { path, sourceId, durability: durability === 'full' ? 'full' : 'normal' } as const;
  try {
    return new MirrorStore(store);
  } catch (error) {
    if (!isMolnError(error, 'SQLITE_CORRUPT')) throw error;
    log.warn('The mirror of the registry is damaged and begins anew', { path, error });
    for (const end of ['-wal', '-shm']) rmSync(path + end, { force: true });
    renameSync(path, `${path}.damaged`);
    return new MirrorStore(store);
  }
}

export class RegistryMirror implements RegistryReader, AsyncDisposable {
  readonly #options: MirrorOptions;
  readonly #store: MirrorStore;
  readonly #mirrored: readonly Mirrored[];
  readonly #stop = new AbortController();
  readonly #loops: readonly Promise<void>[];
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<() => void>();
  readonly #probed = Promise.withResolvers<void>();
  #catchingUp: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #isSyncing = false;
  #isLive = false;
  #seenAt: number | undefined;
  /** By the monotonic clock. */
  #heardAtMs = -Infinity;

  constructor(options: MirrorOptions, store: MirrorStore) {
    this.#options = options;
    this.#store = store;
    // A process that ended may have left in the file what it had not synced.
    const isSynced = options.durability !== 'grouped';
    this.#mirrored = options.prefixes.map((prefix) => {
      const heard = store.revisionOf(prefix) ?? 0;
      const synced = isSynced ? heard : 0;
      return { prefix, history: new WatchHistory(heard, HISTORY), heard, synced };
    });
    this.#settle();
    this.#loops = [this.#probe(), ...this.#mirrored.map((one) => this.#follow(one))];
  }

  status(): MirrorStatus {
    if (this.#stop.signal.aborted) {
      return { isLive: false, seenAt: this.#seenAt, isComplete: false };
    }
    const isComplete = this.#mirrored.every(
      ({ prefix }) => this.#store.revisionOf(prefix) !== undefined,
    );
    return { isLive: this.#isLive, seenAt: this.#seenAt, isComplete };
  }

  /** Resolves when the source has answered for the first time since the start, or is known to be away. */
  probed(): Promise<void> {
    return this.#probed.promise;
  }

  /** Calls whenever `status().isLive` has changed, and when the mirror is closed. */
  onLive(call: () => void): Disposable {
    this.#listeners.add(call);
    return { [Symbol.dispose]: () => this.#listeners.delete(call) };
  }

  /** Everything up to here is in the file; 0 when something was never loaded. */
  revision(): Revision {
    return Math.min(...this.#mirrored.map(({ synced }) => synced));
  }

  /**
   * Resolves when everything up to `revision` is durable in the file; rejects when the signal aborts, or with
   * `REGISTRY_CLOSED`.
   */
  async appliedAt(revision: Revision, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#stop.signal.aborted) throw closed();
    if (this.revision() >= revision) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { revision, done: resolve, fail: reject };
    const abort = (): void => reject(signal.reason as Error);
    this.#waiters.add(waiter);
    signal.addEventListener('abort', abort, { once: true });
    this.#catchingUp ??= this.#catchUp();
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', abort);
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    this.#revisionOf(this.#covering(key));
    return this.#store.get(key);
  }

  async list(prefix: string): Promise<ListResult> {
    checkPrefix(prefix);
    const revision = this.#revisionOf(this.#covering(prefix));
    return { entries: this.#store.list(prefix), revision };
  }

  async *watch(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    checkPrefix(prefix);
    const { history } = this.#covering(prefix);
    const watcher = history.add(prefix, fromRevision);
    try {
      while (!signal.aborted && !this.#stop.signal.aborted) {
        const batch = history.next(watcher);
        if (batch === 'forgotten') throw compacted(watcher.cursor, history.forgotten + 1);
        if (batch === undefined) await history.wait(watcher, signal);
        else yield batch;
      }
    } finally {
      history.remove(watcher);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#probed.resolve();
    for (const waiter of this.#waiters) waiter.fail(closed());
    for (const { history } of this.#mirrored) history.wakeAll();
    for (const call of this.#listeners) call();
    await Promise.all([...this.#loops, this.#catchingUp, this.#syncing]);
    this.#store[Symbol.dispose]();
  }

  #covering(keyOrPrefix: string): Mirrored {
    if (this.#stop.signal.aborted) throw closed();
    // Keys are paths: all of them is what is below "/".
    const wanted = keyOrPrefix === '' ? '/' : keyOrPrefix;
    const one = this.#mirrored.find(({ prefix }) => wanted.startsWith(prefix));
    if (one !== undefined) return one;
    const known = this.#options.prefixes.join(', ');
    throw new MolnError(
      'REGISTRY_NOT_MIRRORED',
      `"${keyOrPrefix}" is not mirrored on this node, only what is below ${known}`,
    );
  }

  #revisionOf({ prefix }: Mirrored): Revision {
    const revision = this.#store.revisionOf(prefix);
    if (revision !== undefined) return revision;
    throw new MolnError('REGISTRY_UNAVAILABLE', `"${prefix}" has never been read on this node`, {
      hint: 'Wait until a manager can be reached: see "moln manager"',
      retryable: true,
    });
  }

  /** Knows whether the source answers also when nothing happens there. What it has just said by itself is answer enough. */
  async #probe(): Promise<void> {
    const { source, prefixes, clock, log } = this.#options;
    const { probeEveryMs = PROBE_EVERY_MS, probeWithinMs = PROBE_WITHIN_MS } = this.#options;
    const probed = `${prefixes[0] ?? '/'}.`;
    await this.#repeat(probeEveryMs, async () => {
      if (this.#isLive && clock.monotonicMs() - this.#heardAtMs < probeEveryMs) return;
      try {
        await withDeadline(probeWithinMs, unavailableNow, () => source.get(probed));
        if (!this.#isLive) log.info('The registry answers');
        this.#seenAt = clock.now();
        this.#setLive(true);
      } catch (error) {
        if (this.#isLive) log.warn('The registry does not answer: its mirror is read', { error });
        this.#setLive(false);
      }
      this.#probed.resolve();
    });
  }

  async #follow(one: Mirrored): Promise<void> {
    await this.#repeat(RETRY_MS, async () => {
      try {
        await this.#followOnce(one);
      } catch (error) {
        if (isMolnError(error, 'REGISTRY_COMPACTED')) await this.#load(one);
        else throw error;
      }
    });
  }

  async #followOnce(one: Mirrored): Promise<void> {
    const { prefix } = one;
    const { source, clock } = this.#options;
    if (this.#store.revisionOf(prefix) === undefined) await this.#load(one);
    const from = Math.max(this.#revisionOf(one), one.heard) + 1;
    for await (const batch of source.watch(prefix, from, this.#stop.signal)) {
      this.#heardAtMs = clock.monotonicMs();
      this.#seenAt = clock.now();
      // Comes again after a cut, when nothing of it was kept.
      if (batch.revision <= one.heard) continue;
      const kept = this.#store.apply(prefix, batch);
      one.heard = batch.revision;
      this.#settle();
      if (kept.changes.length === 0) continue;
      one.history.push(kept);
    }
  }

  #setLive(isLive: boolean): void {
    if (this.#isLive === isLive) return;
    this.#isLive = isLive;
    for (const call of this.#listeners) call();
  }

  /** What was heard counts as soon as it is on the disk. */
  #settle(): void {
    if (this.#options.durability === 'grouped') {
      if (!this.#isSyncing) this.#syncing = this.#sync();
      return;
    }
    for (const one of this.#mirrored) one.synced = one.heard;
    this.#tellApplied();
  }

  async #sync(): Promise<void> {
    this.#isSyncing = true;
    while (!this.#stop.signal.aborted && this.#mirrored.some((one) => one.synced < one.heard)) {
      const heard = this.#mirrored.map((one) => one.heard);
      try {
        await this.#store.sync();
      } catch (error) {
        this.#options.log.error('The mirror cannot be written to the disk', { error });
        await this.#options.clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
        continue;
      }
      for (const [at, one] of this.#mirrored.entries()) one.synced = heard[at] ?? one.synced;
      this.#tellApplied();
    }
    this.#isSyncing = false;
  }

  #tellApplied(): void {
    const applied = this.revision();
    for (const waiter of this.#waiters) if (waiter.revision <= applied) waiter.done();
  }

  /**
   * Commits that change nothing, and those of others in the same etcd, make revisions that no watch brings. While somebody
   * waits, a commit that it does bring is made; or the source is listed: when that is what is here, it is true at that revision too.
   */
  async #catchUp(): Promise<void> {
    const { nudge, clock } = this.#options;
    const { signal } = this.#stop;
    await clock.sleep(CATCH_UP_MS, signal).catch(() => undefined);
    while (this.#waiters.size > 0 && !signal.aborted) {
      try {
        if (nudge === undefined) await this.#compare();
        else await nudge();
      } catch (error) {
        this.#options.log.debug('The mirror cannot compare yet', { reason: messageOf(error) });
      }
      await clock.sleep(CATCH_UP_MS, signal).catch(() => undefined);
    }
    this.#catchingUp = undefined;
  }

  async #compare(): Promise<void> {
    for (const one of this.#mirrored) {
      const { entries, revision } = await this.#options.source.list(one.prefix);
      if (this.#stop.signal.aborted) return;
      const isSame = one.heard >= revision || this.#store.isSame(one.prefix, entries);
      if (isSame) one.heard = Math.max(one.heard, revision);
    }
    this.#settle();
  }

  /** All anew: whoever watches has to list again, for what led here is not known. */
  async #load(one: Mirrored): Promise<void> {
    const result = await this.#options.source.list(one.prefix);
    this.#store.replace(one.prefix, result);
    one.heard = result.revision;
    one.history.restart(result.revision);
    this.#settle();
  }

  /** Until it is stopped; a failure is a reason to wait. */
  async #repeat(everyMs: number, work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (!signal.aborted) log.debug('The mirror will try again', { reason: messageOf(error) });
      }
      await clock.sleep(untilSecond(clock, everyMs), signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}

function unavailableNow(): MolnError {
  return new MolnError('REGISTRY_UNAVAILABLE', 'No manager answers', { retryable: true });
}
