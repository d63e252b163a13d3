/**
 * Asks a process that owns keys whether it still turns, when somebody has waited there for long without a byte: a process that hangs
 * keeps its connections. To another node the way leads through any of its processes, and that one may hang while the owner turns. The
 * system there deals out connections, so it is asked over as many new ones as there are processes: sooner or later one of them goes that way.
 * When an origin is slow, so is every owner of the node: they share that number, since each connection is a handshake for both sides.
 */
import type { ResponseHead } from '../http/head.ts';
import type { CacheRoom } from './cache-room.ts';
import { SHARING } from './limits.ts';
import type { NoticePlace } from './owner-notice.ts';
import { PeerNotice } from './peer-notice.ts';
import { REMOVE_METHOD } from './question.ts';
import type { Sharer, Sharing } from './sharing.ts';

/** Whoever waits there for what the origin can give as well leaves when there is no answer. Again and again, while somebody waits. */
export function checkOwner(
  room: CacheRoom,
  { owner, sharing, place }: CheckedOwner & { readonly place: NoticePlace },
): void {
  if (!owner.mayCheck()) return;
  for (let way = 0; way < waysTo({ owner, sharing }); way++)
    new OwnerCheck(room, owner).send(place);
}

interface CheckedOwner {
  readonly owner: Sharer;
  readonly sharing: Sharing;
}

function waysTo({ owner, sharing }: CheckedOwner): number {
  if (owner.upstream?.isFar !== true) return 1;
  const there = sharing.members.filter(({ node }) => node === owner.node);
  return waysEach({ processes: there.length, slow: there.filter(({ isSlow }) => isSlow).length });
}

/** Connections for each of the `slow` owners of a node: together no more than it has processes, but one at least. */
export function waysEach(node: { readonly processes: number; readonly slow: number }): number {
  return Math.max(1, Math.floor(node.processes / Math.max(1, node.slow)));
}

class OwnerCheck extends PeerNotice {
  readonly #room: CacheRoom;
  readonly #owner: Sharer;

  constructor(room: CacheRoom, owner: Sharer) {
    super(room.plane);
    this.#room = room;
    this.#owner = owner;
  }

  send({ authority, target }: NoticePlace): void {
    this.#room.notices.add(this);
    const { silentMs } = SHARING;
    const route = this.#owner.route({ responseTimeoutMs: silentMs, idleTimeoutMs: silentMs });
    const limits = { ...route.limits, connectTimeoutMs: silentMs };
    const upstreams = route.upstreams.map((upstream) => upstream.once());
    // It names no key, so there is nothing to remove.
    const head = `${REMOVE_METHOD} ${target} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    this.say({ ...route, limits, upstreams }, head);
  }

  /** Whatever it says: it turns. */
  protected answerHead(head: ResponseHead, _bytes: Buffer, from: number, to: number): void {
    this.wasHeard(head, from, to);
    this.#room.notices.delete(this);
  }

  protected failed(): void {
    this.#room.notices.delete(this);
    this.#owner.missed();
    this.#owner.upstream?.fellSilent();
  }
}
