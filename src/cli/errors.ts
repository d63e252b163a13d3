/** Exit codes and the errors that the CLI itself raises. */
import { MolnError, isMolnError, messageOf, type ErrorBody } from '../base/errors.ts';

/** Scripts branch on these; they are part of the contract and listed in `moln help`. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** No node runs on the data folder, or it cannot be reached. */
  noNode: 3,
} as const;

const NO_NODE_CODES: ReadonlySet<string> = new Set(['CLI_NO_NODE', 'CLI_UNREACHABLE']);
/** Mistakes in what was typed: nothing was asked of a node yet. */
const USAGE_CODES: ReadonlySet<string> = new Set(['CLI_USAGE', 'CONFIG_INVALID']);

/** A mistake in the typed command. */
export function usageError(message: string, hint: string): MolnError {
  return new MolnError('CLI_USAGE', message, { hint });
}

/** No agent answers on the data folder's socket. */
export function noNodeError(dataFolder: string, cause: unknown): MolnError {
  return new MolnError('CLI_NO_NODE', `No Moln node runs on data folder "${dataFolder}"`, {
    hint: 'Start one with "moln up", or choose another folder with --data DIR',
    cause,
  });
}

/** A remote node did not answer. */
export function unreachableError(url: string, cause: unknown): MolnError {
  return new MolnError('CLI_UNREACHABLE', `Cannot reach ${url}: ${messageOf(cause)}`, {
    hint: 'Check --url, or that the node runs there with "moln status"',
    retryable: true,
    cause,
  });
}

/** Ctrl-C in a command that waits for the node. */
export function interruptedError(): MolnError {
  return new MolnError('CLI_INTERRUPTED', 'Interrupted before it was done', {
    hint: 'See how things stand with "moln status"',
  });
}

/** A stream that ended without its last word. */
export function streamBroken(): MolnError {
  return new MolnError('CLI_STREAM_BROKEN', 'The node stopped answering before the work was done', {
    hint: 'See what it is doing now with "moln status"',
    retryable: true,
  });
}

export function exitCodeOf(error: unknown): number {
  if (!isMolnError(error)) return EXIT.failed;
  if (NO_NODE_CODES.has(error.code)) return EXIT.noNode;
  return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failed;
}

/** The JSON of anything that was thrown; a bug has the code `CLI_BUG`. */
export function errorBody(error: unknown): ErrorBody {
  if (isMolnError(error)) return error.toJSON();
  return { code: 'CLI_BUG', message: messageOf(error), retryable: false };
}
