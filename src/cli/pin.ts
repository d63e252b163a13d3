/**
 * Trust by fingerprint: a remote cluster is known by the SHA-256 of its CA's (or its own) certificate and by
 * nothing else. A decision only; the connection is the transport's.
 */
import type { X509Certificate } from 'node:crypto';
import { usageError } from './errors.ts';

/** A chain longer than this is not ours: leaf, intermediate, root and one to spare. */
const CHAIN_MAX = 4;

/** 64 hex digits in lower case of `AB:CD:…`, `sha256:abcd…` or plain hex. Throws `CLI_USAGE`. */
export function parsePin(text: string): string {
  const hex = text
    .replace(/^sha-?256[:/]/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw usageError(
    `Pin "${text}" is not a SHA-256 fingerprint`,
    'Copy the 64 hex digits that "moln status" prints on that cluster',
  );
}

/**
 * True when the peer proved to hold the pinned certificate, or one that the pinned CA signed. A chain is what the
 * peer chose to send, so every signature in it is checked: merely appending the pinned CA proves nothing.
 */
export function isPinned(leaf: X509Certificate, pin: string, nowMs: number): boolean {
  let certificate: X509Certificate | undefined = leaf;
  for (let depth = 0; depth < CHAIN_MAX && certificate !== undefined; depth++) {
    if (!isTimely(certificate, nowMs)) return false;
    if (certificate.fingerprint256.replaceAll(':', '').toLowerCase() === pin) return true;
    const issuer: X509Certificate | undefined = certificate.issuerCertificate;
    if (issuer === undefined || issuer.fingerprint256 === certificate.fingerprint256) return false;
    if (!issuer.ca || !certificate.checkIssued(issuer)) return false;
    if (!certificate.verify(issuer.publicKey)) return false;
    certificate = issuer;
  }
  return false;
}

function isTimely(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime();
}
