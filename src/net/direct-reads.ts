/**
 * Reads of all sockets into one buffer, past their streams. Node allocates 64 KiB for each read and its stream asks many questions
 * about it; both cost more than a small request itself. The end, errors, and what comes in spite of a pause take the stream's way.
 */
import type { Socket } from 'node:net';
import { provenBinding } from './stream-binding.ts';

/** The bytes `0..size` are valid only during the call; those that last, until the socket is read again. */
export type BytesTaker = (buffer: Buffer, size: number, lasts: boolean) => void;

interface ReadingHandle {
  /** What it returns is read into from then on. */
  onread?: (this: object, bytes: unknown) => Buffer | undefined;
  reading?: boolean;
  useUserBuffer(buffer: Buffer): unknown;
  readStart(): unknown;
  readStop(): unknown;
}

const READ_BYTES = 64 * 1024;
/** What came is used up before anything else is read. It stays in the processor's cache, and idle sockets need none. */
const readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Of a socket that brings much at a time. */
const OWN_BYTES: number = 256 * 1024;
/** Of such sockets, until they close; further ones go on with the buffer of all. */
const OWN_MAX = 128;
let own = 0;

/**
 * Starts reading from a connected socket; a pause holds it up as ever. What it gives back ends it: the socket is paused then, and whatever comes
 * goes to its stream. `mayOwn`: a socket that fills the buffer of all gets one of its own, whose bytes last. `pastPause`: what TLS had read before a
 * pause is given all the same, at most 64 KiB, in place of waiting in the stream as buffers of their own.
 */
export function takeReads(
  socket: Socket,
  take: BytesTaker,
  options: { readonly mayOwn?: boolean; readonly pastPause?: boolean } = {},
): () => void {
  let taker: BytesTaker | undefined = take;
  divert(socket, () => taker, options);
  const onData = (chunk: Buffer): void => taker?.(chunk, chunk.length, true);
  socket.on('data', onData);
  socket.resume();
  return () => {
    taker = undefined;
    // The handle reads on, as the stream believes: what it brings waits in the stream.
    socket.off('data', onData).off('pause', stopReading).off('resume', goOnReading);
    socket.pause();
  };
}

/** `taker`: undefined when reads are its no more. */
function divert(
  socket: Socket,
  taker: () => BytesTaker | undefined,
  {
    mayOwn = false,
    pastPause = false,
  }: { readonly mayOwn?: boolean; readonly pastPause?: boolean },
): void {
  const binding = provenBinding();
  const handle = readingHandle(socket);
  if (binding === undefined || handle === undefined) return;
  const { streamBaseState, kReadBytesOrError } = binding;
  const usual = handle.onread;
  handle.useUserBuffer(readBuffer);
  let buffer = readBuffer;
  handle.onread = function (bytes): Buffer | undefined {
    const size = streamBaseState[kReadBytesOrError] ?? 0;
    const take = taker();
    const filled = buffer;
    if (mayOwn && size === READ_BYTES && filled === readBuffer && own < OWN_MAX) {
      buffer = ownBuffer(socket);
    }
    if (size <= 0) usual?.call(this, bytes);
    else if (
      take !== undefined &&
      (socket.readableFlowing === true || pastPause) &&
      socket.readableLength === 0
    )
      take(filled, size, filled !== readBuffer);
    // TLS had read it before the pause. The stream keeps it, and reads on by itself until it is full.
    else if (!socket.push(Buffer.from(filled.subarray(0, size)))) stopReading.call(socket);
    return buffer === filled ? undefined : buffer;
  };
  socket.on('pause', stopReading);
  socket.on('resume', goOnReading);
}

function ownBuffer(socket: Socket): Buffer {
  own++;
  socket.once('close', () => own--);
  return Buffer.allocUnsafeSlow(OWN_BYTES);
}

function readingHandle(socket: Socket): ReadingHandle | undefined {
  const { _handle: handle } = socket as unknown as {
    readonly _handle: Partial<ReadingHandle> | null;
  };
  const isAsExpected =
    typeof handle?.onread === 'function' &&
    typeof handle.useUserBuffer === 'function' &&
    typeof handle.readStart === 'function' &&
    typeof handle.readStop === 'function';
  return isAsExpected ? (handle as ReadingHandle) : undefined;
}

/** The stream would go on until it is full. */
function stopReading(this: Socket): void {
  const handle = readingHandle(this);
  if (handle === undefined) return;
  handle.reading = false;
  handle.readStop();
}

/** The stream was not told of what came, and believes that it still waits for it. */
function goOnReading(this: Socket): void {
  const handle = readingHandle(this);
  if (handle === undefined || handle.reading === true) return;
  handle.reading = true;
  handle.readStart();
}
