/** Reads a certificate with its chain and key, and says exactly what is wrong with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { pemBlocks } from '../cluster/cluster.ts';
import { hostInvalid, keyInvalid, pemInvalid } from './errors.ts';
import { CHAIN_MAX, PEM_CHARACTERS_MAX } from './limits.ts';
import { covers } from './hosts.ts';

/** What a certificate says of itself. Times are epoch milliseconds. */
export interface CertificateFacts {
  /** Lower-case DNS names and addresses. */
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** Who signed it, for people. */
  readonly issuer: string;
  /** Upper-case hex. */
  readonly serial: string;
}

/** A pair that fits, as it is to be kept: certificates and key alone, whatever else was around them. */
export interface CheckedPair {
  readonly certPem: string;
  readonly keyPem: string;
  readonly facts: CertificateFacts;
}

const PEM_HINT = 'Give the certificate as PEM, its own one first, then those that lead to its root';

/** Throws `CERTS_PEM_INVALID`, `CERTS_KEY_INVALID` or, when it is not for `host`, `CERTS_HOST_INVALID`. */
export function checkPair(
  { cert, key }: { readonly cert: string; readonly key: string },
  host: string | undefined,
): CheckedPair {
  const chain = readChain(cert);
  const own = readKey(key);
  requireMatch(chain, own);
  requireOrder(chain);
  const [leaf] = chain;
  if (leaf === undefined) throw new Error('A chain without certificates was let through');
  const facts = factsOf(leaf);
  if (host !== undefined && facts.names.length === 0) {
    throw hostInvalid('The certificate names no host', 'Clients look at its alternative names');
  }
  if (host !== undefined && !facts.names.some((name) => covers(name, host))) {
    throw hostInvalid(
      `The certificate is for ${facts.names.join(', ')}, not for "${host}"`,
      'Give the host that it was made for, or another certificate',
    );
  }
  return {
    certPem: chain.map((one) => one.toString()).join(''),
    keyPem: own.export({ type: 'pkcs8', format: 'pem' }).toString(),
    facts,
  };
}

/** Of the first certificate of a text that was checked once. */
export function readFacts(certPem: string): CertificateFacts {
  return factsOf(new X509Certificate(certPem));
}

function readChain(text: string): readonly X509Certificate[] {
  if (text.length > PEM_CHARACTERS_MAX) {
    const what = `The certificate has ${text.length} characters, at most ${PEM_CHARACTERS_MAX}`;
    throw pemInvalid(what, PEM_HINT);
  }
  const blocks = pemBlocks(text, 'CERTIFICATE');
  if (blocks.length === 0) {
    const found = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1];
    const instead = found === undefined ? 'no PEM' : `"${found}" alone`;
    throw pemInvalid(`The certificate file holds ${instead}, want "CERTIFICATE"`, PEM_HINT);
  }
  if (blocks.length > CHAIN_MAX) {
    const what = `The chain has ${blocks.length} certificates, at most ${CHAIN_MAX}`;
    throw pemInvalid(what, PEM_HINT);
  }
  return blocks.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      const what = `Certificate ${at + 1} of ${blocks.length} in the file cannot be read`;
      throw pemInvalid(what, 'It may have been cut off or changed; get it anew', error);
    }
  });
}

function readKey(text: string): KeyObject {
  if (text.length > PEM_CHARACTERS_MAX) {
    const what = `The key has ${text.length} characters, at most ${PEM_CHARACTERS_MAX}`;
    throw keyInvalid(what, 'Give the private key as PEM');
  }
  if (/ENCRYPTED/.test(text)) {
    throw keyInvalid(
      'The key is encrypted, and gateways have nobody to ask for the passphrase',
      'Decrypt it with "openssl pkey -in FILE -out PLAIN"; Moln keeps it sealed',
    );
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    const hint = 'Give the private key as PEM';
    throw keyInvalid('The key file holds no "PRIVATE KEY" in PEM', hint);
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw keyInvalid('The key cannot be read', 'It may have been cut off; want PEM', error);
  }
}

function requireMatch(chain: readonly X509Certificate[], key: KeyObject): void {
  const at = chain.findIndex((one) => one.checkPrivateKey(key));
  if (at === 0) return;
  if (at > 0) {
    throw pemInvalid(
      `The chain is in the wrong order: the key belongs to certificate ${at + 1} of ${chain.length}, want it first`,
      PEM_HINT,
    );
  }
  const [leaf] = chain;
  throw keyInvalid(
    `The key does not belong to the certificate for ${leaf === undefined ? 'nobody' : factsOf(leaf).names.join(', ')}`,
    'Give the key that the certificate was ordered with',
  );
}

function requireOrder(chain: readonly X509Certificate[]): void {
  for (const [at, one] of chain.entries()) {
    const next = chain[at + 1];
    if (next === undefined || one.checkIssued(next)) continue;
    throw pemInvalid(
      `The chain is in the wrong order: certificate ${at + 2} did not sign certificate ${at + 1}`,
      PEM_HINT,
    );
  }
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  const { subjectAltName = '', validFromDate, validToDate, issuer, serialNumber } = certificate;
  return {
    names: [...subjectAltName.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name = '']) =>
      name.toLowerCase(),
    ),
    notBefore: validFromDate.getTime(),
    notAfter: validToDate.getTime(),
    issuer: /^CN=(.+)$/m.exec(issuer)?.[1] ?? issuer.replaceAll('\n', ', '),
    serial: serialNumber,
  };
}
