/** Events of client sockets. One function for all: a closure for each would cost memory for every idle connection. */
import type { Socket } from 'node:net';

export interface ClientEvents {
  /** Why the socket broke, if it did. */
  failure: string | undefined;
  drained(): void;
  ended(): void;
  closed(): void;
}

const LISTENER = Symbol('listener');

interface ClientSocket extends Socket {
  [LISTENER]: ClientEvents;
}

/** From now on the socket's events go to `listener`. */
export function listenTo(socket: Socket, listener: ClientEvents): void {
  (socket as ClientSocket)[LISTENER] = listener;
  socket.on('drain', onDrain);
  socket.on('end', onEnd);
  socket.on('error', onError);
  socket.on('close', onClose);
}

function onDrain(this: Socket): void {
  (this as ClientSocket)[LISTENER].drained();
}

function onEnd(this: Socket): void {
  (this as ClientSocket)[LISTENER].ended();
}

function onError(this: Socket, error: Error): void {
  (this as ClientSocket)[LISTENER].failure = error.message;
}

function onClose(this: Socket): void {
  (this as ClientSocket)[LISTENER].closed();
}
