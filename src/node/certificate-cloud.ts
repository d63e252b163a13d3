/** Fulfils what the API asks for about certificates (`src/api/certificate-model.ts`). */
import type { AcmeRequest, CertificateCloud, CertificateList, CertificateRow } from '../api/api.ts';
import { ConfigError, MolnError } from '../base/errors.ts';
import type { MetricFamily } from '../base/metrics.ts';
import type { Clock } from '../base/time.ts';
import {
  CERTIFICATES_MAX,
  certificateRows,
  type CertificateOverview,
  type CertState,
  checkPair,
  covers,
  isPublicHost,
  notFound,
  off,
  readFacts,
  readHost,
  type RegistryStore,
  USUAL_DIRECTORY,
} from '../certs/certs.ts';

export interface NodeCertificateCloudOptions {
  readonly store: RegistryStore;
  /** Of the routes of all apps and of those that are records. */
  readonly hosts: () => readonly string[];
  readonly clock: Clock;
}

export class NodeCertificateCloud implements CertificateCloud {
  readonly #options: NodeCertificateCloudOptions;

  constructor(options: NodeCertificateCloudOptions) {
    this.#options = options;
  }

  async listCertificates(): Promise<CertificateList> {
    const state = await this.#options.store.read();
    const { rows, warnings } = this.#overview(state);
    return {
      sentence: sentenceOf(state, warnings.length),
      acme: acmeView(state),
      certificates: rows,
      warnings,
    };
  }

  async showCertificate(host: string): Promise<CertificateRow> {
    const { certificates } = await this.listCertificates();
    const found = certificates.find((one) => one.host === host.toLowerCase());
    if (found === undefined) throw notFound(host);
    return found;
  }

  async addCertificate(
    text: string,
    pair: { readonly cert: string; readonly key: string },
  ): Promise<CertificateRow> {
    const { store, clock } = this.#options;
    const host = readHost(text);
    const { certPem, keyPem, facts } = checkPair(pair, host);
    if (facts.notAfter <= clock.now()) {
      throw new MolnError('CONFIG_INVALID', `The certificate for "${host}" has expired already`);
    }
    const { certificates } = await store.read();
    if (certificates.length >= CERTIFICATES_MAX && !certificates.some((one) => one.host === host)) {
      throw new MolnError('CONFIG_INVALID', `There are ${CERTIFICATES_MAX} certificates already`, {
        hint: 'Remove one with "moln certificate remove HOST"',
      });
    }
    await store.finish({ host, source: 'own', certPem, keyPem, addedAt: clock.now() });
    return this.showCertificate(host);
  }

  async removeCertificate(text: string): Promise<void> {
    const { store } = this.#options;
    const host = text.toLowerCase();
    const { certificates, orders, failures } = await store.read();
    if (![...certificates, ...orders, ...failures].some((one) => one.host === host)) {
      throw notFound(host);
    }
    await store.remove(host);
  }

  async orderCertificate(text: string): Promise<void> {
    const { store } = this.#options;
    const host = readHost(text);
    const { settings, certificates } = await store.read();
    if (settings === undefined) throw off();
    const refuse = (message: string, hint: string): never => {
      throw new MolnError('CONFIG_INVALID', message, { hint });
    };
    if (!isPublicHost(host)) {
      const what = `"${host}" exists in a local network only, so no public authority signs for it`;
      refuse(what, "The cluster's own authority has a certificate for it already");
    }
    if (!this.#options.hosts().includes(host)) {
      const hint = `Give it to an app first: "moln app NAME domains ${host}"`;
      refuse(`No app or route has the host "${host}"`, hint);
    }
    const own = certificates.find(
      ({ source, certPem, host: of }) =>
        source === 'own' && (of === host || checkNames(certPem, host)),
    );
    if (own !== undefined) {
      refuse(
        `"${host}" is served with a certificate that was added`,
        `Remove it first: "moln certificate remove ${own.host}"`,
      );
    }
    await store.orderAgain(host);
  }

  async setAcme(request: AcmeRequest): Promise<void> {
    const { email, directory = USUAL_DIRECTORY, directoryCa, challenge, dnsHook } = request;
    if (!request.termsAgreed) {
      const what = 'Nothing is ordered without agreement to the terms of the certificate authority';
      throw new ConfigError('termsAgreed', what, { hint: 'Read them, then add --terms-agreed' });
    }
    if (challenge === 'dns-01' && dnsHook === undefined) {
      const what = 'The challenge "dns-01" needs a program that sets records of DNS';
      throw new ConfigError('dnsHook', what, { hint: 'Add --dns-hook PROGRAM' });
    }
    await this.#options.store.putSettings({ email, directory, directoryCa, challenge, dnsHook });
  }

  async unsetAcme(): Promise<void> {
    await this.#options.store.putSettings(undefined);
  }

  /** Sentences for `moln status`. None while the registry cannot be read: that is said elsewhere. */
  async warnings(): Promise<readonly string[]> {
    const { warnings } = this.#overview(await this.#options.store.read());
    return warnings.map(({ text }) => text);
  }

  async families(): Promise<readonly MetricFamily[]> {
    const { rows, warnings } = this.#overview(await this.#options.store.read());
    const held = rows.flatMap(({ host, source, notAfter }) =>
      notAfter === undefined ? [] : [{ labels: { host, source }, value: notAfter / 1000 }],
    );
    return [
      {
        name: 'moln_certificate_expiry_timestamp_seconds',
        help: 'When the certificate of a host ends, seconds since the epoch',
        type: 'gauge',
        samples: held,
      },
      {
        name: 'moln_certificate_warning',
        help: '1 for each warning about a certificate',
        type: 'gauge',
        samples: warnings.map(({ host, kind }) => ({ labels: { host, kind }, value: 1 })),
      },
    ];
  }

  #overview(state: CertState): CertificateOverview {
    const { hosts, clock } = this.#options;
    return certificateRows(state, hosts(), clock.now());
  }
}

function checkNames(certPem: string, host: string): boolean {
  return readFacts(certPem).names.some((name) => covers(name, host));
}

function acmeView({ settings }: CertState): CertificateList['acme'] {
  if (settings === undefined) return undefined;
  const { directoryCa, ...shown } = settings;
  return { ...shown, hasDirectoryCa: directoryCa !== undefined };
}

function sentenceOf({ settings, certificates }: CertState, troubles: number): string {
  const count = certificates.length === 1 ? '1 certificate' : `${certificates.length} certificates`;
  const where =
    settings === undefined
      ? 'ordering is off, because an authority wants to know whom to write to: "moln certificate acme --email YOU@EXAMPLE.ORG --terms-agreed" switches it on'
      : `ordered at ${settings.directory} by ${settings.email}`;
  const trouble =
    troubles === 0 ? '' : `; ${troubles === 1 ? '1 warning' : `${troubles} warnings`}`;
  return `${count}; ${where}${trouble}`;
}
