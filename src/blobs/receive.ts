/** The body of a put: checked while it comes, and the first part of it kept back until it is known whether there is more. */
import { tooLarge, wrongHash, wrongLength } from './errors.ts';
import { PACKED_BYTES_MAX } from './limits.ts';
import type { BlobId, PutOptions, Written } from './model.ts';

export interface Received {
  readonly pieces: readonly Uint8Array[];
  /** Undefined: `pieces` are all. */
  readonly rest: AsyncIterable<Uint8Array> | undefined;
}

/** Reads on until the body is too large to share a file with others, or has ended. */
export async function receiveHead(
  body: AsyncIterable<Uint8Array>,
  id: BlobId,
  options: PutOptions,
): Promise<Received> {
  const bytesMax = bytesMaxOf(options);
  const iterator = body[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let length = 0;
  while (length < PACKED_BYTES_MAX) {
    const next = await iterator.next();
    if (next.done === true) return { pieces, rest: undefined };
    length += next.value.length;
    if (length > bytesMax) {
      await iterator.return?.();
      throw tooLarge(id, bytesMax);
    }
    pieces.push(next.value);
  }
  return { pieces, rest: { [Symbol.asyncIterator]: () => iterator } };
}

/** The most that may come. */
export function bytesMaxOf({ length, maxBytes }: PutOptions): number {
  return Math.min(length ?? maxBytes, maxBytes);
}

/** Throws when what came is not what was announced. */
export function checkWritten(id: BlobId, written: Written, options: PutOptions): void {
  if (options.length !== undefined && written.length !== options.length) {
    throw wrongLength(id, written.length, options.length);
  }
  if (options.sha256 !== undefined && written.sha256 !== options.sha256) {
    throw wrongHash(id, written.sha256, options.sha256);
  }
}
