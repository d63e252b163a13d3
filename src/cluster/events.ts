/**
 * What happened in the cluster, for people: joins, silences, moves, changes of leader. A record each, newest last; the
 * leader removes the oldest beyond a number. An event that cannot be written is lost with a line in the log, for nothing
 * that happens may wait for its telling.
 */
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { integer, object, optional, type Schema, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import { Collection, type Registry, type Stored } from '../registry/registry.ts';
import { EVENTS_KEPT } from './limits.ts';

/** Time: epoch milliseconds. Node and app go by name. */
export interface ClusterEvent {
  readonly id: string;
  readonly at: number;
  /** `node`, `leader`, `app`, `manager`. */
  readonly kind: string;
  /** One sentence. */
  readonly text: string;
  readonly node: string | undefined;
  readonly app: string | undefined;
}

interface EventRecord {
  readonly at: number;
  readonly kind: string;
  readonly text: string;
  readonly node?: string | undefined;
  readonly app?: string | undefined;
}

const eventSchema: Schema<EventRecord> = object({
  at: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  kind: string(),
  text: string(),
  node: optional(string()),
  app: optional(string()),
});

/** Enough digits of milliseconds, in base 36, until the year 5138: ids sort by time. */
const TIME_DIGITS = 9;

export class Events {
  readonly #records: Collection<EventRecord>;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: {
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    const { registry, clock, log } = options;
    this.#records = new Collection({ registry, prefix: '/events/', schema: eventSchema });
    this.#clock = clock;
    this.#log = log;
  }

  /** Does not wait and does not throw. */
  tell(
    kind: string,
    text: string,
    about: { readonly node?: string; readonly app?: string } = {},
  ): void {
    const at = this.#clock.now();
    const id = `${at.toString(36).padStart(TIME_DIGITS, '0')}-${randomId(6)}`;
    this.#log.info(text, { event: kind, ...about });
    this.#records.create(id, { at, kind, text, ...about }).catch((error: unknown) => {
      this.#log.warn('An event could not be kept', { kind, text, error });
    });
  }

  /** In the order in which they were kept, oldest first: the clocks of those who told them may differ. */
  async list(): Promise<readonly ClusterEvent[]> {
    return (await this.#inOrder()).map(({ id, value }) => eventOf(id, value));
  }

  /** Those from now on, until the signal aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<ClusterEvent, void, undefined> {
    let seen: Set<string> | undefined;
    for await (const { records } of this.#records.watch(signal)) {
      if (seen !== undefined) {
        for (const id of [...records.keys()].toSorted()) {
          const record = records.get(id);
          // Not by its time: one that was told by a clock that was ahead would hide all that come until then.
          if (!seen.has(id) && record !== undefined) yield eventOf(id, record);
        }
      }
      // Those that are not there now may come back: without managers an older copy is read.
      if (seen === undefined || seen.size > 2 * EVENTS_KEPT) seen = new Set();
      for (const id of records.keys()) seen.add(id);
    }
  }

  /** Keeps the newest only. */
  async trim(): Promise<void> {
    const all = await this.#inOrder();
    for (const { id } of all.slice(0, Math.max(0, all.length - EVENTS_KEPT))) {
      await this.#records.delete(id);
    }
  }

  /** Those of one commit, as after a move of the registry, by their ids. */
  async #inOrder(): Promise<readonly Stored<EventRecord>[]> {
    const all = await this.#records.list();
    return all.toSorted((a, b) => a.revision - b.revision);
  }
}

function eventOf(id: string, { at, kind, text, node, app }: EventRecord): ClusterEvent {
  return { id, at, kind, text, node, app };
}
