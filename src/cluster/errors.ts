/** The cluster part's expected failures. */
import { MolnError } from '../base/errors.ts';

export function dataTooNew(path: string, format: number, known: number): MolnError {
  return new MolnError(
    'CLUSTER_DATA_TOO_NEW',
    `"${path}" was written by a newer Moln (format ${format}, this one knows up to ${known})`,
    {
      hint: 'Start the Moln that wrote it, or choose another folder with --data DIR',
      details: { path, format, known },
    },
  );
}

export function dataDamaged(path: string, why: string, cause?: unknown): MolnError {
  return new MolnError('CLUSTER_DATA_DAMAGED', `Cannot read "${path}": ${why}`, {
    hint: 'Put it back from a backup, or choose another folder with --data DIR',
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The node knows its cluster, but a key that only exists there is gone or another one. */
export function keysMissing(path: string, what: string): MolnError {
  return new MolnError('CLUSTER_KEYS_MISSING', `${what} of this cluster is not in "${path}"`, {
    hint: 'Put the folder "keys" back from a backup; without it, start anew in an empty data folder',
    details: { path },
  });
}

export function nodeNameInvalid(name: string): MolnError {
  return new MolnError(
    'CLUSTER_NAME_INVALID',
    `Name "${name}" is not valid, want 1 to 63 lower-case letters, digits and -`,
    { hint: 'Choose another with --name NODE' },
  );
}

export function sealBroken(context: string, cause?: unknown): MolnError {
  return new MolnError(
    'CLUSTER_SEAL_BROKEN',
    `The sealed value of "${context}" was changed or belongs elsewhere`,
    {
      hint: 'Set the secret again',
      details: { context },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

export function sealKeyUnknown(context: string, keyId: string, wanted: string): MolnError {
  return new MolnError(
    'CLUSTER_SEAL_KEY',
    `The value of "${context}" was sealed with key ${wanted}, this node has key ${keyId}`,
    { hint: 'Put "keys/seal.key" back from a backup, or set the secret again' },
  );
}

export function clockUnset(now: string): MolnError {
  return new MolnError('CLUSTER_CLOCK_UNSET', `The clock of this machine says ${now}`, {
    hint: 'Set the clock, for certificates made now would soon be invalid; then start again',
  });
}

/** Nobody has heard this node for so long that its singletons may run elsewhere. */
export function fenced(lostAfterMs: number): MolnError {
  return new MolnError(
    'CLUSTER_FENCED',
    `This node was not heard for almost ${lostAfterMs} ms and may count as lost elsewhere`,
    { retryable: true, details: { lostAfterMs } },
  );
}

/** Another one leads, or may by now. */
export function deposed(why: string): MolnError {
  return new MolnError('CLUSTER_DEPOSED', `This node does not lead any more: ${why}`, {
    hint: 'See "moln manager" for who leads',
    retryable: true,
  });
}

export function stepUnknown(plan: string, step: string): MolnError {
  return new MolnError(
    'CLUSTER_STEP_UNKNOWN',
    `Plan "${plan}" has a step "${step}" of another Moln`,
    {
      hint: 'Update Moln on the managers',
      details: { plan, step },
    },
  );
}

export function planTooLong(plan: string, count: number, countMax: number): MolnError {
  return new MolnError(
    'CLUSTER_PLAN_TOO_LONG',
    `Plan "${plan}" has ${count} steps, at most ${countMax} are allowed`,
  );
}

/** A call of this node to itself that took too long. */
export function callDeadline(method: string, deadlineMs: number): MolnError {
  return new MolnError(
    'CLUSTER_CALL_DEADLINE',
    `This node did not answer "${method}" within ${deadlineMs} ms`,
    { retryable: true, details: { method, deadlineMs } },
  );
}
