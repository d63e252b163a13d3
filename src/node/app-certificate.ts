/**
 * The certificate of this node's gateways for the hosts of apps: one for all, issued anew when they change or the node's own
 * was renewed. A node without the authority's key has to ask a manager for it; routes do not wait for one that does not
 * answer, and the last certificate is kept on the disk for the next start.
 */
import { messageOf } from '../base/errors.ts';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import type { Logger } from '../base/log.ts';
import { object, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import type { Identity } from '../cluster/cluster.ts';

/** Names a certificate carries at most. */
const CERTIFICATE_NAMES_MAX = 100;
/** Beside the node's own names. */
export const HOSTS_PER_CERTIFICATE: number = CERTIFICATE_NAMES_MAX - 2;
/** So long routes wait for a certificate of other names. */
const PATIENCE_MS = 1_000;
const RETRY_MS = 10_000;

/** PEM; the certificate with what leads to its authority after it. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

interface Issued {
  readonly names: string;
  /** Hash of the node's own certificate at that time. */
  readonly issuedFor: string;
  readonly tls: Tls;
}

export interface AppCertificateOptions {
  /** Where the last one is kept. */
  readonly path: string;
  readonly identity: Pick<
    Identity,
    'node' | 'certificate' | 'authorityPem' | 'authorities' | 'issueServerCertificate'
  >;
  readonly clock: Clock;
  readonly log: Logger;
  /** There is a better one than `of` could give: to be asked again. */
  readonly onIssued: () => void;
}

const storedSchema = object({
  names: string({ lengthMax: 30_000 }),
  issuedFor: string(),
  authority: string({ lengthMax: 30_000 }),
  cert: string({ lengthMax: 100_000 }),
  key: string({ lengthMax: 30_000 }),
});

export class AppCertificate implements Disposable {
  readonly #options: AppCertificateOptions;
  #issued: Issued | undefined;
  #issuing: Promise<void> | undefined;
  /** Somebody went on without what is being issued. */
  #isLate = false;
  #retry: Disposable | undefined;
  #isDisposed = false;

  constructor(options: AppCertificateOptions) {
    this.#options = options;
  }

  /** Reads what an earlier start has kept. */
  async open(): Promise<void> {
    const { path, identity, log } = this.#options;
    try {
      const text = await readTextIfAny(path);
      if (text === undefined) return;
      const stored = storedSchema.decode(JSON.parse(text), path);
      // A data folder that has joined another cluster since.
      if (stored.authority !== identity.authorityPem) return;
      const { names, issuedFor, cert, key } = stored;
      this.#issued = { names, issuedFor, tls: { cert, key } };
    } catch (error) {
      log.warn('The kept certificate of the gateways cannot be read and is issued anew', { error });
    }
  }

  /** The best there is for these hosts, after a moment at most. One call at a time. */
  async of(hosts: Iterable<string>): Promise<Tls> {
    const { identity, clock } = this.#options;
    const all = new Set(['localhost', identity.node.name]);
    for (const host of hosts) if (host !== '*') all.add(host);
    const names = [...all].slice(0, CERTIFICATE_NAMES_MAX);
    if (this.#isIssuedFor(names) || this.#retry !== undefined) return this.#best();
    this.#issuing ??= this.#issue(names);
    // Whoever waited in vain is told when there is one; nobody waits for the same again.
    if (this.#isLate) return this.#best();
    const patience = new AbortController();
    this.#isLate = await Promise.race([
      this.#issuing.then(() => false),
      clock.sleep(PATIENCE_MS, patience.signal).then(
        () => true,
        () => false,
      ),
    ]);
    patience.abort();
    return this.#best();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#retry?.[Symbol.dispose]();
    this.#retry = undefined;
  }

  #isIssuedFor(names: readonly string[]): boolean {
    const { certificate } = this.#options.identity;
    return this.#issued?.names === names.join(' ') && this.#issued.issuedFor === certificate.sha256;
  }

  #best(): Tls {
    if (this.#issued !== undefined) return this.#issued.tls;
    const { certificate, authorities } = this.#options.identity;
    return { cert: authorities.chainOf(certificate.certificatePem), key: certificate.keyPem };
  }

  /** Never rejects: what cannot be had now is asked for again. */
  async #issue(names: readonly string[]): Promise<void> {
    const { identity, clock, log, onIssued } = this.#options;
    const issuedFor = identity.certificate.sha256;
    try {
      const made = await identity.issueServerCertificate(names);
      const tls = { cert: identity.authorities.chainOf(made.certificatePem), key: made.keyPem };
      this.#issued = { names: names.join(' '), issuedFor, tls };
      await this.#keep(this.#issued);
    } catch (error) {
      if (this.#isDisposed) return;
      log.warn('No certificate for the hosts of the apps could be had yet', {
        reason: messageOf(error),
      });
      this.#retry = clock.after(RETRY_MS, () => {
        this.#retry = undefined;
        onIssued();
      });
    } finally {
      this.#issuing = undefined;
      const isAwaited = this.#isLate && this.#retry === undefined && !this.#isDisposed;
      this.#isLate = false;
      if (isAwaited) onIssued();
    }
  }

  /** Only saves asking again: what cannot be kept is used all the same. */
  async #keep({ names, issuedFor, tls }: Issued): Promise<void> {
    const { path, identity, log } = this.#options;
    const stored = { names, issuedFor, authority: identity.authorityPem, ...tls };
    try {
      await writeFileAtomic(path, JSON.stringify(stored));
    } catch (error) {
      log.warn('The certificate of the gateways cannot be kept', { error });
    }
  }
}
