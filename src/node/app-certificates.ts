/**
 * Certificates of the cluster's own authority for hosts that no public one knows, such as `*.localhost`: as many as the hosts
 * need. A host stays in the certificate that it came into, so that a new one changes only one of them.
 */
import {
  AppCertificate,
  type AppCertificateOptions,
  HOSTS_PER_CERTIFICATE,
  type Tls,
} from './app-certificate.ts';

/** Hosts beyond it are served with the first one. */
const CERTIFICATES_MAX = 90;

export interface AppCertificatesOptions extends Omit<AppCertificateOptions, 'path'> {
  /** Where the last ones are kept, the first of them under this very name. */
  readonly path: string;
}

export class AppCertificates implements Disposable {
  readonly #options: AppCertificatesOptions;
  /** The first is there whatever is asked. */
  readonly #parts: { readonly certificate: AppCertificate; readonly hosts: Set<string> }[] = [];

  constructor(options: AppCertificatesOptions) {
    this.#options = options;
  }

  /** Reads what an earlier start has kept. */
  async open(): Promise<void> {
    await this.#grow();
  }

  /** The best there are for these hosts, after a moment at most; the first is for everybody else. One call at a time. */
  async of(hosts: Iterable<string>): Promise<readonly [Tls, ...Tls[]]> {
    const wanted = new Set(hosts);
    wanted.delete('*');
    for (const { hosts: own } of this.#parts) {
      for (const host of own) if (!wanted.has(host)) own.delete(host);
    }
    const placed = new Set(this.#parts.flatMap((part) => [...part.hosts]));
    for (const host of wanted) {
      if (placed.has(host)) continue;
      const room = this.#parts.find((part) => part.hosts.size < HOSTS_PER_CERTIFICATE);
      const part = room ?? (this.#parts.length < CERTIFICATES_MAX ? await this.#grow() : undefined);
      part?.hosts.add(host);
    }
    const used = this.#parts.filter((part, at) => at === 0 || part.hosts.size > 0);
    const [first, ...further] = await Promise.all(
      used.map(({ certificate, hosts: own }) => certificate.of(own)),
    );
    if (first === undefined) throw new Error('Certificates are opened before they are asked for');
    return [first, ...further];
  }

  [Symbol.dispose](): void {
    for (const { certificate } of this.#parts) certificate[Symbol.dispose]();
  }

  async #grow(): Promise<{ readonly certificate: AppCertificate; readonly hosts: Set<string> }> {
    const { path } = this.#options;
    const at = this.#parts.length;
    const own = at === 0 ? path : path.replace(/\.json$/, `-${at + 1}.json`);
    const certificate = new AppCertificate({ ...this.#options, path: own });
    const part = { certificate, hosts: new Set<string>() };
    this.#parts.push(part);
    await certificate.open();
    return part;
  }
}
