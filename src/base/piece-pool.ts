/**
 * Buffers for pieces of files on their way through this process. V8 begins a whole collection for each thirty megabytes or so of new ones, so whoever has done
 * with a piece gives it back. Who keeps pieces, or does not know who else does, gives nothing back: then the collector has it, as any other.
 */

/** Of each buffer here. */
export const PIECE_BYTES_MAX: number = 256 * 1024;
/** Shorter ones are not worth a whole buffer. */
const PIECE_BYTES_MIN: number = 64 * 1024;
/** That wait to be used again, 12 MiB of them: what copies of repair use at once, to a process and from it. */
const IDLE_MAX = 48;

const idle: ArrayBufferLike[] = [];
/** From here, and not given back: by how many it has to be. */
const lent = new WeakMap<ArrayBufferLike, number>();

/** So many bytes, with whatever was in them. */
export function takePiece(length: number): Buffer {
  if (length < PIECE_BYTES_MIN || length > PIECE_BYTES_MAX) return Buffer.allocUnsafe(length);
  const buffer = idle.pop() ?? new ArrayBuffer(PIECE_BYTES_MAX);
  lent.set(buffer, 1);
  return Buffer.from(buffer, 0, length);
}

/** One more has it, or a part of it, who gives it back too. Does nothing for buffers that are from elsewhere. */
export function share(piece: Uint8Array): void {
  const { buffer } = piece;
  const holders = lent.get(buffer);
  if (holders !== undefined) lent.set(buffer, holders + 1);
}

/** Its holder reads or sends it, or any part of it, no more. Once for each who has it; does nothing for buffers that are from elsewhere. */
export function giveBack(piece: Uint8Array): void {
  const { buffer } = piece;
  const holders = lent.get(buffer);
  if (holders === undefined) return;
  if (holders > 1) {
    lent.set(buffer, holders - 1);
    return;
  }
  lent.delete(buffer);
  if (idle.length < IDLE_MAX) idle.push(buffer);
}

/** For the write of a piece to a stream: gives it back when the kernel has it. After an error nobody knows who still reads it. */
export function sentOf(piece: Uint8Array): (error?: Error | null) => void {
  return (error) => {
    if (error === undefined || error === null) giveBack(piece);
  };
}
