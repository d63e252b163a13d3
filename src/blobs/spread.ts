/** Which back end takes a new blob: in proportion to the room that each has, and the same one again for the same blob. Pure. */
import { createHash } from 'node:crypto';
import type { BlobId } from './model.ts';

export interface Candidate {
  readonly key: string;
  readonly roomBytes: number;
}

/** Best first; those with too little room are left out. Weighted rendezvous hashing (notes of the file store, section 6). */
export function spread<T extends Candidate>(
  id: BlobId,
  bytes: number,
  candidates: readonly T[],
): readonly T[] {
  return candidates
    .filter(({ roomBytes }) => roomBytes >= bytes)
    .map((candidate) => ({ candidate, score: score(id, candidate) }))
    .sort((a, b) => b.score - a.score)
    .map(({ candidate }) => candidate);
}

function score(id: BlobId, { key, roomBytes }: Candidate): number {
  const digest = createHash('sha256').update(`${id} ${key}`).digest();
  const share = (digest.readUInt32BE() + 1) / (2 ** 32 + 1);
  return -roomBytes / Math.log(share);
}
