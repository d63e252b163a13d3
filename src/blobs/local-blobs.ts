/** The storage node of this machine: all its back ends as one store. */
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { type Worker, WorkerRunner, type WorkerState } from '../base/worker.ts';
import { Backend, type BackendOptions } from './backend.ts';
import { away, full, invalid, missing } from './errors.ts';
import type { FolderStore } from './folder-store.ts';
import { requireBlobId } from './format.ts';
import { BLOB_BYTES_MAX, LIST_MAX, LOOK_AGAIN_MS, LOOK_EVERY_MS } from './limits.ts';
import type {
  AppendOptions,
  BlobContent,
  BlobEntry,
  BlobId,
  BlobRange,
  BlobStat,
  BlobStore,
  BlobUsage,
  GetOptions,
  ListOptions,
  PutOptions,
  Written,
} from './model.ts';
import { bytesMaxOf } from './receive.ts';
import { Scrub, type ScrubSettings } from './scrub.ts';
import { spread } from './spread.ts';

export interface LocalBlobsOptions {
  readonly backends: readonly BackendOptions[];
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly scrub?: ScrubSettings;
}

/** Ends of blobs that are read at once for a list. */
const LOOKED_AT_TOGETHER = 64;
const LOOK = 'blobs-look';
const SUSPECTS = 'blobs-suspects';

export class LocalBlobs implements BlobStore, AsyncDisposable {
  readonly #backends: readonly Backend[];
  readonly #runner: WorkerRunner;
  /** Blobs that a read found corrupt, to be read whole. */
  readonly #suspects = new Set<BlobId>();

  private constructor(options: LocalBlobsOptions) {
    const { nodeId, clock, log } = options;
    const onCorrupt = (id: BlobId): void => {
      this.#suspects.add(id);
      this.#runner.wake(SUSPECTS);
    };
    const context = { nodeId, clock, log, pid: process.pid, onCorrupt };
    this.#runner = new WorkerRunner({ clock, log });
    this.#backends = options.backends.map((backend) => new Backend(backend, context));
  }

