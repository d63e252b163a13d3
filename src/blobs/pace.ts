/**
 * Lets background transfers of a node (copies for repair, drain, rebalance) go after those of clients: at once while the node does nothing for
 * clients, else with a small share of what it does for them. Each piece waits its turn where it is read and where it is written, so
 * whoever orders the copies need not know who is busy.
 */
import type { Clock } from '../base/time.ts';
import {
  BACKGROUND_BYTES_PER_SECOND_MIN,
  BACKGROUND_LATE_MS,
  BACKGROUND_SHARE,
  BLOB_WORK_BYTES,
  CLIENT_GRACE_MS,
  TURN_LOOK_MS,
} from './limits.ts';
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

/** What clients do is averaged over about so long. */
const AVERAGE_MS = 1000;

export class Pace {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  /** Transfers of clients that wait for this node now; not those that wait for their client. */
  #active = 0;
  /** When that changed last. */
  #activeMs = -Infinity;
  /** Of clients. */
  #bytesPerSecond = 0;
  #averagedMs = 0;
  /** Bytes that the background may move while clients are busy. */
  #allowed = 0;
  #allowedMs = 0;
  #turns: Promise<void> = Promise.resolve();

  constructor(clock: Pick<Clock, 'monotonicMs' | 'sleep'>) {
    this.#clock = clock;
  }

  /** The same store, whose transfers come first. */
  clients(store: BlobStore): BlobStore {
    return new PacedBlobs(store, {
      start: () => {
        this.#note(BLOB_WORK_BYTES);
        return Promise.resolve();
      },
      work: (step) => this.#count(1, step),
      wait: (step) => this.#count(-1, step),
      move: (bytes) => {
        this.#note(bytes);
        return undefined;
      },
    });
  }

  /** The same store, whose transfers wait for clients. */
  background(store: BlobStore): BlobStore {
    return new PacedBlobs(store, {
      start: () => this.turn(BLOB_WORK_BYTES),
      work: (step) => step,
      wait: (step) => step,
      move: (bytes) => this.turn(bytes),
    });
  }

  /** Resolves when the background may move so many bytes. */
  turn(bytes: number): Promise<void> {
    this.#turns = this.#turns.then(async () => {
      for (let waitMs = this.#waitMs(bytes); waitMs > 0; waitMs = this.#waitMs(bytes))
        await this.#clock.sleep(waitMs);
    });
    return this.#turns;
  }

  #waitMs(bytes: number): number {
    const now = this.#clock.monotonicMs();
    const isQuiet = this.#active === 0 && now - this.#activeMs >= CLIENT_GRACE_MS;
    this.#average(now);
    const rate = Math.max(BACKGROUND_BYTES_PER_SECOND_MIN, BACKGROUND_SHARE * this.#bytesPerSecond);
    const more = ((now - this.#allowedMs) * rate) / 1000;
    // Little is kept for later: only what a busy process is late by.
    const most = Math.max(bytes, (rate * BACKGROUND_LATE_MS) / 1000);
    this.#allowed = Math.min(most, this.#allowed + more);
    this.#allowedMs = now;
    if (!isQuiet && this.#allowed < bytes)
      return Math.min(TURN_LOOK_MS, ((bytes - this.#allowed) * 1000) / rate);
    this.#allowed = isQuiet ? 0 : this.#allowed - bytes;
    return 0;
  }

  /** So many more are active while the step lasts. */
  async #count<T>(more: 1 | -1, step: Promise<T>): Promise<T> {
    this.#active += more;
    this.#activeMs = this.#clock.monotonicMs();
    try {
      return await step;
    } finally {
      this.#active -= more;
      this.#activeMs = this.#clock.monotonicMs();
    }
  }

  #note(bytes: number): void {
    this.#average(this.#clock.monotonicMs());
    this.#bytesPerSecond += (bytes * 1000) / AVERAGE_MS;
  }

  #average(now: number): void {
    this.#bytesPerSecond *= Math.exp((this.#averagedMs - now) / AVERAGE_MS);
    this.#averagedMs = now;
  }
}

interface Manner {
  /** Before a transfer begins. */
  readonly start: () => Promise<void>;
  /** Around what the store does. */
  readonly work: <T>(step: Promise<T>) => Promise<T>;
  /** Around what the store waits for meanwhile. */
  readonly wait: <T>(step: Promise<T>) => Promise<T>;
  /** Before a piece goes on. */
  readonly move: (bytes: number) => Promise<void> | undefined;
}

class PacedBlobs implements BlobStore {
  readonly #store: BlobStore;
  readonly #manner: Manner;

  constructor(store: BlobStore, manner: Manner) {
    this.#store = store;
    this.#manner = manner;
  }

  async put(id: BlobId, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Written> {
    await this.#manner.start();
    const { work, wait, move } = this.#manner;
    return await work(this.#store.put(id, eachPiece(body, wait, move), options));
  }

  async get(id: BlobId, range?: BlobRange, options?: GetOptions): Promise<BlobContent> {
    await this.#manner.start();
    const { work, move } = this.#manner;
    const content = await work(this.#store.get(id, range, options));
    return { ...content, body: eachPiece(content.body, work, move) };
  }

  async append(
    id: BlobId,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options?: AppendOptions,
  ): Promise<{ readonly length: number }> {
    await this.#manner.start();
    const { work, wait, move } = this.#manner;
    return await work(this.#store.append(id, offset, eachPiece(body, wait, move), options));
  }

  seal(id: BlobId): Promise<Written> {
    return this.#store.seal(id);
  }

  truncate(id: BlobId, length: number): Promise<void> {
    return this.#store.truncate(id, length);
  }

  delete(id: BlobId): Promise<boolean> {
    return this.#store.delete(id);
  }

  stat(id: BlobId): Promise<BlobStat | undefined> {
    return this.#store.stat(id);
  }

  list(
    after: BlobId | undefined,
    limit: number,
    options?: ListOptions,
  ): Promise<readonly BlobEntry[]> {
    return this.#store.list(after, limit, options);
  }

  verify(id: BlobId): Promise<'good' | 'corrupt' | 'missing'> {
    return this.#store.verify(id);
  }

  usage(): Promise<BlobUsage> {
    return this.#store.usage();
  }
}

/** The pieces of a body, each asked for in `next` and told to `move` before it goes on. */
async function* eachPiece(
  body: AsyncIterable<Uint8Array>,
  next: Manner['work'],
  move: Manner['move'],
): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await next(pieces.next());
      if (done === true) return;
      await move(value.length);
      yield value;
    }
  } finally {
    await pieces.return?.();
  }
}
