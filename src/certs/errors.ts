/** What can go wrong with certificates, each as one sentence. */
import { MolnError } from '../base/errors.ts';

/** A file is no PEM, a chain is in the wrong order, a key is encrypted. */
export const CERTS_PEM_INVALID = 'CERTS_PEM_INVALID';
export const CERTS_KEY_INVALID = 'CERTS_KEY_INVALID';
export const CERTS_HOST_INVALID = 'CERTS_HOST_INVALID';
/** The authority does not answer. */
export const CERTS_UNREACHABLE = 'CERTS_UNREACHABLE';
/** The authority asks to come back later. */
export const CERTS_RATE_LIMITED = 'CERTS_RATE_LIMITED';
export const CERTS_CHALLENGE_FAILED = 'CERTS_CHALLENGE_FAILED';
/** The authority does not want what was asked. */
export const CERTS_REFUSED = 'CERTS_REFUSED';
/** The authority does not know the order, or not any more. */
export const CERTS_ORDER_GONE = 'CERTS_ORDER_GONE';
export const CERTS_HOOK_FAILED = 'CERTS_HOOK_FAILED';
export const CERTS_NOT_FOUND = 'CERTS_NOT_FOUND';
export const CERTS_OFF = 'CERTS_OFF';

export function pemInvalid(message: string, hint: string, cause?: unknown): MolnError {
  return new MolnError('CERTS_PEM_INVALID', message, { hint, cause });
}

export function keyInvalid(message: string, hint: string, cause?: unknown): MolnError {
  return new MolnError('CERTS_KEY_INVALID', message, { hint, cause });
}

export function hostInvalid(message: string, hint: string): MolnError {
  return new MolnError('CERTS_HOST_INVALID', message, { hint });
}

export function unreachable(url: string, why: string, cause?: unknown): MolnError {
  return new MolnError(
    'CERTS_UNREACHABLE',
    `The certificate authority at ${url} cannot be reached: ${why}`,
    { retryable: true, hint: 'See whether this machine may reach that address', cause },
  );
}

/** `type`: of the problem document (RFC 8555 6.7), without its prefix. */
export function refused(what: {
  readonly url: string;
  readonly status: number;
  readonly type: string;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
}): MolnError {
  const { url, status, type, detail, retryAfterMs } = what;
  const said = `${detail === '' ? `status ${status}` : detail}${type === '' ? '' : ` (${type})`}`;
  if (type === 'rateLimited' || status === 429) {
    return new MolnError(
      'CERTS_RATE_LIMITED',
      `The certificate authority at ${url} asks to wait: ${said}`,
      { retryable: true, ...(retryAfterMs === undefined ? {} : { details: { retryAfterMs } }) },
    );
  }
  if (status >= 500) return unreachable(url, said);
  return new MolnError('CERTS_REFUSED', `The certificate authority at ${url} refused: ${said}`, {
    details: { type, status },
  });
}

export function orderGone(url: string): MolnError {
  return new MolnError(
    'CERTS_ORDER_GONE',
    `The certificate authority does not know the order ${url} any more`,
    { retryable: true },
  );
}

export function challengeFailed(message: string, hint: string): MolnError {
  return new MolnError('CERTS_CHALLENGE_FAILED', message, { hint, retryable: true });
}

export function hookFailed(message: string, cause?: unknown): MolnError {
  return new MolnError('CERTS_HOOK_FAILED', message, {
    hint: 'The program gets "set NAME VALUE" or "clear NAME VALUE" and has to end with 0 when DNS has it',
    cause,
  });
}

export function notFound(host: string): MolnError {
  return new MolnError('CERTS_NOT_FOUND', `There is no certificate for "${host}"`, {
    hint: 'See "moln certificate list"',
  });
}

export function off(): MolnError {
  return new MolnError('CERTS_OFF', 'Ordering certificates is switched off', {
    hint: 'Switch it on with "moln certificate acme --email YOU@EXAMPLE.ORG --terms-agreed"',
  });
}