  /** Back ends that are away do not keep the others from being served. Throws what is in the way of making a new one. */
  static async open(options: LocalBlobsOptions): Promise<LocalBlobs> {
    const blobs = new LocalBlobs(options);
    try {
      for (const backend of blobs.#backends) {
        await backend.prepare();
        await backend.look();
      }
    } catch (error) {
      await blobs[Symbol.asyncDispose]();
      throw error;
    }
    for (const worker of blobs.#upkeep()) blobs.#runner.add(worker);
    const stores = (): readonly FolderStore[] =>
      blobs.#backends.flatMap(({ store }) => store ?? []);
    blobs.#runner.add(new Scrub({ clock: options.clock, stores, ...options.scrub }));
    return blobs;
  }

  /** What is done in the background. */
  workers(): readonly WorkerState[] {
    return this.#runner.list();
  }

  async put(id: BlobId, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Written> {
    requireBlobId(id);
    const most = bytesMaxOf(options);
    if (!Number.isSafeInteger(most) || most < 0 || most > BLOB_BYTES_MAX) {
      throw invalid(`A blob has at most ${BLOB_BYTES_MAX} bytes, ${most} were asked for`);
    }
    let refusal: unknown;
    for (const backend of await this.#candidates(id, most)) {
      let room: Disposable;
      try {
        room = await backend.use((store) => store.admit(options));
      } catch (error) {
        // Nothing of the body was touched: another one may have room.
        if (!isMolnError(error, 'BLOBS_FULL')) throw error;
        refusal = error;
        continue;
      }
      using _room = room;
      return await backend.use((store) => store.put(id, body, options));
    }
    throw refusal ?? this.#noRoom(most);
  }

  /** Where it is already comes first. */
  async #candidates(id: BlobId, bytes: number): Promise<readonly Backend[]> {
    const writable = this.#backends.flatMap((backend) => {
      const { store } = backend;
      if (store === undefined || store.readOnly) return [];
      return { key: backend.path, roomBytes: store.freeBytes, backend, store };
    });
    const [only] = writable;
    if (writable.length === 1 && only !== undefined) return [only.backend];
    for (const { backend, store } of writable) if (await store.has(id)) return [backend];
    const fit = spread(id, bytes, writable);
    // The others too: what is deleted in them may have to go first.
    const rest = writable.filter((one) => !fit.includes(one));
    return [...fit, ...rest].map(({ backend }) => backend);
  }

  #noRoom(bytes: number): Error {
    const rooms = this.#backends.map(({ store }) =>
      store === undefined || store.readOnly ? 0 : store.freeBytes,
    );
    return full(bytes, Math.max(0, ...rooms));
  }

  async get(id: BlobId, range?: BlobRange, options?: GetOptions): Promise<BlobContent> {
    checkRange(range);
    return await this.#first(id, (store) => store.get(id, range, options));
  }

  async append(
    id: BlobId,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options?: AppendOptions,
  ): Promise<{ readonly length: number }> {
    const holder = await this.#holder(id);
    const backend =
      holder ?? (options === undefined ? undefined : await this.#newHome(id, options));
    if (backend === undefined) throw await this.#notHere(id);
    return await backend.use((store) => store.append(id, offset, body, options));
  }

  async #newHome(id: BlobId, { maxBytes }: AppendOptions): Promise<Backend> {
    const [best] = await this.#candidates(id, maxBytes);
    if (best === undefined) throw this.#noRoom(maxBytes);
    return best;
  }

  async seal(id: BlobId): Promise<Written> {
    return await this.#withHolder(id, (store) => store.seal(id));
  }

  async truncate(id: BlobId, length: number): Promise<void> {
    await this.#withHolder(id, (store) => store.truncate(id, length));
  }

  async delete(id: BlobId): Promise<boolean> {
    requireBlobId(id);
    let found = false;
    for (const backend of this.#backends) {
      if (backend.store === undefined) continue;
      if (await backend.use((store) => store.delete(id))) found = true;
    }
    if (!found) await this.#requireAll();
    return found;
  }

  async stat(id: BlobId): Promise<BlobStat | undefined> {
    try {
      return await this.#first(id, (store) => store.stat(id));
    } catch (error) {
      if (isMolnError(error, 'BLOBS_MISSING')) return undefined;
      throw error;
    }
  }

  async list(
    after: BlobId | undefined,
    limit: number,
    options: ListOptions = {},
  ): Promise<readonly BlobEntry[]> {
    if (after !== undefined) requireBlobId(after);
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw invalid(`A list of ${limit} blobs is none`);
    const most = Math.min(limit, LIST_MAX);
    const found: BlobEntry[] = [];
    for (let prefix = after?.slice(0, 2) ?? '00'; found.length < most;) {
      const ids = await this.#idsOf(prefix, after, options);
      for (let at = 0; at < ids.length && found.length < most; at += LOOKED_AT_TOGETHER) {
        const some = ids.slice(at, at + LOOKED_AT_TOGETHER);
        for (const entry of await Promise.all(some.map((id) => this.#entry(id)))) {
          if (entry !== undefined) found.push(entry);
        }
      }
      if (prefix === 'ff') break;
      prefix = (Number.parseInt(prefix, 16) + 1).toString(16).padStart(2, '0');
    }
    if (options.skipAway !== true) await this.#requireAll();
    return found.slice(0, most);
  }

  async #idsOf(
    prefix: string,
    after: BlobId | undefined,
    { skipAway }: ListOptions,
  ): Promise<readonly BlobId[]> {
    const all = new Set<BlobId>();
    for (const backend of this.#backends) {
      if (backend.store === undefined) {
        if (skipAway === true) continue;
        throw away(backend.path, backend.reason);
      }
      for (const id of await backend.use((store) => store.ids(prefix))) all.add(id);
    }
    return [...all].filter((id) => after === undefined || id > after).sort();
  }

  async #entry(id: BlobId): Promise<BlobEntry | undefined> {
    for (const { store } of this.#backends) {
      const entry = await store?.entry(id);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  async verify(id: BlobId): Promise<'good' | 'corrupt' | 'missing'> {
    requireBlobId(id);
    let verdict: 'good' | 'corrupt' | 'missing' = 'missing';
    for (const backend of this.#backends) {
      if (backend.store === undefined) continue;
      const one = await backend.use((store) => store.verify(id));
      if (one === 'good' || (one === 'corrupt' && verdict === 'missing')) verdict = one;
    }
    if (verdict === 'missing') await this.#requireAll();
    return verdict;
  }

  async usage(): Promise<BlobUsage> {
    for (const { store } of this.#backends) await store?.room.look();
    return { backends: this.#backends.map((backend) => backend.usage()) };
  }

  /** What the first back end says that has it. Throws `BLOBS_MISSING`, or `BLOBS_AWAY` while that cannot be known. */
  async #first<T>(id: BlobId, ask: (store: FolderStore) => Promise<T | undefined>): Promise<T> {
    requireBlobId(id);
    for (const backend of this.#backends) {
      if (backend.store === undefined) continue;
      const found = await backend.use(ask);
      if (found !== undefined) return found;
    }
    throw await this.#notHere(id);
  }

  async #holder(id: BlobId): Promise<Backend | undefined> {
    requireBlobId(id);
    for (const backend of this.#backends) {
      if (backend.store === undefined) continue;
      if (await backend.use((store) => store.has(id))) return backend;
    }
    return undefined;
  }

  async #withHolder<T>(id: BlobId, work: (store: FolderStore) => Promise<T>): Promise<T> {
    const backend = await this.#holder(id);
    if (backend === undefined) throw await this.#notHere(id);
    return await backend.use(work);
  }

  async #notHere(id: BlobId): Promise<Error> {
    await this.#requireAll();
    return missing(id);
  }

  /** A folder that lost its disk between two looks has nothing either, so "not there" is only said after a look at each. */
  async #requireAll(): Promise<void> {
    for (const backend of this.#backends) {
      if (!(await backend.look())) throw away(backend.path, backend.reason);
    }
  }

  #upkeep(): readonly Worker[] {
    return [
      {
        name: LOOK,
        status: () => 'looks whether storage is there and how much of it is free',
        step: async () => {
          for (const backend of this.#backends) await this.#lookAfter(backend);
          const good = this.#backends.every(({ store }) => store?.readOnly === false);
          return { kind: 'idle', retryInMs: good ? LOOK_EVERY_MS : LOOK_AGAIN_MS };
        },
      },
      {
        name: SUSPECTS,
        status: () => `reads ${this.#suspects.size} blobs that were found damaged`,
        step: async () => {
          const [id] = this.#suspects;
          if (id === undefined) return { kind: 'idle' };
          this.#suspects.delete(id);
          await this.verify(id);
          return { kind: 'busy' };
        },
      },
    ];
  }

  async #lookAfter(backend: Backend): Promise<void> {
    if (!(await backend.look())) return;
    await backend.lookAtWrites();
    if (backend.store === undefined) return;
    await backend.use(async (store) => {
      if (!store.readOnly) await store.collect(store.room.now().roomBytes < 0);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner[Symbol.asyncDispose]();
    for (const backend of this.#backends) await backend[Symbol.asyncDispose]();
  }
}

function checkRange(range: BlobRange | undefined): void {
  if (range === undefined) return;
  const { start, end } = range;
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start)
    return;
  throw invalid(`No such range of a blob: ${start} to ${end}`);
}
