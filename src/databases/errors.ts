/** The errors of databases: a stable code, a sentence, and what to do. */
import { MolnError } from '../base/errors.ts';
import { unknownName } from '../base/suggest.ts';
import { DATABASES_MAX, NAME_LENGTH_MAX } from './limits.ts';

export function notFound(name: string, known: readonly string[]): MolnError {
  return new MolnError('DATABASES_NOT_FOUND', unknownName('database', name, known), {
    hint: 'See them with "moln db list", or make one with "moln db create NAME"',
  });
}

export function nameInvalid(name: string): MolnError {
  return new MolnError(
    'DATABASES_NAME_INVALID',
    `"${name.slice(0, 100)}" is no name for a database`,
    {
      hint: `Take lower-case letters, digits and - inside, starting with a letter, at most ${NAME_LENGTH_MAX}`,
    },
  );
}

export function nameTaken(name: string): MolnError {
  return new MolnError('DATABASES_NAME_TAKEN', `There is a database "${name}" already`, {
    hint: `See it with "moln db show ${name}"`,
  });
}

export function reserved(name: string): MolnError {
  return new MolnError('DATABASES_RESERVED', `"${name}" is one of Moln's own databases`, {
    hint: 'Take a name that does not begin with "moln-"',
  });
}

export function tooMany(): MolnError {
  return new MolnError('DATABASES_TOO_MANY', `There are ${DATABASES_MAX} databases already`, {
    hint: 'Drop one with "moln db drop NAME"',
  });
}

export function settingInvalid(sentence: string, hint: string): MolnError {
  return new MolnError('DATABASES_SETTING_INVALID', sentence, { hint });
}

export function stripeNotFound(name: string, stripe: number, stripes: number): MolnError {
  return new MolnError(
    'DATABASES_STRIPE_NOT_FOUND',
    `Database "${name}" has stripes 0 to ${stripes - 1}, and no stripe ${stripe}`,
    { hint: `See them with "moln db stripes ${name}"` },
  );
}

export function cannotLead(node: string, why: string): MolnError {
  return new MolnError('DATABASES_NODE_UNFIT', `Node "${node}" cannot lead a stripe: ${why}`, {
    hint: 'See the nodes with "moln nodes"',
  });
}

/** It will happen when it can. */
export function moveWaits(name: string, stripe: number, why: string): MolnError {
  return new MolnError(
    'DATABASES_MOVE_WAITS',
    `Stripe ${stripe} of "${name}" has not moved yet: ${why}. It moves as soon as it can`,
    { hint: `Look with "moln db stripes ${name}"`, retryable: true },
  );
}

/** It goes on by itself. */
export function splitWaits(name: string, stripe: number, why: string): MolnError {
  return new MolnError(
    'DATABASES_SPLIT_WAITS',
    `Stripe ${stripe} of "${name}" is not split yet: ${why}. It goes on by itself`,
    { hint: `Look with "moln db stripes ${name}"`, retryable: true },
  );
}

export function outOfReach(name: string, at: string, oldest: string | undefined): MolnError {
  const reach =
    oldest === undefined
      ? 'nothing of it has been noted yet'
      : `its log reaches back to ${oldest}, and not beyond now`;
  return new MolnError('DATABASES_OUT_OF_REACH', `"${name}" cannot be had as of ${at}: ${reach}`, {
    hint: `"moln db show ${name}" tells how far back one can go`,
  });
}

/** The process does not answer; it is being started again. */
export function away(why: string): MolnError {
  return new MolnError('DATABASES_AWAY', `The database process does not answer: ${why}`, {
    hint: 'Ask again in a moment; "moln doctor" tells more if it stays so',
    retryable: true,
  });
}

export function notReady(name: string, why: string): MolnError {
  return new MolnError('DATABASES_NOT_READY', `Database "${name}" is not ready: ${why}`, {
    hint: `Look at it with "moln db stripes ${name}"`,
    retryable: true,
  });
}

/** `name`: of the process. */
export function startFailed(name: string, output: string, why: string): MolnError {
  return new MolnError('DATABASES_START_FAILED', `The ${name} does not start: ${why}`, {
    hint: `Read ${output}`,
  });
}

/** Nothing waits for it. */
export function vaultAway(why: string): MolnError {
  return new MolnError('DATABASES_VAULT_AWAY', `The file store does not answer: ${why}`, {
    hint: 'It is tried again; "moln status" tells what is wrong with files',
    retryable: true,
  });
}

/** In SQLite's words. */
export function sqlWrong(message: string): MolnError {
  return new MolnError('DATABASES_SQL_INVALID', message);
}

export function tooManyLevels(name: string): MolnError {
  return new MolnError(
    'DATABASES_LEVELS_MANY',
    `Clients of "${name}" use too many different read levels`,
    { hint: 'Use "PRAGMA moln_read" for the others' },
  );
}

/** What a client of the API reads while the process is away: an error as clients of libSQL know it. */
export const AWAY_BODY: string = JSON.stringify({
  message: 'The database process does not answer; ask again in a moment',
  code: 'DATABASES_AWAY',
});

/** The same when it was asked and then said nothing: what was asked may have happened. */
export const LOST_BODY: string = JSON.stringify({
  message:
    'The database process ended before it answered; read before you repeat what changes rows',
  code: 'DATABASE_OUTCOME_UNKNOWN',
});

/** Of a database in the file store. */
export function descriptionUnknown(why: string): MolnError {
  return new MolnError(
    'DATABASES_DESCRIPTION_UNKNOWN',
    `What the file store tells of a database cannot be read: ${why}`,
    { hint: 'Use the release of Moln that the lost cloud ran, or a newer one' },
  );
}

export function lostNotFound(name: string, known: readonly string[]): MolnError {
  return new MolnError('DATABASES_LOST_NOT_FOUND', unknownName('lost database', name, known), {
    hint: 'See those with "moln db lost"; "moln recover FOLDER…" brings them back with the files',
  });
}

export function lostSeveral(name: string, ids: readonly string[]): MolnError {
  return new MolnError(
    'DATABASES_LOST_SEVERAL',
    `There are ${ids.length} lost databases "${name}": ${ids.join(', ')}`,
    { hint: 'Give the id of one: "moln db lost" shows of when they are' },
  );
}

export function lostIncomplete(name: string, why: string): MolnError {
  return new MolnError(
    'DATABASES_LOST_INCOMPLETE',
    `Of the lost database "${name}" not all stripes can be had as of one moment: ${why}`,
    { hint: 'Recover once more with all disks that there are: "moln recover FOLDER…"' },
  );
}
