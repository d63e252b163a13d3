/**
 * The authorities of this node while it runs: whom it trusts, which one signs, and what it shows to those who have pinned
 * one. Changes are durable before they count, and a start after half a change finds what it wants.
 */
import { join } from 'node:path';
import {
  type Authorities,
  authoritiesOf,
  type Endorsement,
  isEndorsed,
  writeAuthorities,
  writeEndorsement,
} from './authority-files.ts';
import { fingerprintOf, isIssuedBy, pemBlocks } from './certificate.ts';
import type { KeyPair } from './x509.ts';

export interface AuthorityStoreOptions {
  readonly keysFolder: string;
  readonly authorities: Authorities;
  readonly endorsement: Endorsement | undefined;
  /** The fingerprint in `node.json`, without which nothing in `keys/` is believed. */
  readonly mark: { get(): string | undefined; set(sha256: string): Promise<void> };
}

export class AuthorityStore {
  readonly #keysFolder: string;
  readonly #mark: AuthorityStoreOptions['mark'];
  #all: Authorities;
  #endorsement: Endorsement | undefined;

  constructor(options: AuthorityStoreOptions) {
    this.#keysFolder = options.keysFolder;
    this.#mark = options.mark;
    this.#all = options.authorities;
    this.#endorsement = options.endorsement;
  }

  /** Certificates, PEM; the one that signs first. */
  get certificates(): readonly string[] {
    return this.#all.map(({ certificatePem }) => certificatePem);
  }

  /** With the former one, by which somebody may be known who is not trusted any more. PEM. */
  get knownPem(): string {
    const former = this.#endorsement?.formerPem ?? '';
    return this.certificates.filter((pem) => pem !== former).join('') + former;
  }

  /** Fingerprints of those that are trusted. */
  get trusted(): readonly string[] {
    return this.certificates.map(fingerprintOf);
  }

  /** The certificate of the one that signs. */
  get signingPem(): string {
    return this.#all[0].certificatePem;
  }

  /** With its key; undefined in a node that has not got it. */
  get signer(): KeyPair | undefined {
    const { certificatePem, keyPem } = this.#all[0];
    return keyPem === undefined ? undefined : { certificatePem, keyPem };
  }

  /** All keys that are here, PEM. */
  get keysPem(): string {
    return this.#all.map(({ keyPem }) => keyPem ?? '').join('');
  }

  /** What clients and invites are to pin: until the former authority is dropped every node can prove that one. */
  get pin(): string {
    const former = this.#endorsement?.formerPem;
    const isTrusted = former !== undefined && this.certificates.includes(former);
    return fingerprintOf(isTrusted ? former : this.signingPem);
  }

  holdsKeyOf(fingerprint: string): boolean {
    return this.#all.some(
      ({ certificatePem, keyPem }) =>
        keyPem !== undefined && fingerprintOf(certificatePem) === fingerprint,
    );
  }

  /** The certificate of the one that has issued this certificate. */
  issuerOf(certificatePem: string): string | undefined {
    return this.certificates.find((authorityPem) => isIssuedBy(certificatePem, authorityPem));
  }

  /**
   * A certificate, then what leads from it to its authority; and to the one before that, for those who have pinned it. In
   * this order OpenSSL finds the way to either.
   */
  chainOf(certificatePem: string): string {
    const authorityPem = this.issuerOf(certificatePem) ?? this.signingPem;
    const endorsement = this.#endorsement;
    if (endorsement === undefined || !isEndorsed(authorityPem, endorsement)) {
      return certificatePem + authorityPem;
    }
    return certificatePem + endorsement.certificatePem + endorsement.formerPem + authorityPem;
  }

  /** Keeps those that belong to an authority that is trusted. */
  async takeKeys(keysPem: string): Promise<void> {
    await this.#write(this.#withKeys(this.certificates, keysPem));
  }

  /**
   * Trusts exactly these from now on; the first one signs. Keys stay and go with their certificates. One has to be trusted
   * already. False when nothing was to be done.
   */
  async set(
    certificates: readonly string[],
    given: { readonly endorsement?: Endorsement; readonly keysPem?: string } = {},
  ): Promise<boolean> {
    const { endorsement, keysPem = '' } = given;
    const next = this.#withKeys(certificates, keysPem);
    const word = endorsement?.certificatePem ?? this.#endorsement?.certificatePem;
    const isSameWord = word === this.#endorsement?.certificatePem;
    if (isSameWord && JSON.stringify(next) === JSON.stringify(this.#all)) return false;
    // A node that signs goes on signing.
    if (this.signer !== undefined && next[0].keyPem === undefined) {
      throw new Error('The key of the authority that is to sign is not here');
    }
    if (endorsement !== undefined && !isSameWord) {
      await writeEndorsement(join(this.#keysFolder, 'ca-former.pem'), endorsement);
      this.#endorsement = endorsement;
    }
    await this.#write(next);
    return true;
  }

  /** The mark is one of those in `ca.pem` at any moment. */
  async #write(next: Authorities): Promise<void> {
    const first = fingerprintOf(next[0].certificatePem);
    const stays = next.some((one) => fingerprintOf(one.certificatePem) === this.#mark.get());
    if (!stays) {
      if (!this.trusted.includes(first)) throw new Error('None of the authorities is trusted yet');
      await this.#mark.set(first);
    }
    await writeAuthorities(join(this.#keysFolder, 'ca.pem'), next);
    this.#all = next;
    if (this.#mark.get() !== first) await this.#mark.set(first);
  }

  #withKeys(certificates: readonly string[], keysPem: string): Authorities {
    const keys = pemBlocks(this.keysPem + keysPem, 'PRIVATE KEY');
    const all = authoritiesOf(certificates, keys);
    if (all === undefined) throw new Error('A node trusts one authority at least');
    return all;
  }
}
