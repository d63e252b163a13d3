/**
 * What all connections of one process share: the current table and limits, clocks, and the scratch objects that
 * are used up within one event, so that an idle connection owns next to nothing.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { RequestFraming, ResponseFraming } from '../http/framing.ts';
import { RequestHead, ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { RequestTarget } from '../http/target.ts';
import { EdgeModules } from './edge/edge-modules.ts';
import type { AccessEntry } from './access-log.ts';
import type { GatewayLimits } from './config.ts';
import { LimitHits } from './limit-hits.ts';
import { DEFAULT_GATEWAY_LIMITS } from './limits.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { AccessLogFormat } from './log-settings.ts';
import type { RouteTable } from './route-table.ts';
import type { Sharing } from './sharing.ts';
import type { TopMeter } from './top-meter.ts';
import type { Tracer } from './tracer.ts';

/** Where finished requests are told; the entry is valid only during the call. */
export interface AccessRecorder {
  record(entry: AccessEntry): void;
}

export class Plane {
  readonly clock: Clock;
  readonly log: Logger;
  readonly accessLog: AccessRecorder | undefined;
  readonly sockets: ListeningSockets;
  /** Numbers in 0..1 for balancing. */
  readonly random: () => number;
  readonly edges: EdgeModules;
  table: RouteTable;
  limits: GatewayLimits = DEFAULT_GATEWAY_LIMITS;
  draining = false;
  /** While draining: who kept a connection may use it once more. */
  leavesGently = false;
  /**
   * While draining: streams of events end that were asked for with GET; who listens to one comes again by itself (HTML 9.2.3). Nobody does
   * for the answer to a POST, which may look the same.
   */
  endsStreams = false;
  /** Counts while somebody wants to know what is asked most. */
  top: TopMeter | undefined;
  /** Of requests without a route, and of routes that do not choose. */
  logFormat: AccessLogFormat = 'json';
  /** With other processes; undefined when there are none. */
  sharing: Sharing | undefined;
  /** Undefined unless requests are traced. */
  tracer: Tracer | undefined;
  readonly limitHits: LimitHits = new LimitHits();
  /** Since the process started; makes their ids. */
  requestsFinished = 0;
  /** Open client connections. */
  connections = 0;
  /** Closed at once because there were too many. */
  connectionsRefused = 0;
  /** Monotonic, as of the last sweep; for idle times, where a fraction of a second does not matter. */
  coarseMs = 0;
  /** Add to monotonic milliseconds for the epoch; kept fresh by the sweep. */
  epochOffsetMs = 0;
  /** For the head being scanned in this event; a head that needs several events gets its own. */
  requestHead: RequestHead;
  readonly responseHead: ResponseHead = new ResponseHead(RESPONSE_HEAD_LIMITS);
  readonly requestFraming: RequestFraming = new RequestFraming();
  readonly responseFraming: ResponseFraming = new ResponseFraming();
  readonly target: RequestTarget = new RequestTarget();
  /** Of all ids of requests; another one for each process. */
  private readonly idPrefix: string = randomBytes(4).toString('hex');
  private dateSecond = -1;
  private date = '';

  constructor(options: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly accessLog: AccessRecorder | undefined;
    readonly sockets: ListeningSockets;
    readonly random: () => number;
    readonly table: RouteTable;
  }) {
    this.clock = options.clock;
    this.log = options.log;
    this.edges = new EdgeModules(options.clock, options.log);
    this.accessLog = options.accessLog;
    this.sockets = options.sockets;
    this.random = options.random;
    this.table = options.table;
    this.requestHead = this.newRequestHead();
  }

  setLimits(limits: GatewayLimits): void {
    this.limits = limits;
    this.requestHead = this.newRequestHead();
  }

  newRequestHead(): RequestHead {
    return new RequestHead({
      headBytesMax: this.limits.requestHeadBytesMax,
      headersMax: this.limits.requestHeadersMax,
      targetBytesMax: this.limits.targetBytesMax,
    });
  }

  /** Of the request that finished as the so-many-th. */
  idOf(number: number): string {
    return `${this.idPrefix}-${number.toString(36)}`;
  }

  /** Called a few times a second. */
  tick(): void {
    this.coarseMs = this.clock.monotonicMs();
    this.epochOffsetMs = this.clock.now() - this.coarseMs;
  }

  /** Epoch seconds as of the last sweep. */
  get second(): number {
    return Math.floor((this.coarseMs + this.epochOffsetMs) / 1000);
  }

  /** `Date: …` and its line end; made once a second. */
  get dateLine(): string {
    const { second } = this;
    if (second !== this.dateSecond) {
      this.dateSecond = second;
      this.date = `Date: ${formatHttpDate(second * 1000)}\r\n`;
    }
    return this.date;
  }
}
