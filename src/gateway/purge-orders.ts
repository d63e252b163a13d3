/**
 * Carries out purges in the cache of this process. Orders are numbered, so that each is obeyed once, however often a config
 * repeats it; who was away obeys them when the next config comes.
 */
import type { PurgeTarget as CacheTarget } from '../cache/cache.ts';
import type { Clock } from '../base/time.ts';
import type { CacheRoom } from './cache-room.ts';
import type { PurgeOrders, PurgeRequest } from './gateway-question.ts';
import { SHARING } from './limits.ts';
import { purgeKeys } from './purge-keys.ts';
import type { RouteTable } from './route-table.ts';

/** Begins every key. */
const EVERYTHING: CacheTarget = { kind: 'prefix', value: '' };

export class ObeyedPurges {
  /** Of the last order that was obeyed. */
  #last = 0;
  /** Purges without an order, by the number that who purges has given them: when they were obeyed, monotonic. */
  readonly #known = new Map<number, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A purge that comes to each process by itself. */
  note(id: number): void {
    this.#known.delete(id);
    this.#known.set(id, this.#clock.monotonicMs());
    const [oldest] = this.#known.keys();
    if (this.#known.size > SHARING.purgesKnownMax && oldest !== undefined) {
      this.#known.delete(oldest);
    }
  }

  /**
   * What whoever answers a question of this process must have purged too, else its answer may be what was just removed here.
   * Undefined: that is too much to say.
   */
  mark(): string | undefined {
    if (this.#known.size === 0) return String(this.#last);
    const sinceMs = this.#clock.monotonicMs() - SHARING.purgeRecentMs;
    const recent = [...this.#known].filter(([, atMs]) => atMs > sinceMs).map(([id]) => id);
    if (recent.length > SHARING.purgesRecentMax) return undefined;
    return [this.#last, ...recent].join(':');
  }

  /** Whether all that a mark names was purged here. */
  covers(mark: string): boolean {
    const [last = Infinity, ...recent] = mark.split(':').map(Number);
    return last <= this.#last && recent.every((id) => this.#known.has(id));
  }

  /** Resolves when a restart would not bring back what was purged. Throws what the disk says. */
  async obey(
    { floor, orders }: PurgeOrders,
    room: CacheRoom | undefined,
    table: RouteTable,
  ): Promise<void> {
    const before = this.#last;
    const due = orders.filter(({ number }) => number > before);
    this.#last = Math.max(before, floor, orders.at(-1)?.number ?? 0);
    if (room === undefined) return;
    // All of them take effect before the first wait: nobody is served in between.
    const done = due.map((order) => purge(order, room, table));
    if (floor > before) done.push(room.cache.clear());
    await Promise.all(done);
  }
}

/** Throws `CONFIG_INVALID`, and then nothing was purged; or what the disk says. */
export async function purge(
  { targets, soft }: PurgeRequest,
  room: CacheRoom,
  table: RouteTable,
): Promise<void> {
  const wanted = targets.map((target) =>
    purgeKeys(target, table, (route) => room.settingsFor(route)),
  );
  const all = soft ? [EVERYTHING] : undefined;
  await Promise.all(
    wanted.flatMap((keys = all) =>
      keys === undefined
        ? [room.cache.clear()]
        : keys.map((target) => room.cache.purge(target, { soft })),
    ),
  );
}
