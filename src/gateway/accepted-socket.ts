/**
 * How bytes come in from accepted sockets. Node allocates 64 KiB for every read of a server's socket; sockets that
 * are made with `onread` share one buffer instead, which saves a tenth of the work of a small request. A server
 * cannot ask for that, so the accepted handle moves to a second socket. `_handle` is not documented: when it is
 * not there (or the socket is TLS, or a stream of HTTP/2), 'data' events do, and only speed is lost.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientSocket } from './client-socket.ts';

const READ_BYTES = 64 * 1024;
/** Used up before the callback returns, like the one for upstreams. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** The bytes `0..size` are valid only during the call. */
export type BytesTaker = (buffer: Buffer, size: number) => void;

interface WithHandle {
  _handle: object | null;
}

/**
 * Starts reading from a socket that was accepted paused; answers the socket to use from here on. `shares`: read into
 * the shared buffer if that is possible.
 */
export function startReading(accepted: Socket, shares: boolean, take: BytesTaker): Socket;
export function startReading(
  accepted: ClientSocket,
  shares: boolean,
  take: BytesTaker,
): ClientSocket;
export function startReading(
  accepted: ClientSocket,
  shares: boolean,
  take: BytesTaker,
): ClientSocket {
  const { _handle: handle } = accepted as unknown as WithHandle;
  const possible = typeof handle === 'object' && handle !== null;
  if (!shares || !possible || accepted instanceof TLSSocket) {
    accepted.on('data', (chunk: Buffer) => take(chunk, chunk.length));
    accepted.resume();
    return accepted;
  }
  (accepted as unknown as WithHandle)._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: readBuffer,
      callback: (size: number): boolean => {
        take(readBuffer, size);
        return true;
      },
    },
  };
  return new Socket(options as SocketConstructorOpts);
}
