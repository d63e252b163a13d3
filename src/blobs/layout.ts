/** The folders of a back end, and which file is whose. */
import { join } from 'node:path';
import type { BlobId } from './model.ts';

/** Closed blobs: `d/xx/yy/ID`. */
export const BLOBS_FOLDER = 'd';
/** Open blobs: `o/ID`, and `o/ID.sums`. */
export const OPEN_FOLDER = 'o';
/** What is being written. */
export const TEMPORARY_FOLDER = 't';
/** Corrupt blobs, for a person to look at. */
export const QUARANTINE_FOLDER = 'q';
/** Deleted blobs, for `GARBAGE_MS`. */
export const GARBAGE_FOLDER = 'g';
/** Files that many small blobs share. */
export const PACKS_FOLDER = 'p';

export const FOLDERS: readonly string[] = [
  BLOBS_FOLDER,
  OPEN_FOLDER,
  TEMPORARY_FOLDER,
  QUARANTINE_FOLDER,
  GARBAGE_FOLDER,
  PACKS_FOLDER,
];

export function blobFolder(root: string, id: BlobId): string {
  return join(root, BLOBS_FOLDER, id.slice(0, 2), id.slice(2, 4));
}

export function blobPath(root: string, id: BlobId): string {
  return `${root}/${BLOBS_FOLDER}/${id.slice(0, 2)}/${id.slice(2, 4)}/${id}`;
}

export function openPath(root: string, id: BlobId): string {
  return join(root, OPEN_FOLDER, id);
}

/** CRCs, length and names of an open blob, as long as it has no trailer. */
export function openSumsPath(root: string, id: BlobId): string {
  return join(root, OPEN_FOLDER, `${id}.sums`);
}
