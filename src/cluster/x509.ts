/**
 * Makes X.509 certificates (RFC 5280) with P-256 keys; the only file that knows the library behind it. Reading and
 * verifying is Node's own affair.
 */
import './reflect-metadata.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { randomBytes } from 'node:crypto';
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

/** A self-signed authority that may sign node certificates and one level of authorities below it. */
export async function createAuthority(options: {
  readonly commonName: string;
  readonly validity: Validity;
}): Promise<KeyPair> {
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

/** A fresh key and a certificate for it, for servers and, if `asClient` is set, for clients too. */
export async function issueCertificate(options: {
  readonly authority: KeyPair;
  readonly commonName: string;
  readonly validity: Validity;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly uris: readonly string[];
  readonly asClient: boolean;
}): Promise<KeyPair> {
  const authority = new X509Certificate(options.authority.certificatePem);
  const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const names: JsonGeneralNames = [
    ...options.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...options.addresses.map((value) => ({ type: 'ip' as const, value })),
    ...options.uris.map((value) => ({ type: 'url' as const, value })),
  ];
  const usages = [ExtendedKeyUsage.serverAuth];
  if (options.asClient) usages.push(ExtendedKeyUsage.clientAuth);
  const certificate = await X509CertificateGenerator.create({
    ...datesOf(options.validity),
    serialNumber: serialNumber(),
    subject: nameOf(options.commonName),
    issuer: authority.subjectName.toJSON(),
    publicKey: keys.publicKey,
    signingKey: await importKey(options.authority.keyPem),
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(usages),
      new SubjectAlternativeNameExtension(names),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(authority),
    ],
  });
  return { certificatePem: pemOf(certificate), keyPem: await keyPemOf(keys.privateKey) };
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
  const der = await crypto.subtle.exportKey('pkcs8', key);
  return `${PemConverter.encode(der, PemConverter.PrivateKeyTag).trim()}\n`;
}

async function importKey(pem: string): Promise<CryptoKey> {
  const der = PemConverter.decodeFirst(pem);
  return crypto.subtle.importKey('pkcs8', der, CURVE, false, ['sign']);
}
