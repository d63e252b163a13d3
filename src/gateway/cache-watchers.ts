/** Answers that go past the store: they say so, and those to unsafe methods remove what they make untrue (RFC 9111 4.4). */
import {
  type CacheRequest,
  type CacheResponse,
  type CacheSettings,
  cacheStatusLine,
  type CacheStatus,
  type Decision,
  entryOfPost,
  type Filling,
  HeadFields,
  invalidated,
  mayStore,
} from '../cache/cache.ts';
import type { ResponseHead } from '../http/head.ts';
import type { CacheRoom } from './cache-room.ts';
import type { Connection } from './connection.ts';
import type { HeadChange } from './forward-head.ts';
import { type NoticePlace, tellOwners } from './owner-notice.ts';
import type { AnswerWatcher } from './responder.ts';

const CACHE_STATUS = ['cache-status'];

/** Cache-Status of an answer that goes through, with what caches nearer to the origin have said. */
export function noteOf(head: ResponseHead, status: CacheStatus): HeadChange {
  const prior = new HeadFields(head).get('cache-status') ?? '';
  return { drop: CACHE_STATUS, lines: cacheStatusLine({ ...status, prior }) };
}

/** Of the answer to a request that goes past the store. */
export function watcherFor(
  decision: Decision,
  on: {
    readonly room: CacheRoom;
    readonly connection: Connection;
    readonly request: CacheRequest;
    readonly settings: CacheSettings;
  },
): AnswerWatcher {
  const { connection, request } = on;
  if (isSafe(request.method)) return new PassWatcher(decision, on);
  const { authority, target } = connection.request;
  const place = { authority: authority || connection.localAuthority, target };
  return new UnsafeWatcher(decision, { ...on, place });
}

class PassWatcher implements AnswerWatcher {
  private readonly decision: Decision;
  private readonly request: CacheRequest;
  private readonly settings: CacheSettings;

  constructor(
    decision: Decision,
    options: { readonly request: CacheRequest; readonly settings: CacheSettings },
  ) {
    this.decision = decision;
    this.request = options.request;
    this.settings = options.settings;
  }

  headed(head: ResponseHead): HeadChange {
    const { decision, request, settings } = this;
    const { why } = decision;
    const { status } = head;
    const response = { status, fields: new HeadFields(head), requestedMs: 0, receivedMs: 0 };
    const verdict = mayStore(request, response, settings);
    const detail = verdict === 'stored' || !isRead(request.method) ? {} : { detail: verdict };
    return noteOf(head, { kind: 'bypass', why, fwdStatus: status, ...detail });
  }

  bodyBytes(): void {}
  ended(): void {}
}

export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

function isSafe(method: string): boolean {
  return isRead(method) || method === 'OPTIONS' || method === 'TRACE';
}

class UnsafeWatcher implements AnswerWatcher {
  private readonly decision: Decision;
  private readonly request: CacheRequest;
  private readonly room: CacheRoom;
  private readonly settings: CacheSettings;
  private readonly place: NoticePlace;
  private readonly requestedMs: number;
  /** The answer to a POST that says that it is what a GET would give. */
  private filling: Filling | undefined;

  constructor(
    decision: Decision,
    options: {
      readonly room: CacheRoom;
      readonly place: NoticePlace;
      readonly request: CacheRequest;
      readonly settings: CacheSettings;
    },
  ) {
    this.decision = decision;
    this.request = options.request;
    this.room = options.room;
    this.place = options.place;
    this.settings = options.settings;
    this.requestedMs = this.room.nowMs();
  }

  headed(head: ResponseHead): HeadChange {
    const { room, request, requestedMs } = this;
    const { cache } = room;
    const response: CacheResponse = {
      status: head.status,
      fields: new HeadFields(head),
      requestedMs,
      receivedMs: room.nowMs(),
    };
    const keys = invalidated(request, response, this.settings.query);
    cache.remove(keys);
    tellOwners(room, keys, this.place);
    const entry = entryOfPost(request, response, this.settings);
    if (entry !== undefined) {
      const stamp = cache.stamp(room.nowMs());
      const hotUntilMs = room.hotUntilMs(request.key);
      this.filling = cache.store(request.key, { entry, replaces: [] }, { stamp, hotUntilMs });
    }
    const { why } = this.decision;
    return noteOf(head, { kind: 'bypass', why, fwdStatus: head.status });
  }

  bodyBytes(buffer: Buffer, from: number, to: number): void {
    this.filling?.fill.append(buffer, from, to);
  }

  ended(isWhole: boolean): void {
    const { filling } = this;
    this.filling = undefined;
    if (filling !== undefined) void (isWhole ? filling.end() : filling.fail());
  }
}
