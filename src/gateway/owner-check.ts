/**
 * Asks a process that owns keys whether it still turns, when somebody has waited there for long without a byte: a process that hangs
 * keeps its connections. Asked over another connection than theirs, since between nodes one may lead through a third process.
 */
import type { ResponseHead } from '../http/head.ts';
import type { CacheRoom } from './cache-room.ts';
import { SHARING } from './limits.ts';
import type { NoticePlace } from './owner-notice.ts';
import { PeerNotice } from './peer-notice.ts';
import { REMOVE_METHOD } from './question.ts';
import type { Sharer } from './sharing.ts';

/** Whoever waits there for what the origin can give as well leaves when there is no answer. Again and again, while somebody waits. */
export function checkOwner(room: CacheRoom, owner: Sharer, place: NoticePlace): void {
  if (owner.mayCheck()) new OwnerCheck(room, owner).send(place);
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
    const times = { responseTimeoutMs: SHARING.silentMs, idleTimeoutMs: SHARING.silentMs };
    // It names no key, so there is nothing to remove.
    const head = `${REMOVE_METHOD} ${target} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    this.say(this.#owner.route(times), head);
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
