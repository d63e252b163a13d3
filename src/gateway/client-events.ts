/** Events of client sockets. One function for all: a closure for each would cost memory for every idle connection. */
import { Socket } from 'node:net';
import { type BytesTaker, takeReads } from '../net/net.ts';
import type { ClientSocket } from './client-socket.ts';

export interface ClientEvents {
  /** Why the socket broke, if it did. */
  failure: string | undefined;
  drained(): void;
  ended(): void;
  closed(): void;
}

const LISTENER = Symbol('listener');

interface HeardSocket extends ClientSocket {
  [LISTENER]: ClientEvents;
}

/** Starts reading from a socket that was accepted paused. */
export function startReading(socket: ClientSocket, take: BytesTaker): void {
  if (socket instanceof Socket) takeReads(socket, take);
  else socket.on('data', (chunk) => take(chunk, chunk.length, true));
}

/** From now on the socket's events go to `listener`. */
export function listenTo(socket: ClientSocket, listener: ClientEvents): void {
  (socket as HeardSocket)[LISTENER] = listener;
  socket.on('drain', onDrain);
  socket.on('end', onEnd);
  socket.on('error', onError);
  socket.on('close', onClose);
}

function onDrain(this: ClientSocket): void {
  (this as HeardSocket)[LISTENER].drained();
}

function onEnd(this: ClientSocket): void {
  (this as HeardSocket)[LISTENER].ended();
}

function onError(this: ClientSocket, error: Error): void {
  (this as HeardSocket)[LISTENER].failure = error.message;
}

function onClose(this: ClientSocket): void {
  (this as HeardSocket)[LISTENER].closed();
}
