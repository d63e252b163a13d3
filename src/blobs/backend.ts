/**
 * One back end as its owner named it: there, or away. What is away is looked for again and again, and comes back by itself; what
 * was there and is not itself any more (its disk was unmounted) is let go of at once.
 */
import { isMolnError, messageOf, systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { away } from './errors.ts';
import { FolderStore } from './folder-store.ts';
import { checkIdentity, claimBackend, type Identity, makeBackend } from './identity.ts';
import { KeyedTurns } from './keyed-turns.ts';
import { FULL_BELOW_BYTES } from './limits.ts';
import type { BackendUsage, BlobId } from './model.ts';
import type { KeepFree } from './space.ts';

export interface BackendOptions {
  readonly path: string;
  /** Which back end must be there; undefined takes any of this node. */
  readonly id?: string;
  /** The folder may be made into a back end: its owner has just added it. Never otherwise, or an unmounted disk looks like an empty one. */
  readonly create?: boolean;
  readonly limitBytes?: number;
  /** Default 0. */
  readonly keepFree?: KeepFree;
}

export interface BackendContext {
  readonly nodeId: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onCorrupt: (id: BlobId) => void;
}

interface Mounted {
  readonly store: FolderStore;
  readonly identity: Identity;
  readonly claim: AsyncDisposable;
}

export class Backend implements AsyncDisposable {
  readonly #options: BackendOptions;
  readonly #context: BackendContext;
  readonly #turns = new KeyedTurns();
  #mounted: Mounted | undefined;
  #id: string | undefined;
  #reason = 'not looked at yet';
  #closed = false;

  constructor(options: BackendOptions, context: BackendContext) {
    this.#options = options;
    this.#context = context;
    this.#id = options.id;
  }

  get path(): string {
    return this.#options.path;
  }

  get id(): string | undefined {
    return this.#id;
  }

  /** Undefined while it is away. */
  get store(): FolderStore | undefined {
    return this.#mounted?.store;
  }

  get reason(): string {
    return this.#reason;
  }

  /** Makes the folder a back end, if its owner wants that. Throws what is in the way. */
  async prepare(): Promise<void> {
    if (this.#options.create !== true) return;
    await makeBackend(this.path, this.#context.nodeId, this.#context.clock.now());
  }

  /** Whether it is there, mounting it if it can be. Never throws what only means that it is away. */
  async look(): Promise<boolean> {
    // One after the other: two that mount at once would keep each other out.
    return await this.#turns.run(this.path, () => this.#lookNow());
  }

  async #lookNow(): Promise<boolean> {
    if (this.#closed) return false;
    try {
      const identity = await checkIdentity(this.path, {
        node: this.#context.nodeId,
        id: this.#id,
      });
      this.#mounted ??= await this.#mount(identity);
      await this.#mounted.store.room.look();
      return true;
    } catch (error) {
      if (!isAway(error)) throw error;
      await this.#letGo(messageOf(error));
      return false;
    }
  }

  async #mount(identity: Identity): Promise<Mounted> {
    const { clock, log, pid, onCorrupt } = this.#context;
    const claim = await claimBackend(this.path, identity.id, { pid, now: clock.now() });
    try {
      const { limitBytes, keepFree = 0 } = this.#options;
      const rules = { limitBytes, keepFree };
      const store = await FolderStore.open({ path: this.path, rules, clock, log, onCorrupt });
      this.#id = identity.id;
      log.info('Storage is there', { path: this.path, id: identity.id, blobs: store.blobs });
      return { store, identity, claim };
    } catch (error) {
      await claim[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Opens it anew when its disk takes writes again: what had to wait for that is done then. */
  async lookAtWrites(): Promise<void> {
    const store = this.#mounted?.store;
    if (store === undefined || !store.readOnly) return;
    await store.probe();
    if (store.readOnly) return;
    await this.#turns.run(this.path, () => this.#letGo('it is being opened again'));
    await this.look();
  }

  async #letGo(reason: string): Promise<void> {
    if (this.#reason !== reason && !this.#closed) {
      this.#context.log.warn('Storage is away', { path: this.path, reason });
    }
    this.#reason = reason;
    const mounted = this.#mounted;
    this.#mounted = undefined;
    if (mounted === undefined) return;
    await mounted.store[Symbol.asyncDispose]();
    await mounted.claim[Symbol.asyncDispose]();
  }

  /**
   * Runs work on the store. What fails because the folder is not itself any more fails with `BLOBS_AWAY`; so does all work while
   * it is away.
   */
  async use<T>(work: (store: FolderStore) => Promise<T>): Promise<T> {
    const mounted = this.#mounted;
    if (mounted === undefined) throw away(this.path, this.#reason);
    try {
      return await work(mounted.store);
    } catch (error) {
      if (isMolnError(error)) throw error;
      if (!(await this.look())) throw away(this.path, this.#reason);
      throw error;
    }
  }

  usage(): BackendUsage {
    const store = this.store;
    const head = { path: this.path, ...(this.#id === undefined ? {} : { id: this.#id }) };
    if (store === undefined) {
      const nothing = { usedBytes: 0, limitBytes: 0, freeBytes: 0, blobs: 0 };
      return { ...head, ...nothing, state: 'away', reason: this.#reason };
    }
    const { limitBytes, roomBytes } = store.room.now();
    const { freeBytes } = store;
    return {
      ...head,
      usedBytes: store.room.usedBytes,
      limitBytes,
      freeBytes: store.readOnly ? 0 : Math.max(0, freeBytes),
      diskBytes: store.room.diskBytes,
      blobs: store.blobs,
      ...stateOf(store.readOnly, { roomBytes, freeBytes }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#turns.run(this.path, () => this.#letGo('closed'));
  }
}

function stateOf(
  readOnly: boolean,
  { roomBytes, freeBytes }: { readonly roomBytes: number; readonly freeBytes: number },
): Pick<BackendUsage, 'state'> & { readonly reason?: string } {
  if (readOnly) return { state: 'read-only', reason: 'The disk refuses writes' };
  if (roomBytes < 0) {
    return { state: 'shrinking', reason: 'It takes more than its owner allows now' };
  }
  if (freeBytes < FULL_BELOW_BYTES) return { state: 'full', reason: 'It has what it may have' };
  return { state: 'good' };
}

/** What a folder says that is not there, or whose disk has gone. */
function isAway(error: unknown): boolean {
  if (isMolnError(error)) return error.code === 'BLOBS_AWAY';
  const code = systemCode(error);
  return code !== undefined && AWAY_CODES.has(code);
}

const AWAY_CODES: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EIO',
  'ESTALE',
  'ENXIO',
  'ENODEV',
  'ENOTCONN',
  'EACCES',
]);
