/**
 * One watch of everything for all who watch this registry on this node: each commit is sent, decrypted and decoded once,
 * whoever wants it. One that asks for more of the past than is remembered here gets a watch of its own until it has caught
 * up.
 */
import type { Revision, WatchBatch } from '../contract.ts';
import type { Watcher } from '../watchers.ts';
import { WatchHistory } from '../watch-history.ts';
import { watchForEver, type WatchOptions } from './etcd-watch.ts';

export type SharedWatchOptions = Omit<WatchOptions, 'prefix' | 'from' | 'signal'>;

/** Behind this a watch catches up by itself; between a list and its watch there are a few commits. */
const HISTORY = { batchesMax: 256, bytesMax: 1024 * 1024 } as const;
const EVERYTHING = '';

interface Stream {
  readonly history: WatchHistory;
  readonly stop: AbortController;
  users: number;
  /** Why it has ended, for all that used it. */
  failure: { readonly error: unknown } | undefined;
}

export class SharedWatch {
  readonly #options: SharedWatchOptions;
  #stream: Stream | undefined;

  constructor(options: SharedWatchOptions) {
    this.#options = options;
  }

  /** As `watchForEver`. */
  async *watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    if (signal.aborted) return;
    const stream = this.#stream ?? this.#begin(from);
    stream.users++;
    const watcher = stream.history.add(prefix, from);
    try {
      while (!signal.aborted) {
        const batch = stream.history.next(watcher);
        if (batch === 'forgotten') yield* this.#catchUp(stream, watcher, signal);
        else if (batch !== undefined) yield batch;
        else if (stream.failure !== undefined) throw stream.failure.error;
        else await stream.history.wait(watcher, signal);
      }
    } finally {
      stream.history.remove(watcher);
      if (--stream.users === 0) this.#end(stream);
    }
  }

  /** On a watch of its own until what comes next is remembered. */
  async *#catchUp(
    { history }: Stream,
    watcher: Watcher,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const { prefix, cursor: from } = watcher;
    for await (const batch of watchForEver({ ...this.#options, prefix, from, signal })) {
      watcher.cursor = batch.revision + 1;
      yield batch;
      if (watcher.cursor > history.forgotten) return;
    }
  }

  #begin(from: Revision): Stream {
    const history = new WatchHistory(from - 1, HISTORY);
    const stop = new AbortController();
    const stream: Stream = { history, stop, users: 0, failure: undefined };
    this.#stream = stream;
    this.#follow(stream, from).catch((error: unknown) => {
      stream.failure = { error };
      this.#end(stream);
      history.wakeAll();
    });
    return stream;
  }

  async #follow({ history, stop }: Stream, from: Revision): Promise<void> {
    const { signal } = stop;
    const all = watchForEver({ ...this.#options, prefix: EVERYTHING, from, signal });
    for await (const batch of all) history.push(batch);
  }

  #end(stream: Stream): void {
    stream.stop.abort();
    if (this.#stream === stream) this.#stream = undefined;
  }
}
