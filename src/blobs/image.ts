/** Reading one closed blob, checked: the whole file, or a part of a file that many share. */
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { giveBack, PIECE_BYTES_MAX, takePiece } from '../base/piece-pool.ts';
import { corrupt } from './errors.ts';
import {
  decodeNames,
  decodeTable,
  decodeTrailer,
  imageBytes,
  metaOf,
  tableBytes,
  type Trailer,
  TRAILER_BYTES,
} from './format.ts';
import { BLOCK_BYTES } from './limits.ts';
import type { BlobId, BlobMeta, BlobRange } from './model.ts';

/** What a payload is checked by. */
export interface Checked {
  readonly id: BlobId;
  readonly length: number;
  /** Absent: whoever gets the bytes checks them. */
  readonly crcs?: readonly number[];
}

export interface Image extends Checked {
  readonly crcs: readonly number[];
  readonly sha256: string;
  readonly meta: BlobMeta;
}

/** So much is read at first: the whole tail of a blob of 8 MiB. */
const TAIL_BYTES = 4096;

/** Reads what is behind the payload. Throws `BLOBS_CORRUPT`. */
export async function readImage(file: FileHandle, id: BlobId, fileBytes: number): Promise<Image> {
  const bytes = Math.min(TAIL_BYTES, fileBytes);
  const tail = await readFully(file, id, fileBytes - bytes, bytes);
  const trailer = checkTrailer(decodeTrailer(tail.subarray(-TRAILER_BYTES)), id, fileBytes);
  const tailBytes = fileBytes - trailer.length;
  const whole = tailBytes <= bytes ? tail : await readFully(file, id, trailer.length, tailBytes);
  return decodeTail(whole.subarray(whole.length - tailBytes), trailer);
}

/** Of an image that is in memory. Throws `BLOBS_CORRUPT`; the payload is not looked at. */
export function imageOf(bytes: Buffer, id: BlobId): Image {
  const trailer = checkTrailer(decodeTrailer(bytes.subarray(-TRAILER_BYTES)), id, bytes.length);
  return decodeTail(bytes.subarray(trailer.length), trailer);
}

export function checkTrailer(trailer: Trailer | undefined, id: BlobId, bytes: number): Trailer {
  if (trailer === undefined) throw corrupt(id, 'its trailer is gone or damaged');
  if (trailer.id !== id) throw corrupt(id, `it is blob ${trailer.id}`);
  if (imageBytes(trailer) !== bytes) {
    throw corrupt(id, `it has ${bytes} bytes on disk, want ${imageBytes(trailer)}`);
  }
  return trailer;
}

function decodeTail(tail: Buffer, trailer: Trailer): Image {
  const { id, length, sha256 } = trailer;
  const tableEnd = tableBytes(trailer);
  const crcs = decodeTable(tail.subarray(0, tableEnd), trailer);
  if (crcs === undefined) throw corrupt(id, 'its list of checksums is damaged');
  const names = decodeNames(tail.subarray(tableEnd, tableEnd + trailer.namesBytes), trailer);
  if (names === undefined) throw corrupt(id, 'its names are damaged');
  return { id, length, sha256, crcs, meta: metaOf(trailer, names) };
}

/**
 * The bytes of a range, each block of it checked before it is given on; the next piece is read meanwhile. A piece may be given back
 * (`piece-pool.ts`).
 */
export async function* readChecked(
  file: FileHandle,
  blob: Checked,
  range: BlobRange,
): AsyncGenerator<Buffer, void, undefined> {
  const end = Math.min(range.end, blob.length);
  let at = range.start - (range.start % BLOCK_BYTES);
  if (range.start >= end) return;
  const pieceAt = (from: number): Promise<Buffer> => {
    const length = Math.min(PIECE_BYTES_MAX, blockEnd(end, blob) - from);
    return readFully(file, blob.id, from, length, takePiece(length));
  };
  let next: Promise<Buffer> | undefined = pieceAt(at);
  try {
    while (next !== undefined) {
      const piece: Buffer = await next;
      const behind = at + piece.length;
      next = behind < end ? pieceAt(behind) : undefined;
      checkBlocks(piece, at, blob);
      const from = Math.max(range.start - at, 0);
      yield piece.subarray(from, Math.min(end - at, piece.length));
      at = behind;
    }
  } finally {
    // The file must not be closed under a read, and nobody waits for this one any more.
    await next?.then(giveBack, () => undefined);
  }
}

/** Where the block ends that has the last wanted byte. */
function blockEnd(end: number, blob: Checked): number {
  return Math.min(Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES, blob.length);
}

/** `bytes` begin at a block of the payload. Throws `BLOBS_CORRUPT`. */
export function checkBlocks(bytes: Buffer, at: number, { id, crcs }: Checked): void {
  if (crcs === undefined) return;
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const block = (at + from) / BLOCK_BYTES;
    if (crc32(bytes.subarray(from, from + BLOCK_BYTES)) !== crcs[block]) {
      throw corrupt(id, `the checksum of its block ${block} is wrong`);
    }
  }
}

/** Throws `BLOBS_CORRUPT` when the file ends before. */
export async function readFully(
  file: FileHandle,
  id: BlobId,
  position: number,
  length: number,
  buffer: Buffer = Buffer.allocUnsafe(length),
): Promise<Buffer> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw corrupt(id, `its file ends at ${position + done}`);
    done += bytesRead;
  }
  return buffer;
}
