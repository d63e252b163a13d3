/** What a failed call to etcd means: refused, so that nothing was changed, or of unknown outcome. Pure. */
import { MolnError } from '../../base/errors.ts';
import type { CallFailure } from './connection.ts';
import type { Status } from './grpc-wire.ts';

/** Statuses after which the request may have been carried out, may be carried out yet, or never will be. */
const UNKNOWN: ReadonlySet<Status> = new Set([
  'Aborted',
  'Canceled',
  'DataLoss',
  'DeadlineExceeded',
  'Internal',
  'Unavailable',
  'Unknown',
]);

/** False: etcd looked at the request and refused it. */
export function isUnknown(failure: CallFailure): boolean {
  return UNKNOWN.has(failure.status);
}

export function isLeaseLost(failure: CallFailure): boolean {
  return failure.status === 'NotFound' && failure.message.includes('lease');
}

/** `mvcc: required revision has been compacted`: a read of the past. */
export function isCompacted(failure: CallFailure): boolean {
  return failure.status === 'OutOfRange' && failure.message.includes('compacted');
}

/** The error for a request that etcd refused; nothing was changed. */
export function refused(failure: CallFailure): MolnError {
  const { status, message } = failure;
  if (status === 'ResourceExhausted') {
    return message.includes('space') ? noSpace() : overloaded(message);
  }
  if (status === 'Unauthenticated' || status === 'PermissionDenied') {
    return new MolnError('REGISTRY_DENIED', `etcd refuses this node: ${message}`, {
      hint: 'Check the certificate of this node with "moln doctor"',
    });
  }
  return new MolnError('REGISTRY_REFUSED', `etcd refuses a request: ${message}`, {
    details: { status },
  });
}

/** Reads, and requests that were never sent. Nothing was changed. */
export function unavailable(endpoints: readonly string[], why: string): MolnError {
  return new MolnError(
    'REGISTRY_UNAVAILABLE',
    `No manager answers (tried ${endpoints.join(', ')}): ${why}`,
    {
      hint: 'See "moln manager" for which managers are there; nothing was changed',
      retryable: true,
    },
  );
}

/** Sent, and neither confirmed nor ruled out. Repeating it blindly could do it twice. */
export function outcomeUnknown(why: string): MolnError {
  return new MolnError(
    'REGISTRY_OUTCOME_UNKNOWN',
    `It is unknown whether a commit was carried out: ${why}`,
    { hint: 'Read again what it was to change before you repeat it' },
  );
}

function noSpace(): MolnError {
  return new MolnError('REGISTRY_FULL', 'The registry has reached the size limit of etcd', {
    hint: 'Remove apps or releases that are not needed; nothing was changed',
    retryable: true,
  });
}

function overloaded(message: string): MolnError {
  return new MolnError('REGISTRY_OVERLOADED', `etcd has too much to do: ${message}`, {
    retryable: true,
  });
}
