/**
 * Tells the owners of a key that what they have of it is not true any more (RFC 9111 4.4): the owner of all first, so that no
 * region's can get it from there again. Until they have heard, this process asks the origin itself.
 */
import type { ResponseHead } from '../http/head.ts';
import type { CacheRoom } from './cache-room.ts';
import { DEFAULT_ROUTE_LIMITS } from './limits.ts';
import { PeerNotice } from './peer-notice.ts';
import { KEY_FIELD, REMOVE_METHOD } from './question.ts';
import type { Sharer } from './sharing.ts';

/** A request of the route whose keys they are: it leads to the same route at the owners. */
export interface NoticePlace {
  readonly authority: string;
  readonly target: string;
}

export function tellOwners(room: CacheRoom, keys: readonly string[], place: NoticePlace): void {
  const { sharing } = room;
  if (sharing === undefined) return;
  for (const key of keys) {
    const owners = sharing.allOwnersOf(key);
    if (owners.length === 0) continue;
    room.cache.flights.unshared(key, room.nowMs());
    new OwnerNotice(room, key, { owners, place }).next();
  }
}

class OwnerNotice extends PeerNotice {
  readonly #room: CacheRoom;
  readonly #key: string;
  readonly #owners: readonly Sharer[];
  readonly #place: NoticePlace;
  #at = 0;

  constructor(
    room: CacheRoom,
    key: string,
    on: { readonly owners: readonly Sharer[]; readonly place: NoticePlace },
  ) {
    super(room.plane);
    this.#room = room;
    this.#key = key;
    this.#owners = on.owners;
    this.#place = on.place;
  }

  next(): void {
    const owner = this.#owners[this.#at++];
    if (owner === undefined) {
      this.#room.notices.delete(this);
      this.#room.cache.flights.shared(this.#key);
      return;
    }
    this.#room.notices.add(this);
    const { authority, target } = this.#place;
    const line = `${REMOVE_METHOD} ${target} HTTP/1.1\r\nHost: ${authority}\r\n`;
    const { responseTimeoutMs, idleTimeoutMs } = DEFAULT_ROUTE_LIMITS;
    const route = owner.route({ responseTimeoutMs, idleTimeoutMs });
    this.say(route, `${line}${KEY_FIELD}: ${this.#key}\r\n\r\n`);
  }

  protected answerHead(head: ResponseHead, _bytes: Buffer, from: number, to: number): void {
    this.wasHeard(head, from, to);
    this.next();
  }

  /** Who is away is passed over by all, and has forgotten it or asks for it anew when it is back. */
  protected failed(): void {
    this.next();
  }
}
