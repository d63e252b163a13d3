/**
 * Makes whole commits of what a watch brings: joins fragments, splits by revision, drops what was seen before (etcd
 * 3.4.23 sends some events twice, fixed in 3.4.24, and can go back in time, fixed in 3.4.25). Pure but for its place.
 */
import type { Change, Revision, WatchBatch } from '../contract.ts';
import type { Event, WatchResponse } from './etcd-pb.ts';
import type { Root } from './translate.ts';

export class WatchJoiner {
  readonly #root: Root;
  /** The next revision that is news. */
  #next: Revision;
  /** Of a commit whose end has not come yet. */
  #rest: Event[] = [];

  constructor(next: Revision, root: Root) {
    this.#next = next;
    this.#root = root;
  }

  get next(): Revision {
    return this.#next;
  }

  /** The commits that are complete with this response. They count as handed over. */
  add(response: Pick<WatchResponse, 'events' | 'fragment'>): WatchBatch[] {
    const events = [...this.#rest, ...response.events];
    this.#rest = [];
    if (response.fragment) {
      // More of the last commit may follow; those before it are whole.
      const last = events.at(-1)?.kv?.modRevision;
      const cut = events.findIndex((event) => event.kv?.modRevision === last);
      this.#rest = events.splice(cut);
    }
    const batches: { revision: Revision; changes: Change[] }[] = [];
    for (const event of events) {
      const revision = this.#root.revisions.ours(event.kv?.modRevision);
      if (revision < this.#next) continue;
      let batch = batches.at(-1);
      if (batch === undefined || batch.revision < revision) {
        batch = { revision, changes: [] };
        batches.push(batch);
      }
      // Behind the newest commit of the same response: seen already, or out of order, which etcd must not do.
      if (batch.revision === revision) batch.changes.push(this.#root.changeOf(event));
    }
    this.#next = (batches.at(-1)?.revision ?? this.#next - 1) + 1;
    return batches;
  }

  /** A connection was lost: what came in part will come again. */
  restart(): void {
    this.#rest = [];
  }
}
