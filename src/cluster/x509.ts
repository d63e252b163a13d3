/**
 * Makes X.509 certificates (RFC 5280) with P-256 keys; the only file that knows the library behind it. Reading and
 * verifying is Node's own affair. The library is loaded when it is first used: it costs 16 MB of memory, and a node that
 * has its certificates needs it again in weeks.
 */
import type { JsonName, X509Certificate } from '@peculiar/x509';
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { dateOf } from '../base/time.ts';

/** A certificate and its private key (PKCS #8), both as PEM. */
export interface KeyPair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface Validity {
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

async function library(): Promise<typeof import('@peculiar/x509')> {
  await import('./reflect-metadata.ts');
  return import('@peculiar/x509');
}

/** A self-signed authority that may sign node certificates and one level of authorities below it. */
export async function createAuthority(options: {
  readonly commonName: string;
  readonly validity: Validity;
}): Promise<KeyPair> {
  const {
    BasicConstraintsExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
    SubjectKeyIdentifierExtension,
    X509CertificateGenerator,
  } = await library();
  const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...datesOf(options.validity),
    serialNumber: serialNumber(),
    name: nameOf(options.commonName),
    keys,
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(true, 1, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: pemOf(certificate), keyPem: await keyPemOf(keys.privateKey) };
}

const STAND_IN_LIFE_MS: number = 365 * 86_400_000;

/** For a listener that has no certificate yet: names nobody, so that no client takes it for somebody. */
export function standInCertificate(nowMs: number): Promise<KeyPair> {
  return createAuthority({
    commonName: 'No certificate yet',
    validity: { notBefore: nowMs - 86_400_000, notAfter: nowMs + STAND_IN_LIFE_MS },
  });
}

/**
 * The word of an authority for the one that follows it: a certificate of the successor's key that the former one has signed.
 * Who trusts the former one alone, because it is what was pinned, has a way to whatever the successor has issued.
 */
export async function endorseAuthority(options: {
  readonly authority: KeyPair;
  readonly successorPem: string;
}): Promise<string> {
  const {
    AuthorityKeyIdentifierExtension,
    BasicConstraintsExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
    SubjectKeyIdentifierExtension,
    X509Certificate,
    X509CertificateGenerator,
  } = await library();
  const former = new X509Certificate(options.authority.certificatePem);
  const successor = new X509Certificate(options.successorPem);
  const publicKey = await successor.publicKey.export(CURVE, ['verify']);
  const certificate = await X509CertificateGenerator.create({
    notBefore: successor.notBefore,
    notAfter: former.notAfter < successor.notAfter ? former.notAfter : successor.notAfter,
    serialNumber: serialNumber(),
    subject: successor.subjectName.toJSON(),
    issuer: former.subjectName.toJSON(),
    publicKey,
    signingKey: await importKey(options.authority.keyPem),
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(former),
    ],
  });
  return pemOf(certificate);
}

/** What an issuer decides about a certificate. */
export interface CertificateOrder {
  readonly authority: KeyPair;
  readonly commonName: string;
  readonly validity: Validity;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly uris: readonly string[];
  /** For clients too, not for servers alone. */
  readonly asClient: boolean;
}

/** A fresh key and a certificate for it. */
export async function issueCertificate(order: CertificateOrder): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const certificatePem = await certify(keys.publicKey, order);
  return { certificatePem, keyPem: await keyPemOf(keys.privateKey) };
}

/** A request (PKCS #10, RFC 2986) and its private key, which stays with whoever asks. */
export interface SigningRequest {
  readonly requestPem: string;
  readonly keyPem: string;
}

/** With a fresh key, or with one (PKCS #8, P-256) that there is. */
export async function createSigningRequest(keyPem?: string): Promise<SigningRequest> {
  const { Pkcs10CertificateRequestGenerator } = await library();
  const keys =
    keyPem === undefined
      ? await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
      : await keysOf(keyPem);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: nameOf('node'),
    keys,
    signingAlgorithm: SIGNING,
  });
  return {
    requestPem: `${request.toString('pem').trim()}\n`,
    keyPem: keyPem ?? (await keyPemOf(keys.privateKey)),
  };
}

/**
 * A certificate for the key of a request. The request proves that its sender has the private key; nothing else of it
 * is used: the names are the issuer's. Undefined when it is no good request with a P-256 key.
 */
export async function issueFromRequest(
  requestPem: string,
  order: CertificateOrder,
): Promise<string | undefined> {
  const publicKey = await requestKey(requestPem);
  return publicKey === undefined ? undefined : certify(publicKey, order);
}

