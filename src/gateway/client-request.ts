/** The facts about the request that a connection is busy with, and their way into counters and access log. */
import { FIELD } from '../http/field-names.ts';
import type { RequestHead } from '../http/head.ts';
import type { RequestTarget } from '../http/target.ts';
import { CACHE_RESULT, CACHE_RESULTS, type CacheResult } from './cache-result.ts';
import type { AccessLogFormat } from './log-settings.ts';
import type { Plane } from './plane.ts';
import { RequestTimes } from './request-times.ts';
import type { Route } from './route-table.ts';
import type { TopMeter } from './top-meter.ts';
import type { RequestTrace } from './trace-context.ts';

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
  /** Stations at the upstream. */
  times: RequestTimes = new RequestTimes();
  /** Who has shown the right password. */
  user: string | undefined;
  /** Only where the log is in the combined format. */
  referer: string | undefined;
  agent: string | undefined;
  /** Undefined unless requests are traced. */
  trace: RequestTrace | undefined;
  /** It finished as the so-many-th of this process. */
  number = 0;
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
  private readonly ownTimes: RequestTimes = this.times;

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
    this.ownTimes.reset();
    this.user = undefined;
    this.trace = undefined;
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

  /** For a request of the cache to an upstream, which may outlive this one. */
  timesOfForward(): RequestTimes {
    this.times = new RequestTimes();
    return this.times;
  }

  /** Counts and logs the finished request. */
  record(plane: Plane, client: string, sentBytes: number): void {
    const { route, cache, status } = this;
    const bytesOut = sentBytes - this.sentBefore;
    const nowMs = plane.clock.monotonicMs();
    const durationMs = nowMs - this.startedMs;
    this.number = ++plane.requestsFinished;
    if (route !== undefined) {
      const { totals } = route;
      totals.record(status, durationMs, this.bytesIn, bytesOut);
      if (cache !== CACHE_RESULT.none) totals.byCache[cache] = (totals.byCache[cache] ?? 0) + 1;
      route.slow.record(this, nowMs, plane);
    }
    if (this.error !== undefined) plane.limitHits.failed(status);
    if (plane.top !== undefined) this.tellTop(plane.top, durationMs, bytesOut);
    const format = route?.logFormat ?? plane.logFormat;
    if (format !== 'off') this.log(plane, { client, format, nowMs, durationMs, bytesOut });
    if (this.trace?.isSampled === true) plane.tracer?.ended(this, { plane, client, nowMs });
    // Slices of the head: they would keep it in memory while the connection is idle.
    this.target = '';
    this.accept = undefined;
    this.referer = undefined;
    this.agent = undefined;
    this.times = this.ownTimes;
  }

  private log(
    plane: Plane,
    on: {
      readonly client: string;
      readonly format: AccessLogFormat;
      readonly nowMs: number;
      readonly durationMs: number;
      readonly bytesOut: number;
    },
  ): void {
    const { cache, times } = this;
    const { askedMs, headMs, endMs } = times;
    const isAsked = askedMs > 0;
    plane.accessLog?.record({
      time: this.startedMs + plane.epochOffsetMs,
      id: plane.idOf(this.number),
      client: on.client,
      user: this.user,
      method: this.method,
      host: this.authority,
      target: this.target,
      status: this.status,
      durationMs: on.durationMs,
      bytesIn: this.bytesIn,
      bytesOut: on.bytesOut,
      route: this.route?.id,
      upstream: this.upstreamId,
      upstreamHeadMs: isAsked && headMs > 0 ? headMs - askedMs : undefined,
      upstreamMs: isAsked ? (endMs > 0 ? endMs : on.nowMs) - askedMs : undefined,
      protocol: this.protocol ?? (this.minor === 0 ? 'http/1.0' : undefined),
      cache: cache === CACHE_RESULT.none ? undefined : CACHE_RESULTS[cache],
      traceId: this.trace?.traceId,
      referer: this.referer,
      agent: this.agent,
      format: on.format,
      errorId: this.errorId,
      error: this.error,
    });
  }

  private tellTop(top: TopMeter, durationMs: number, bytesOut: number): void {
    const { authority, target, status, cache } = this;
    const route = this.route?.id ?? '(none)';
    top.record({ route, authority, target, status, cache, durationMs, bytesOut });
  }
}
