/** The facts about the request that a connection is busy with, and their way into counters and access log. */
import { FIELD } from '../http/field-names.ts';
import type { RequestHead } from '../http/head.ts';
import type { RequestTarget } from '../http/target.ts';
import { CACHE_RESULT, CACHE_RESULTS, type CacheResult } from './cache-result.ts';
import type { Plane } from './plane.ts';
import type { Route } from './route-table.ts';
import type { TopMeter } from './top-meter.ts';

/** One per connection, used again for each request. */
export class ClientRequest {
  method = '';
  /** Host as the client meant it, port included. */
  authority = '';
  /** Origin form, query included. */
  target = '';
  accept: string | undefined;
  /** For the access log; undefined: HTTP/1.x. Stays from request to request. */
  protocol: string | undefined;
  /** The x of HTTP/1.x. */
  minor: 0 | 1 = 1;
  route: Route | undefined;
  upstreamId: string | undefined;
  /** What the cache had to do with it. */
  cache: CacheResult = CACHE_RESULT.none;
  /** Of the final answer; 0 before it. */
  status = 0;
  /** The head of the final answer has been written. */
  answering = false;
  /** Bytes of head and body, as they came. */
  bytesIn = 0;
  errorId: string | undefined;
  /** What went wrong, for the operator. */
  error: string | undefined;
  /** Monotonic. */
  startedMs = 0;
  /** What the connection had sent before. */
  private sentBefore = 0;

  /** Forgets the last request; errors from here on belong to the new one. */
  begin(nowMs: number, sentBytes: number): void {
    this.startedMs = nowMs;
    this.sentBefore = sentBytes;
    this.method = '';
    this.authority = '';
    this.target = '';
    this.accept = undefined;
    this.minor = 1;
    this.route = undefined;
    this.upstreamId = undefined;
    this.cache = CACHE_RESULT.none;
    this.status = 0;
    this.answering = false;
    this.bytesIn = 0;
    this.errorId = undefined;
    this.error = undefined;
  }

  /** Before anything about the request is judged, so that a refusal can say what it was. */
  setHead(head: RequestHead): void {
    this.minor = head.minor;
    this.method = head.method;
    this.accept = head.value(FIELD.accept);
    this.bytesIn = head.end - head.start;
  }

  setTarget(target: RequestTarget): void {
    this.authority = target.authority;
    this.target = target.target;
  }

  /** Counts and logs the finished request. */
  record(plane: Plane, client: string, sentBytes: number): void {
    const { route, cache } = this;
    const bytesOut = sentBytes - this.sentBefore;
    const durationMs = plane.clock.monotonicMs() - this.startedMs;
    route?.totals.record(this.status, durationMs, this.bytesIn, bytesOut);
    if (cache !== CACHE_RESULT.none && route !== undefined) {
      route.totals.byCache[cache] = (route.totals.byCache[cache] ?? 0) + 1;
    }
    if (plane.top !== undefined) this.tellTop(plane.top, durationMs, bytesOut);
    plane.accessLog?.record({
      time: this.startedMs + plane.epochOffsetMs,
      client,
      method: this.method,
      host: this.authority,
      target: this.target,
      status: this.status,
      durationMs,
      bytesIn: this.bytesIn,
      bytesOut,
      route: route?.id,
      upstream: this.upstreamId,
      protocol: this.protocol,
      cache: cache === CACHE_RESULT.none ? undefined : CACHE_RESULTS[cache],
      errorId: this.errorId,
      error: this.error,
    });
    // Slices of the head: they would keep it in memory while the connection is idle.
    this.target = '';
    this.accept = undefined;
  }

  private tellTop(top: TopMeter, durationMs: number, bytesOut: number): void {
    const { authority, target, status, cache } = this;
    const route = this.route?.id ?? '(none)';
    top.record({ route, authority, target, status, cache, durationMs, bytesOut });
  }
}
