/**
 * Carries out purges in the cache of this process. Orders are numbered, so that each is obeyed once, however often a config
 * repeats it; who was away obeys them when the next config comes.
 */
import type { PurgeTarget as CacheTarget } from '../cache/cache.ts';
import type { CacheRoom } from './cache-room.ts';
import type { PurgeOrders, PurgeRequest } from './gateway-question.ts';
import { purgeKeys } from './purge-keys.ts';
import type { RouteTable } from './route-table.ts';

/** Begins every key. */
const EVERYTHING: CacheTarget = { kind: 'prefix', value: '' };

export class ObeyedPurges {
  /** Of the last order that was obeyed. */
  #last = 0;

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
  const spaceOf = (route: Parameters<CacheRoom['settingsFor']>[0]): string =>
    room.settingsFor(route).space;
  const wanted = targets.map((target) => purgeKeys(target, table, spaceOf));
  const all = soft ? [EVERYTHING] : undefined;
  await Promise.all(
    wanted.flatMap((keys = all) =>
      keys === undefined
        ? [room.cache.clear()]
        : keys.map((target) => room.cache.purge(target, { soft })),
    ),
  );
}
