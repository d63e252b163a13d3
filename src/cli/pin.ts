/**
 * Trust by fingerprint: a remote cluster is known by the SHA-256 of its CA's (or its own) certificate and by
 * nothing else. A decision only; the connection is the transport's.
 */
import type { X509Certificate } from 'node:crypto';
import { usageError } from './errors.ts';

/** A chain longer than this is not ours: leaf, its authority, the word of the one before, that one, and one to spare. */
const CHAIN_MAX = 5;

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
 * True when the peer proved to hold the pinned certificate, or one that leads to the pinned CA. A chain is what the peer chose
 * to send, in any order, so every signature on the way is checked: merely appending the pinned CA proves nothing.
 */
export function isPinned(leaf: X509Certificate, pin: string, nowMs: number): boolean {
  const chain = sentWith(leaf);
  if (!isTimely(leaf, nowMs)) return false;
  const proved = new Set([leaf]);
  for (const certificate of proved) {
    if (certificate.fingerprint256.replaceAll(':', '').toLowerCase() === pin) return true;
    for (const other of chain) if (hasIssued(other, certificate, nowMs)) proved.add(other);
  }
  return false;
}

function sentWith(leaf: X509Certificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && chain.length < CHAIN_MAX - 1) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate, nowMs: number): boolean {
  return (
    issuer.ca &&
    isTimely(issuer, nowMs) &&
    certificate.checkIssued(issuer) &&
    certificate.verify(issuer.publicKey)
  );
}

function isTimely(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime();
}
