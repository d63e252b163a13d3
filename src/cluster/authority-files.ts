/**
 * The authorities that a node trusts, in `keys/ca.pem`: one, or two while the cluster goes from one to the next. The first
 * one signs. Managers have the keys too. `keys/ca-former.pem` is what the former one has said for the one of now: public,
 * and only there for those who have pinned the former one.
 */
import { X509Certificate } from 'node:crypto';
import { readTextIfAny, removeTree, writeFileAtomic } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import { fingerprintOf, isIssuedBy, isKeyOf, pemBlocks } from './certificate.ts';
import { dataDamaged } from './errors.ts';

/** A certificate with or without its key, both PEM: most nodes have the public half only. */
export interface Authority {
  readonly certificatePem: string;
  readonly keyPem?: string;
}

/** The one that signs, and others that are trusted. */
export type Authorities = readonly [Authority, ...(readonly Authority[])];

/** The word of a former authority for its successor; both certificates PEM. */
export interface Endorsement {
  /** Of the successor's key, signed by the former one. */
  readonly certificatePem: string;
  readonly formerPem: string;
}

export async function writeAuthorities(path: string, all: Authorities): Promise<void> {
  const text = all.map(({ certificatePem, keyPem }) => (keyPem ?? '') + certificatePem).join('');
  await writeFileAtomic(path, text);
}

/** Undefined when there is none. Throws `CLUSTER_DATA_DAMAGED`. */
export async function readAuthorities(path: string): Promise<Authorities | undefined> {
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  const keys = pemBlocks(text, 'PRIVATE KEY');
  try {
    const all = authoritiesOf(pemBlocks(text, 'CERTIFICATE'), keys);
    if (all === undefined) throw new Error('it does not hold a certificate');
    const known = all.filter(({ keyPem }) => keyPem !== undefined);
    if (known.length < keys.length) throw new Error('a key does not belong to a certificate');
    return all;
  } catch (error) {
    throw dataDamaged(path, messageOf(error), error);
  }
}

/** Each certificate with its key, where that is among the keys. Undefined for none; throws when one is no certificate. */
export function authoritiesOf(
  certificates: readonly string[],
  keys: readonly string[],
): Authorities | undefined {
  const [first, ...others] = certificates.map((certificatePem): Authority => {
    fingerprintOf(certificatePem);
    const keyPem = keys.find((key) => isKeyOf(certificatePem, key));
    return keyPem === undefined ? { certificatePem } : { certificatePem, keyPem };
  });
  return first === undefined ? undefined : [first, ...others];
}

export async function writeEndorsement(path: string, endorsement: Endorsement): Promise<void> {
  await writeFileAtomic(path, endorsement.certificatePem + endorsement.formerPem);
}

/** Undefined when there is none, or it cannot be read: nobody's trust hangs on it, and the cluster has it too. */
export async function readEndorsement(path: string): Promise<Endorsement | undefined> {
  const [certificatePem, formerPem] = pemBlocks((await readTextIfAny(path)) ?? '', 'CERTIFICATE');
  if (certificatePem === undefined || formerPem === undefined) return undefined;
  try {
    for (const pem of [certificatePem, formerPem]) fingerprintOf(pem);
    return { certificatePem, formerPem };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    await removeTree(path);
    return undefined;
  }
}

/** Whether the former authority has really signed for the key of this one. */
export function isEndorsed(authorityPem: string, endorsement: Endorsement): boolean {
  const { certificatePem, formerPem } = endorsement;
  const [own, word] = [new X509Certificate(authorityPem), new X509Certificate(certificatePem)];
  return own.ca && word.publicKey.equals(own.publicKey) && isIssuedBy(certificatePem, formerPem);
}
