/** The API's own refusals, and how anything thrown becomes an answer. */
import { randomId } from '../base/ids.ts';
import type { ErrorBody } from '../base/errors.ts';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Scope } from './model.ts';
import { statusOfCode } from './statuses.ts';

export function unauthorized(message: string): MolnError {
  return new MolnError('API_UNAUTHORIZED', message, {
    hint: 'Send "Authorization: Bearer TOKEN" (make one with moln token create), or run moln console',
  });
}

export function forbidden(wanted: Scope, actual: Scope): MolnError {
  return new MolnError(
    'API_FORBIDDEN',
    `This needs scope "${wanted}", the caller has "${actual}"`,
    {
      hint: `Use a token of scope ${wanted}: moln token create --name NAME --scope ${wanted}`,
      details: { wanted, actual },
    },
  );
}

export function originRefused(): MolnError {
  return new MolnError('API_ORIGIN_FORBIDDEN', 'This request came from another site', {
    hint: 'Use the console itself, or a token instead of the cookie',
  });
}

export function hostUnknown(host: string): MolnError {
  return new MolnError('API_HOST_UNKNOWN', `This node does not answer as "${host}"`, {
    hint: 'Use its address, or localhost on the machine itself',
  });
}

export function tooManyFailures(): MolnError {
  return new MolnError('API_TOO_MANY_FAILURES', 'Too many wrong secrets from this address', {
    hint: 'Wait a minute and try again',
    retryable: true,
  });
}

export function notFound(path: string): MolnError {
  return new MolnError('API_NOT_FOUND', `There is nothing at ${path}`, {
    hint: 'See /api/openapi.json for what there is',
  });
}

export function methodNotAllowed(method: string, allowed: readonly string[]): MolnError {
  return new MolnError(
    'API_METHOD_NOT_ALLOWED',
    `Method ${method} is not for this address, ${allowed.join(', ')} are`,
    { details: { allowed } },
  );
}

/** What travels, with its status. Bugs get an id that leads to the stack in the log, and nothing more. */
export function answerOfError(
  error: unknown,
  log: Logger,
): { readonly status: number; readonly body: ErrorBody } {
  if (isMolnError(error)) {
    const status = statusOfCode(error.code);
    if (status >= 500) log.warn('Request failed on the side of this node', { status, error });
    return { status, body: bodyOf(error) };
  }
  const id = randomId();
  log.error('Request failed by a bug', { id, error });
  return {
    status: 500,
    body: {
      code: 'API_INTERNAL',
      message: `Something went wrong inside this node; its log has more under ${id}`,
      retryable: false,
      hint: `Search the node's log for ${id}`,
      details: { id },
    },
  };
}

/** Also of an error that came from another copy of the package or another process. */
function bodyOf(error: MolnError): ErrorBody {
  return new MolnError(error.code, error.message, {
    retryable: error.retryable,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.details === undefined ? {} : { details: error.details }),
  }).toJSON();
}
