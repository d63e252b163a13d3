/** What a connection and those who answer its requests know of each other. */
import type { RequestHead, ResponseHead } from '../http/head.ts';
import type { ClientSocket } from './client-socket.ts';
import type { Connection } from './connection.ts';
import type { HeadChange } from './forward-head.ts';
import type { Plane } from './plane.ts';
import type { Route } from './route-table.ts';

/** Answers one request. All calls come from the connection; bytes are valid only during the call. */
export interface Responder {
  /** Body bytes should wait. */
  readonly holdsBody: boolean;
  requestBytes(buffer: Buffer, from: number, to: number): void;
  /** The body is complete; not called for requests without one. */
  requestEnded(): void;
  /** End of what came in one event. */
  flush(): void;
  clientDrained(): void;
  /** The client sends no more; the answer may still be wanted. Only for tunnels. */
  clientEnded(): void;
  /** The connection is gone: stop, and call it no more. */
  clientClosed(): void;
  /** Checks time limits against `horizonMs`, which is now minus the sweep's grain. */
  sweep(horizonMs: number): void;
}

/** Sees an answer before the client does. */
export interface AnswerWatcher {
  /** The head of the final answer; says what is to be changed about it. */
  headed(head: ResponseHead): HeadChange;
  /** Bytes of the body, valid only during the call. */
  bodyBytes(buffer: Buffer, from: number, to: number): void;
  /** It is complete, or broke off. */
  ended(isWhole: boolean): void;
}

/** A responder that serves one request of its connection after the other. */
export interface Proxy extends Responder {
  /** The cache that it uses, if any. */
  readonly room?: unknown;
  begin(head: RequestHead, route: Route, watcher?: AnswerWatcher): void;
}

/** Picks who answers; gets the scanned head in the plane's scratch objects. */
export type Dispatch = (connection: Connection, head: RequestHead, route: Route) => void;

/** A connection, or many in one, as their owner knows them. */
export interface OwnedConnection {
  readonly socket: { destroy(): unknown };
  sweep(horizonMs: number): void;
  drain(): void;
}

/** What a connection belongs to. */
export interface ConnectionOwner {
  readonly plane: Plane;
  readonly protocol: 'http' | 'https';
  readonly dispatch: Dispatch;
  /** Whole lines for the head of every answer; usually none. */
  readonly answerLines: string;
  /** Of the client, also when a trusted proxy is in between. */
  clientAddress(socket: ClientSocket): string;
  closed(connection: OwnedConnection): void;
}
