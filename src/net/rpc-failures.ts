/** What can go wrong on the way to another node, as sentences that say which way and why. */
import { isMolnError, messageOf, MolnError, systemCode } from '../base/errors.ts';
import {
  NET_RPC_BROKEN,
  NET_RPC_DEADLINE,
  NET_RPC_NOT_TRUSTED,
  NET_RPC_UNREACHABLE,
} from './errors.ts';

interface Where {
  readonly address: string;
  readonly port: number;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  EHOSTUNREACH: 'no way to that machine',
  ENETUNREACH: 'no way to that network',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'no such name',
  EAI_AGAIN: 'the name cannot be looked up now',
};

/** By the codes of OpenSSL as Node passes them on. */
const DISTRUST: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired by the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet by the clock of this machine',
  SELF_SIGNED_CERT_IN_CHAIN: 'it belongs to another cluster',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it belongs to another cluster',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it belongs to another cluster',
  UNABLE_TO_GET_ISSUER_CERT: 'it belongs to another cluster',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'it belongs to another cluster',
  CERT_SIGNATURE_FAILURE: 'it belongs to another cluster',
};

/** `10.0.0.2:7420`, `[2001:db8::1]:7420`. */
export function hostAndPort({ address, port }: Where): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Without a cause: it took too long, or the other side hung up without a word. */
export function connectFailed(where: Where, cause?: unknown): MolnError {
  if (isMolnError(cause)) return cause;
  const code = systemCode(cause) ?? '';
  const options = cause === undefined ? {} : { cause };
  const distrust = DISTRUST[code];
  if (distrust !== undefined) {
    return new MolnError(
      NET_RPC_NOT_TRUSTED,
      `The node at ${hostAndPort(where)} is not trusted: ${distrust}`,
      { hint: 'Check the address and the clocks of both machines', ...options },
    );
  }
  const why = REASONS[code] ?? (cause === undefined ? 'it did not answer' : messageOf(cause));
  return new MolnError(NET_RPC_UNREACHABLE, `Cannot reach ${hostAndPort(where)}: ${why}`, {
    hint: `Check that the node runs and that nothing blocks TCP port ${where.port}`,
    retryable: true,
    ...options,
  });
}

export function wrongProtocol(where: Where): MolnError {
  return new MolnError(
    NET_RPC_NOT_TRUSTED,
    `The server at ${hostAndPort(where)} is no Moln node of this version`,
    { hint: 'Check the address, and run the same version of Moln on both' },
  );
}

export function broken(method: string, where: Where, cause?: unknown): MolnError {
  if (isMolnError(cause)) return cause;
  return new MolnError(
    NET_RPC_BROKEN,
    `The connection to ${hostAndPort(where)} broke before the answer to "${method}"`,
    { retryable: true, ...(cause === undefined ? {} : { cause }) },
  );
}

export function deadlinePassed(method: string, where: Where, ms: number): MolnError {
  return new MolnError(
    NET_RPC_DEADLINE,
    `The node at ${hostAndPort(where)} did not answer "${method}" within ${ms} ms`,
    { retryable: true },
  );
}
