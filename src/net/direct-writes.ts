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

/** Each answers an error as a negative number, or 0. */
interface WritingHandle {
  /** The bytes must stay as they are until the request completes. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  /** The same. */
  writev(request: WriteRequest, pieces: readonly Uint8Array[], areBytes: true): number;
  /** Copied when the kernel does not take it at once. */
  writeLatin1String(request: WriteRequest, text: string): number;
  /** Bytes that wait; over TLS all of a write until its end. */
  readonly writeQueueSize: number;
  /** Beneath TLS: what of that waits. */
  readonly _parent?: { readonly writeQueueSize?: number };
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

  /** Grows with what waits, and shrinks while the other side takes it, also in the middle of one large write. */
  get unsentBytes(): number {
    if (!this.hasWaiting) return 0;
    const { _handle: handle, writableLength } = this.#socket as unknown as {
      readonly _handle: Partial<WritingHandle> | null;
      readonly writableLength: number;
    };
    const beneath = handle?._parent?.writeQueueSize ?? 0;
    return writableLength + (handle?.writeQueueSize ?? 0) + beneath;
  }

  /** `done` is called when the bytes may be used for something else, perhaps before this returns. */
  write(bytes: Uint8Array, done: () => void): void {
    const handle = this.#handle();
    if (handle === undefined) {
      this.#socket.write(bytes, done);
      return;
    }
    const request = this.#request();
    this.#wrote(handle.writeBuffer(request, bytes), bytes, done);
  }

  /** In one call of the system. */
  writeAll(pieces: readonly Uint8Array[], done: () => void): void {
    const socket = this.#socket;
    const handle = this.#handle();
    if (handle === undefined) {
      socket.cork();
      for (const [index, piece] of pieces.entries()) {
        if (index < pieces.length - 1) socket.write(piece);
        else socket.write(piece, done);
      }
      socket.uncork();
      return;
    }
    const request = this.#request();
    this.#wrote(handle.writev(request, pieces, true), pieces, done);
  }

  /** Latin1. */
  writeText(text: string): void {
    const handle = this.#handle();
    if (handle === undefined) {
      this.#socket.write(text, 'latin1');
      return;
    }
    const request = this.#request();
    this.#wrote(handle.writeLatin1String(request, text), undefined, nothing);
  }

  /** Undefined: the stream has to be written to. */
  #handle(): WritingHandle | undefined {
    const socket = this.#socket;
    if (this.#binding === undefined || socket.writableLength > 0 || socket.connecting) {
      return undefined;
    }
    const { _handle: handle } = socket as unknown as {
      readonly _handle: Partial<WritingHandle> | null;
    };
    return handle?.writeBuffer === undefined ? undefined : (handle as WritingHandle);
  }

  #request(): WriteRequest {
    if (this.#binding === undefined) throw new Error('Nothing is known of handles');
    return (spare ??= new this.#binding.WriteWrap());
  }

  /** What became of a write with the spare request. */
  #wrote(code: number, bytes: WriteRequest['bytes'], done: () => void): void {
    const binding = this.#binding;
    if (code !== 0) {
      done();
      this.#socket.destroy(writeError(code));
    } else if (binding?.streamBaseState[binding.kLastWriteWasAsync] === 0) {
      done();
    } else if (spare !== undefined) {
      const request = spare;
      spare = undefined;
      this.#wait(request, bytes, done);
    }
  }

  #wait(request: WriteRequest, bytes: WriteRequest['bytes'], done: () => void): void {
    this.#waiting++;
    // Nothing else holds them.
    request.bytes = bytes;
    request.oncomplete = (status) => {
      this.#waiting--;
      done();
      const socket = this.#socket;
      if (socket.destroyed) return;
      if (status < 0) socket.destroy(writeError(status));
      // Otherwise the stream says it; and after an end nobody does, as there is nothing left to write.
      else if (!this.blocked && !socket.writableEnded) socket.emit('drain');
    };
  }
}

const nothing = (): void => undefined;

/** As Node says it. */
function writeError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' });
}
