/**
 * A blob from one storage to another, as it is, with what is kept with it. It is checked once, by its SHA-256 where it is written: whoever reads it for
 * that leaves out the checksums of blocks, and is asked to look at it when it was not what it should be.
 */
import { isMolnError } from '../base/errors.ts';
import { corrupt, invalid, missing } from './errors.ts';
import type { BlobId, BlobStore, Written } from './model.ts';

export interface CopyWay {
  readonly from: BlobStore;
  readonly to: BlobStore;
  readonly maxBytes: number;
  /** Called with the bytes of each piece. */
  readonly onBytes?: (bytes: number) => void;
}

/** Durable when it resolves. `BLOBS_CORRUPT`: the one that was read is damaged, and put aside there. A copy keeps the number of the placement that it was written with. */
export async function copyBlob(
  id: BlobId,
  { from, to, maxBytes, onBytes = () => undefined }: CopyWay,
): Promise<Written> {
  const { length, sha256, body, original } = await from.get(id, undefined, { forCopy: true });
  try {
    // It still grows: what there is of it would be taken for all.
    if (sha256 === undefined) throw invalid(`Blob ${id} is not closed, so it cannot be copied`);
    const meta = original?.meta ?? (await from.stat(id))?.meta;
    if (meta === undefined) throw missing(id);
    const { crcs } = original ?? {};
    return await to.put(id, counted(body, onBytes), {
      ...meta,
      length,
      sha256,
      ...(crcs === undefined ? {} : { crcs }),
      maxBytes,
      givesPieces: true,
    });
  } catch (error) {
    // One that was refused before anybody read it still holds its connection.
    await body[Symbol.asyncIterator]().return?.();
    if (isMolnError(error, 'BLOBS_HASH') && (await from.verify(id)) === 'corrupt')
      throw corrupt(id, 'its SHA-256 is another one');
    throw error;
  }
}

async function* counted(
  body: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    onBytes(piece.length);
    yield piece;
  }
}
