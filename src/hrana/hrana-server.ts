/** The wire of one database: what a listener mounts. Owns its streams and WebSockets, no port. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Deadlines } from '../base/deadlines.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Authenticate, Database } from './database.ts';
import {
  answerHttp,
  type HranaAnswer,
  type HranaRequest,
  type HttpEndpointsOptions,
} from './http-endpoints.ts';
import { DEFAULT_LIMITS, type HranaLimits } from './limits.ts';
import { type NodeExchange, serveNode } from './node-http.ts';
import { SocketConnection } from './socket-connection.ts';
import { StreamQuota } from './stream-quota.ts';
import { StreamTable } from './stream-table.ts';
import { WebSockets } from './web-socket.ts';

export interface HranaServerOptions {
  readonly database: Database;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly log: Logger;
  /** Those of `DEFAULT_LIMITS` that are to be different. */
  readonly limits?: Partial<HranaLimits>;
}

export class HranaServer implements AsyncDisposable {
  readonly #options: HranaServerOptions;
  readonly #limits: HranaLimits;
  readonly #quota: StreamQuota;
  readonly #streams: StreamTable;
  readonly #http: HttpEndpointsOptions;
  readonly #sockets: WebSockets;

  constructor(options: HranaServerOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#quota = new StreamQuota(this.#limits);
    const idle = new Deadlines(options.clock, this.#limits.streamIdleMs);
    const common = { ...options, limits: this.#limits, quota: this.#quota, idle };
    this.#streams = new StreamTable(common);
    this.#http = { ...common, streams: this.#streams };
    this.#sockets = new WebSockets({
      ...common,
      connect: (socket, encoding) => new SocketConnection({ ...common, socket, encoding }),
    });
  }

  /** For figures: streams and WebSockets that are open. */
  get open(): { readonly streams: number; readonly connections: number } {
    return { streams: this.#quota.total, connections: this.#sockets.size };
  }

  /** Never rejects. */
  answer(request: HranaRequest): Promise<HranaAnswer> {
    return answerHttp(request, this.#http);
  }

  /** The same for node:http. Never rejects; resolves when the answer is out. */
  serve(exchange: NodeExchange): Promise<void> {
    const answer = (request: HranaRequest): Promise<HranaAnswer> => this.answer(request);
    return serveNode(exchange, { clock: this.#options.clock, limits: this.#limits, answer });
  }

  /** For the `upgrade` event of node:http: takes the socket over. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.upgrade(request, socket, head);
  }

  /** Cuts the WebSockets; resolves when what was open is rolled back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#sockets.close(), this.#streams.close()]);
  }
}
