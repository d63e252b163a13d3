/** What the API needs of the node for `/db/NAME/…`: whoever serves databases checks who asks, and answers in their own protocol. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export const DATABASE_PATH: RegExp = /^\/db\//;
export const FILES_PATH: RegExp = /^\/files(?:\/|$)/;

/** The first request of a connection, when it brings much for the file store. */
export interface LargeUpload {
  readonly socket: Socket;
  readonly method: string;
  readonly url: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, in bytes. */
  readonly length: number;
  /** Of the body, what has been read. */
  readonly begun: Buffer;
  /** Over the API's unix socket. Otherwise it has a token, and the file store checks that. */
  readonly isLocal: boolean;
}

/** The same for `/files/…`. */
export interface FilesDoor {
  /** `by`: the name of whoever it need not ask, who is then `isLocal` too. */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    origin: { readonly isLocal: boolean; readonly by: string | undefined },
  ): Promise<void>;
  /** Never rejects. True: it has taken the connection over, which ends with the answer; false: nothing is done, `serve` is to be asked. */
  lead(upload: LargeUpload): Promise<boolean>;
}

export interface DatabaseDoor {
  /** Never rejects; resolves when the answer is out or the client has left. `isLocal`: over the API's unix socket. */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    origin: { readonly isLocal: boolean },
  ): Promise<void>;
  /** Takes the socket over. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    origin: { readonly isLocal: boolean },
  ): void;
}

/** Connections over which statements of databases come, before anything else looks at them. */
export interface StatementDoor {
  /** Takes it over, or hands it over at the first request that is none. `isMeant`: whether this node answers to a Host field. */
  take(options: {
    readonly socket: Socket;
    readonly isMeant: (host: string | undefined) => boolean;
    readonly handOver: (socket: Socket) => void;
  }): void;
  /** Resolves when what was asked over them is answered; they are ended. */
  drain(): Promise<void>;
}
