/**
 * Writes to the handle beneath a socket, past its stream: for a write that the kernel takes at once, which nearly all small ones
 * are, the stream's bookkeeping costs as much as the rest of the JavaScript of a request. Both ways mix, in order: libuv has one
 * queue for each handle. TLS takes one write at a time, so there, and whenever the stream holds something back, the stream is
 * written to.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';
import { provenBinding, type StreamBinding, type WriteRequest } from './stream-binding.ts';

interface WritingHandle {
  /** An error as a negative number, or 0. The bytes must stay as they are until the request completes. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

/** Handed to every write; one that the kernel does not take at once keeps it. */
let spare: WriteRequest | undefined;

export class DirectWriter {
  readonly #socket: Socket;
  readonly #binding: StreamBinding | undefined;
  /** Writes that the kernel has not taken yet. */
  #waiting = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#binding = socket instanceof TLSSocket ? undefined : provenBinding();
  }

  /** True when the kernel takes no more: write no more before 'drain'. */
  get blocked(): boolean {
    return this.#waiting > 0 || this.#socket.writableNeedDrain;
  }

  /** True when what is written now waits behind something else. */
  get hasWaiting(): boolean {
    return this.#waiting > 0 || this.#socket.writableLength > 0;
  }

  /** `done` is called when the bytes may be used for something else, perhaps before this returns. */
  write(bytes: Uint8Array, done: () => void): void {
    const socket = this.#socket;
    const binding = this.#binding;
    const { _handle: handle } = socket as unknown as {
      readonly _handle: Partial<WritingHandle> | null;
    };
    if (
      binding === undefined ||
      handle?.writeBuffer === undefined ||
      socket.writableLength > 0 ||
      socket.connecting
    ) {
      socket.write(bytes, done);
      return;
    }
    const request = (spare ??= new binding.WriteWrap());
    const code = handle.writeBuffer(request, bytes);
    if (code !== 0) {
      done();
      socket.destroy(writeError(code));
    } else if (binding.streamBaseState[binding.kLastWriteWasAsync] === 0) {
      done();
    } else {
      spare = undefined;
      this.#wait(request, bytes, done);
    }
  }

  #wait(request: WriteRequest, bytes: Uint8Array, done: () => void): void {
    this.#waiting++;
    // Nothing else holds them.
    request.bytes = bytes;
    request.oncomplete = (status) => {
      this.#waiting--;
      done();
      const socket = this.#socket;
      if (socket.destroyed) return;
      if (status < 0) socket.destroy(writeError(status));
      // Otherwise the stream says it.
      else if (!this.blocked) socket.emit('drain');
    };
  }
}

/** As Node says it. */
function writeError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' });
}
