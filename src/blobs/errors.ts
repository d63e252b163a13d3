/** Expected failures of a storage node. The codes are what callers decide by. */
import { MolnError, systemCode } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { BlobId } from './model.ts';

/** Callers look for the next candidate. */
export function full(bytes: number, freeBytes: number): MolnError {
  return new MolnError(
    'BLOBS_FULL',
    `This storage node has room for ${formatBytes(Math.max(0, freeBytes))} more, ${formatBytes(bytes)} are needed`,
    { retryable: true, hint: 'Raise its limit, or add storage: moln storage add DIR' },
  );
}

export function missing(id: BlobId): MolnError {
  return new MolnError('BLOBS_MISSING', `Blob ${id} is not on this storage node`);
}

export function corrupt(id: BlobId, what: string): MolnError {
  return new MolnError('BLOBS_CORRUPT', `Blob ${id} is not what was written here: ${what}`, {
    hint: 'Another copy takes its place by itself; see "moln status"',
    details: { id },
  });
}

const HINT_OF_BUCKET =
  'Look whether its host answers, and its keys in ~/.aws/credentials of the user that Moln runs as';
/** By the scheme of its address. */
const HINT_OF_AWAY: Readonly<Record<string, string>> = {
  '': 'Mount its disk again',
  sftp: 'Make "sftp USER@HOST" (-P PORT) work without a question for the user that Moln runs as',
};

/** A back end is not there, so nothing can be said about what it has. */
export function away(path: string, why: string): MolnError {
  const [scheme] = /^[a-z0-9+]+(?=:\/\/)/.exec(path) ?? [];
  return new MolnError('BLOBS_AWAY', `Storage "${path}" is away: ${why}`, {
    retryable: true,
    hint: `${HINT_OF_AWAY[scheme ?? ''] ?? HINT_OF_BUCKET}, or take it out: moln storage remove NAME`,
  });
}

export function readOnly(path: string): MolnError {
  return new MolnError('BLOBS_READ_ONLY', `Storage "${path}" cannot be written`, {
    retryable: true,
    hint: 'See the kernel log for errors of its disk',
  });
}

export function wrongOffset(id: BlobId, offset: number, length: number): MolnError {
  return new MolnError(
    'BLOBS_OFFSET',
    `Blob ${id} has ${length} bytes, so nothing can be added at ${offset}`,
    { details: { length } },
  );
}

export function sealed(id: BlobId): MolnError {
  return new MolnError('BLOBS_SEALED', `Blob ${id} is closed: nothing can be added or cut off`);
}

export function tooLarge(id: BlobId, bytesMax: number): MolnError {
  return new MolnError(
    'BLOBS_TOO_LARGE',
    `Blob ${id} would get more than ${bytesMax} bytes, which is what was asked for`,
  );
}

export function wrongLength(id: BlobId, actual: number, wanted: number): MolnError {
  return new MolnError(
    'BLOBS_LENGTH',
    `Blob ${id} came with ${actual} bytes, ${wanted} were announced`,
    { retryable: true },
  );
}

export function wrongHash(id: BlobId, actual: string, wanted: string): MolnError {
  return new MolnError('BLOBS_HASH', `Blob ${id} came with SHA-256 ${actual}, want ${wanted}`, {
    retryable: true,
  });
}

export function invalid(message: string): MolnError {
  return new MolnError('BLOBS_INVALID', message);
}

export function refusedTicket(why: string): MolnError {
  return new MolnError('BLOBS_TICKET', `The ticket does not allow this: ${why}`, {
    hint: 'Clocks that differ by minutes make tickets expire: see "moln status"',
  });
}

const READ_ONLY_CODES: ReadonlySet<string | undefined> = new Set(['EROFS', 'EACCES', 'EPERM']);
const FULL_CODES: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** What a disk said, as the answer to a caller; other errors go through as they are. */
export function fromDisk(error: unknown, path: string): unknown {
  const code = systemCode(error);
  if (FULL_CODES.has(code)) {
    return new MolnError('BLOBS_FULL', `The disk of storage "${path}" is full`, {
      retryable: true,
      cause: error,
      hint: 'Free some space there, or keep more free: moln storage limit DIR',
    });
  }
  if (READ_ONLY_CODES.has(code)) return readOnly(path);
  if (code === 'EIO' || code === 'ESTALE' || code === 'ENXIO' || code === 'ENODEV') {
    return new MolnError('BLOBS_DISK', `The disk of storage "${path}" failed (${code})`, {
      retryable: true,
      cause: error,
      hint: 'See the kernel log; its blobs are copied to other nodes',
    });
  }
  return error;
}
