/** What the API needs of the node for `/db/NAME/…`: whoever serves databases checks who asks, and answers in their own protocol. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

export const DATABASE_PATH: RegExp = /^\/db\//;
export const FILES_PATH: RegExp = /^\/files(?:\/|$)/;

/** The same for `/files/…`. */
export interface FilesDoor {
  /** `by`: the name of whoever it need not ask, who is then `isLocal` too. */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    origin: { readonly isLocal: boolean; readonly by: string | undefined },
  ): Promise<void>;
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
