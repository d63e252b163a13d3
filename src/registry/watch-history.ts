/**
 * The newest commits, and who waits for the next: what a source brings once is handed to any number of watches. A watch is a
 * place in it and not a queue, so one that is slow costs no memory; what it was too slow for is said to be forgotten.
 */
import type { Revision, WatchBatch } from './contract.ts';
import { wake, type Watcher, Watchers } from './watchers.ts';

export interface WatchHistoryLimits {
  readonly batchesMax: number;
  /** Of all values together; a single commit may be larger and is then forgotten at once. */
  readonly bytesMax: number;
}

interface Kept {
  readonly batch: WatchBatch;
  readonly bytes: number;
}

export class WatchHistory {
  readonly #limits: WatchHistoryLimits;
  readonly #watchers = new Watchers();
  /** Oldest first. */
  #kept: Kept[] = [];
  #bytes = 0;
  /** Newest revision that is not kept. */
  #forgotten: Revision;

  /** `forgotten`: what comes from now on begins behind this revision. */
  constructor(forgotten: Revision, limits: WatchHistoryLimits) {
    this.#forgotten = forgotten;
    this.#limits = limits;
  }

  /** What was committed up to here cannot be had any more. */
  get forgotten(): Revision {
    return this.#forgotten;
  }

  /** `next` is to be called on it, and `remove` in the end. */
  add(prefix: string, from: Revision): Watcher {
    return this.#watchers.add(prefix, from);
  }

  remove(watcher: Watcher): void {
    this.#watchers.remove(watcher);
  }

  push(batch: WatchBatch): void {
    const bytes = bytesOf(batch);
    this.#kept.push({ batch, bytes });
    this.#bytes += bytes;
    while (this.#kept.length > this.#limits.batchesMax || this.#bytes > this.#limits.bytesMax) {
      const oldest = this.#kept.shift();
      if (oldest === undefined) break;
      this.#bytes -= oldest.bytes;
      this.#forgotten = oldest.batch.revision;
    }
    this.#watchers.notify(
      batch.changes.map((each) => (each.kind === 'put' ? each.entry.key : each.key)),
      batch.revision,
    );
  }

  /** What led to `forgotten` is not known: whoever waits looks again. */
  restart(forgotten: Revision): void {
    this.#kept = [];
    this.#bytes = 0;
    this.#forgotten = forgotten;
    this.#watchers.wakeAll();
  }

  /** Undefined when there is no news; `forgotten` when what comes next is not kept any more. */
  next(watcher: Watcher): WatchBatch | 'forgotten' | undefined {
    if (watcher.cursor <= this.#forgotten) return 'forgotten';
    for (let at = this.#firstFrom(watcher.cursor); at < this.#kept.length; at++) {
      const { batch } = this.#kept[at] ?? {};
      if (batch === undefined) break;
      watcher.cursor = batch.revision + 1;
      const changes = batch.changes.filter((change) => {
        const key = change.kind === 'put' ? change.entry.key : change.key;
        return key.startsWith(watcher.prefix);
      });
      if (changes.length > 0) return { revision: batch.revision, changes };
    }
    return undefined;
  }

  /** Nearly all are at the end: whoever is woken has one commit to look at. */
  #firstFrom(revision: Revision): number {
    let at = this.#kept.length;
    while (at > 0 && (this.#kept[at - 1]?.batch.revision ?? 0) >= revision) at--;
    return at;
  }

  /** Resolves at the next commit under its prefix, or when somebody wakes it. */
  async wait(watcher: Watcher, signal: AbortSignal): Promise<void> {
    const stop = (): void => wake(watcher);
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (!signal.aborted) await this.#watchers.wait(watcher);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  wakeAll(): void {
    this.#watchers.wakeAll();
  }
}

function bytesOf({ changes }: WatchBatch): number {
  let bytes = 0;
  for (const change of changes) if (change.kind === 'put') bytes += change.entry.value.byteLength;
  return bytes;
}
