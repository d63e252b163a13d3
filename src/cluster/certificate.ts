/** Reads key pairs and decides when they have to be renewed. Pure, but for the file helpers at the end. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import { dataDamaged } from './errors.ts';
import { RENEW_AT_RATIO } from './limits.ts';
import type { KeyPair } from './x509.ts';

/** A certificate in use. Times are epoch milliseconds. */
export interface Certificate extends KeyPair {
  readonly notBefore: number;
  readonly notAfter: number;
  /** Two thirds of its life. */
  readonly renewAt: number;
  /** `subjectAltName` as Node prints it: `DNS:one, IP Address:127.0.0.1, URI:…`. */
  readonly names: string;
  /** Lower-case hex SHA-256 of the DER form. */
  readonly sha256: string;
}

export function certificateOf(pair: KeyPair): Certificate {
  const parsed = new X509Certificate(pair.certificatePem);
  const notBefore = parsed.validFromDate.getTime();
  const notAfter = parsed.validToDate.getTime();
  return {
    ...pair,
    notBefore,
    notAfter,
    renewAt: notBefore + Math.floor((notAfter - notBefore) * RENEW_AT_RATIO),
    names: parsed.subjectAltName ?? '',
    sha256: fingerprintOf(pair.certificatePem),
  };
}

/** Lower-case hex SHA-256 of a certificate in DER: what a pin holds. */
export function fingerprintOf(certificatePem: string): string {
  return new X509Certificate(certificatePem).fingerprint256.replaceAll(':', '').toLowerCase();
}

/** What a certificate must say. */
export interface Names {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly uris: readonly string[];
}

export function hasNames(certificate: Certificate, wanted: Names): boolean {
  const parsed = new X509Certificate(certificate.certificatePem);
  return (
    wanted.dnsNames.every((name) => parsed.checkHost(name) !== undefined) &&
    wanted.addresses.every((address) => parsed.checkIP(address) !== undefined) &&
    wanted.uris.every((uri) => certificate.names.split(', ').includes(`URI:${uri}`))
  );
}

/** True when `certificate` was signed by that authority and is its to be checked against. */
export function isIssuedBy(certificatePem: string, authorityPem: string): boolean {
  const certificate = new X509Certificate(certificatePem);
  const authority = new X509Certificate(authorityPem);
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

/** Both in one file, so that a crash never leaves a certificate without its key. */
export async function writeKeyPair(path: string, pair: KeyPair): Promise<void> {
  await writeFileAtomic(path, pair.keyPem + pair.certificatePem);
}

/** Undefined when there is none. Throws `CLUSTER_DATA_DAMAGED` when it is no pair. */
export async function readKeyPair(path: string): Promise<Certificate | undefined> {
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  const [keyPem] = pemBlocks(text, 'PRIVATE KEY');
  const [certificatePem] = pemBlocks(text, 'CERTIFICATE');
  if (keyPem === undefined || certificatePem === undefined) {
    throw dataDamaged(path, 'it does not hold a private key and a certificate');
  }
  try {
    const certificate = new X509Certificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) {
      throw new Error('its key does not belong to its certificate');
    }
    return certificateOf({ certificatePem, keyPem });
  } catch (error) {
    throw dataDamaged(path, messageOf(error), error);
  }
}

/** Lower-case hex SHA-256 of a certificate's public key (SPKI, DER). */
export function keyFingerprintOf(certificatePem: string): string {
  const { publicKey } = new X509Certificate(certificatePem);
  return sha256Hex(publicKey.export({ type: 'spki', format: 'der' }));
}

/** True when `keyPem` is the private key of that certificate. */
export function isKeyOf(certificatePem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** All blocks of a PEM text that have this label, in order. */
export function pemBlocks(text: string, label: 'CERTIFICATE' | 'PRIVATE KEY'): readonly string[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\n?`, 'g');
  return text.match(pattern) ?? [];
}
