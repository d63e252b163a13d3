/** The registry's expected failures. */
import { messageOf, MolnError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';

/** A key, value or commit beyond its limit. Shown with both sizes. */
export function tooLarge(what: string, bytes: number, bytesMax: number): MolnError {
  return new MolnError(
    'REGISTRY_TOO_LARGE',
    `${what} has ${bytes} bytes, at most ${bytesMax} (${formatBytes(bytesMax)}) are allowed`,
    { hint: 'Store large things as files or blobs and keep only their name in the registry' },
  );
}

export function tooMany(what: string, count: number, countMax: number): MolnError {
  return new MolnError(
    'REGISTRY_TOO_MANY',
    `A commit has ${count} ${what}, at most ${countMax} are allowed`,
    { hint: 'Split the change into several commits' },
  );
}

export function keyInvalid(key: string, why: string): MolnError {
  return new MolnError('REGISTRY_KEY_INVALID', `Key ${JSON.stringify(key)} ${why}`);
}

export function duplicateKey(key: string): MolnError {
  return new MolnError('REGISTRY_DUPLICATE_KEY', `A commit changes key "${key}" more than once`);
}

export function compacted(fromRevision: number, oldest: number): MolnError {
  return new MolnError(
    'REGISTRY_COMPACTED',
    `Revision ${fromRevision} is no longer kept, the oldest is ${oldest}`,
    { hint: 'List again and watch from the revision after that', details: { oldest } },
  );
}

/** The code is that of a compaction, for the cure is the same. */
export function moved(): MolnError {
  return new MolnError(
    'REGISTRY_COMPACTED',
    'The registry is read elsewhere now, and what led there is not known',
    { hint: 'List again and watch from the revision after that' },
  );
}

/** Done here, and not said to be safe elsewhere. */
export function unconfirmed(revision: number, cause: unknown): MolnError {
  return new MolnError(
    'REGISTRY_OUTCOME_UNKNOWN',
    `A commit was carried out and nobody else has it yet: ${messageOf(cause)}`,
    {
      hint: 'Read again what it was to change before you repeat it',
      details: { revision },
      cause,
    },
  );
}

export function leaseLost(id: string): MolnError {
  return new MolnError('REGISTRY_LEASE_LOST', `Lease "${id}" has ended`, {
    details: { leaseId: id },
  });
}

export function closed(): MolnError {
  return new MolnError('REGISTRY_CLOSED', 'The registry is closed', { retryable: true });
}

export function full(bytesMax: number): MolnError {
  return new MolnError(
    'REGISTRY_FULL',
    `The registry has reached its limit of ${formatBytes(bytesMax)}`,
    { hint: 'Remove apps or releases that are not needed; nothing was changed' },
  );
}

/** Somebody else changed the record since it was read. */
export function conflict(key: string): MolnError {
  return new MolnError('REGISTRY_CONFLICT', `Record "${key}" was changed by somebody else`, {
    hint: 'Read it again and repeat the change',
    retryable: true,
    details: { key },
  });
}

export function recordInvalid(key: string, cause: unknown, why: string): MolnError {
  return new MolnError('REGISTRY_RECORD_INVALID', `Record "${key}" cannot be read: ${why}`, {
    details: { key },
    cause,
  });
}

export function recordTooNew(key: string, format: number, known: number): MolnError {
  return new MolnError(
    'REGISTRY_RECORD_TOO_NEW',
    `Record "${key}" was written by a newer Moln (format ${format}, this one knows up to ${known})`,
    { hint: 'Update Moln on this node', details: { key, format, known } },
  );
}
