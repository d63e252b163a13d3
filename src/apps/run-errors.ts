/** The expected failures of the run side, each with its stable code, sentence and hint. */
import { MolnError } from '../base/errors.ts';
import { unknownName } from '../base/suggest.ts';
import { isoTime } from '../base/time.ts';

export function appNotFound(name: string, known: Iterable<string>): MolnError {
  return new MolnError('APPS_NOT_FOUND', unknownName('app', name, known), {
    hint: 'Run "moln apps" to see all apps',
  });
}

export function appBusy(app: string, what: string, since: number): MolnError {
  const message = `App "${app}" is busy: ${what} is under way since ${isoTime(since)}`;
  return new MolnError('APPS_BUSY', message, {
    hint: `Wait for it to end; "moln app ${app} logs -f" shows what the app does meanwhile`,
    retryable: true,
  });
}

/** By a change that another node coordinates. */
export function appHeld(app: string, by: string): MolnError {
  return new MolnError('APPS_BUSY', `App "${app}" is busy: ${by} has a change of it under way`, {
    hint: 'Wait for it to end and try again',
    retryable: true,
  });
}

export function appConflict(app: string): MolnError {
  return new MolnError('APPS_CONFLICT', `App "${app}" was changed by somebody else meanwhile`, {
    hint: 'Try again',
    retryable: true,
  });
}

export function instanceFailed(options: {
  readonly app: string;
  readonly process: string;
  readonly instance: string;
  readonly reason: string;
  /** What it printed last. */
  readonly lines: readonly string[];
}): MolnError {
  const { app, process, instance, reason, lines } = options;
  return new MolnError('APPS_INSTANCE_FAILED', `Process "${process}" of "${app}" ${reason}`, {
    hint: 'Correct what its last log lines say and try again; nothing was changed',
    details: { instance, reason, lines },
  });
}

export function noRelease(app: string): MolnError {
  return new MolnError('APPS_NOTHING_DEPLOYED', `App "${app}" has nothing deployed yet`, {
    hint: `Run "moln deploy DIR --name ${app}"`,
  });
}

export function releaseNotFound(app: string, release: string, known: readonly string[]): MolnError {
  return new MolnError(
    'APPS_RELEASE_NOT_FOUND',
    unknownName(`release of "${app}"`, release, known),
    { hint: `Run "moln app ${app} releases" to see them` },
  );
}

export function nothingBefore(app: string): MolnError {
  return new MolnError('APPS_NO_ROLLBACK', `App "${app}" has no release before the current one`, {
    hint: `Run "moln app ${app} releases" to see them`,
  });
}

export function instanceNotFound(app: string, id: string, known: readonly string[]): MolnError {
  return new MolnError(
    'APPS_INSTANCE_NOT_FOUND',
    unknownName(`running instance of "${app}"`, id, known),
    { hint: `Run "moln app ${app}" to see its instances` },
  );
}

export function wishInvalid(message: string, hint: string): MolnError {
  return new MolnError('APPS_INVALID', message, { hint });
}

export function domainTaken(domain: string, owner: string): MolnError {
  return new MolnError('APPS_DOMAIN_TAKEN', `Domain "${domain}" belongs to app "${owner}"`, {
    hint: `Take it away there first, or choose another one`,
  });
}

export function noUidLeft(): MolnError {
  return new MolnError('APPS_NO_UID_LEFT', 'All Unix uids that are reserved for apps are in use', {
    hint: 'Remove an app that is no longer needed',
  });
}

export function nodeStops(): MolnError {
  return new MolnError('APPS_NODE_STOPS', 'This node is stopping', {
    hint: 'Start it again with "moln up" and try again',
    retryable: true,
  });
}

/** No node can run an instance. */
export function noPlace(app: string, process: string, reason: string): MolnError {
  return new MolnError('APPS_NO_PLACE', `No node can run ${process} of "${app}": ${reason}`, {
    hint: 'See "moln nodes", add a node, or ask for less in moln.json',
  });
}

/** Of a singleton that this node must not run now. */
export function notHere(app: string, process: string): MolnError {
  return new MolnError('APPS_NOT_HERE', `This node may not run ${process} of "${app}" now`, {
    hint: `See "moln why app ${app}"`,
    retryable: true,
  });
}

/** A command for another node that has not begun. */
export function nodeAway(node: string, cause?: unknown): MolnError {
  return new MolnError('APPS_NODE_AWAY', `Node "${node}" does not answer, and nothing was run`, {
    hint: 'See "moln nodes"',
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A command on another node that may have begun. */
export function commandLost(node: string, cause?: unknown): MolnError {
  return new MolnError(
    'APPS_COMMAND_LOST',
    `Node "${node}" went away before the command on it ended`,
    {
      hint: 'It may have done part of its work; see "moln nodes"',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

export function commandsBusy(most: number): MolnError {
  return new MolnError(
    'APPS_COMMANDS_BUSY',
    `${most} commands of one node run on another already, which is the most`,
    { hint: 'Wait for one to end, or ask the other node itself with --url', retryable: true },
  );
}

export function releaseNowhere(app: string): MolnError {
  return new MolnError(
    'APPS_RELEASE_MISSING',
    `The release of "${app}" is on no node that can be asked`,
    { hint: 'Start the node that has it, or deploy the app again', retryable: true },
  );
}