async function requestKey(requestPem: string): Promise<CryptoKey | undefined> {
  const { Pkcs10CertificateRequest } = await library();
  try {
    const request = new Pkcs10CertificateRequest(requestPem);
    if (!(await request.verify())) return undefined;
    return await request.publicKey.export(CURVE, ['verify']);
  } catch (error) {
    // The parsers below have no error class of their own; whatever they stumble over is the sender's doing.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

async function certify(publicKey: CryptoKey, options: CertificateOrder): Promise<string> {
  const {
    AuthorityKeyIdentifierExtension,
    BasicConstraintsExtension,
    Extension,
    ExtendedKeyUsage,
    ExtendedKeyUsageExtension,
    GeneralName,
    KeyUsageFlags,
    KeyUsagesExtension,
    SubjectKeyIdentifierExtension,
    X509Certificate,
    X509CertificateGenerator,
  } = await library();
  const authority = new X509Certificate(options.authority.certificatePem);
  // The library's own extension of names parses again what it has made: most of the time of a certificate with a hundred of them,
  // and routes wait for certificates.
  const names = [
    ...options.dnsNames.map((value) => new GeneralName('dns', value)),
    ...options.addresses.map((value) => new GeneralName('ip', value)),
    ...options.uris.map((value) => new GeneralName('url', value)),
  ].map(({ rawData }) => rawData);
  const usages = [ExtendedKeyUsage.serverAuth];
  if (options.asClient) usages.push(ExtendedKeyUsage.clientAuth);
  const certificate = await X509CertificateGenerator.create({
    ...datesOf(options.validity),
    serialNumber: serialNumber(),
    subject: nameOf(options.commonName),
    issuer: authority.subjectName.toJSON(),
    publicKey,
    signingKey: await importKey(options.authority.keyPem),
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(usages),
      new Extension(SUBJECT_ALTERNATIVE_NAME, false, derSequence(names)),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(authority),
    ],
  });
  return pemOf(certificate);
}

/** One certificate that counts for nothing any more. */
export interface Revocation {
  /** Hex, as the certificate has it. */
  readonly serial: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/**
 * A list of revoked certificates (RFC 5280 §5) in DER: etcd 3.6 reads nothing else, older ones read both. It is good for as
 * long as the authority: whoever checks its end must not lock everybody out while nobody signs a newer one.
 */
export async function createRevocationList(options: {
  readonly authority: KeyPair;
  readonly revoked: readonly Revocation[];
  /** Epoch milliseconds; the number of the list too, for it only grows. */
  readonly now: number;
}): Promise<Buffer> {
  const { revoked, now } = options;
  const { AuthorityKeyIdentifierExtension, Extension, X509Certificate, X509CrlGenerator } =
    await library();
  const authority = new X509Certificate(options.authority.certificatePem);
  const list = await X509CrlGenerator.create({
    issuer: authority.subjectName.toJSON(),
    thisUpdate: dateOf(now),
    nextUpdate: authority.notAfter,
    entries: revoked.map(({ serial, at }) => ({
      serialNumber: serial,
      revocationDate: dateOf(at),
    })),
    signingKey: await importKey(options.authority.keyPem),
    signingAlgorithm: SIGNING,
    extensions: [
      await AuthorityKeyIdentifierExtension.create(authority),
      new Extension(CRL_NUMBER, false, derInteger(now)),
    ],
  });
  return Buffer.from(list.rawData);
}

/** The serials in a list, lower-case hex; undefined when it is none. */
export async function serialsIn(
  revocationList: Uint8Array,
): Promise<readonly string[] | undefined> {
  const { X509Crl } = await library();
  try {
    const { entries } = new X509Crl(Uint8Array.from(revocationList));
    return entries.map(({ serialNumber }) => serialNumber.toLowerCase());
  } catch (error) {
    // The parsers below have no error class of their own.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** RFC 5280 §4.2.1.6. */
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/** A SEQUENCE of what is in DER already (X.690 §8.9), up to 64 KiB. */
function derSequence(parts: readonly ArrayBuffer[]): Uint8Array<ArrayBuffer> {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length <= 0xff ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return new Uint8Array([0x30, ...size, ...content]);
}

/** RFC 5280 §5.2.3. */
const CRL_NUMBER = '2.5.29.20';

/** A whole number of 0 to 2^47 - 1 as an ASN.1 INTEGER of six bytes or fewer, without leading zeros (X.690 §8.3). */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const digits = value.toString(16);
  const even = digits.padStart(digits.length + (digits.length % 2), '0');
  const bytes = Buffer.from(
    Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even,
    'hex',
  );
  return new Uint8Array([0x02, bytes.length, ...bytes]);
}

/** 127 random bits, positive as RFC 5280 §4.1.2.2 wants it. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** A common name holds at most 64 characters (RFC 5280, appendix A.1). */
function nameOf(commonName: string): JsonName {
  return [{ O: ['Moln'] }, { CN: [commonName.slice(0, 64)] }];
}

function datesOf(validity: Validity): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: dateOf(validity.notBefore), notAfter: dateOf(validity.notAfter) };
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

async function keyPemOf(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  const stored = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
  return stored.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function keysOf(keyPem: string): Promise<CryptoKeyPair> {
  const spki = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' });
  return {
    privateKey: await importKey(keyPem),
    publicKey: await crypto.subtle.importKey('spki', spki, CURVE, true, ['verify']),
  };
}

async function importKey(pem: string): Promise<CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', der, CURVE, false, ['sign']);
}
