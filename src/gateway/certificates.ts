/**
 * The certificates of a listener. A client says which host it wants (SNI, RFC 6066 3): the certificate that names it serves, else
 * the one with a wildcard for it, else the first.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf, MolnError } from '../base/errors.ts';
import { type MetricFamily, type MetricSample, SAMPLES_PER_FAMILY_MAX } from '../base/metrics.ts';
import { isoTime } from '../base/time.ts';
import type { CertificatePair, ListenerConfig } from './config.ts';
import { GATEWAY_LISTEN_FAILED } from './errors.ts';

const DAY_S = 86_400;
/** A warning comes so long before the end, or when a third of a short life is left. */
const EXPIRES_SOON_MS: number = 21 * DAY_S * 1000;

/** Forward secrecy and authenticated encryption only; HTTP/2 forbids the rest (RFC 9113 9.2.2). TLS 1.3 has nothing else. */
const CIPHERS: string = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** Node's own differs from process to process, and a session of another one would not be resumed in spite of its ticket. */
const SESSION_CONTEXT = 'moln gateway';

/** Also for each new certificate: what is not said again falls back to the default. */
export function tlsOptions(pair: CertificatePair | undefined): SecureContextOptions {
  return {
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    sessionIdContext: SESSION_CONTEXT,
    ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }),
  };
}

/** The default is the first. */
export function pairsOf(config: ListenerConfig): readonly CertificatePair[] {
  return config.tls === undefined ? [] : [config.tls, ...(config.certificates ?? [])];
}

/** Throws GATEWAY_LISTEN_FAILED when a certificate and its key cannot be used, before anything has changed. */
export function requireUsableTls(config: ListenerConfig): void {
  for (const pair of pairsOf(config)) {
    try {
      createSecureContext(tlsOptions(pair));
    } catch (error) {
      throw new MolnError(
        GATEWAY_LISTEN_FAILED,
        `The certificate or key of listener "${config.id}" cannot be used: ${messageOf(error)}`,
        {
          hint: 'Give a PEM certificate chain, its own one first, and the key that belongs to it',
          cause: error,
        },
      );
    }
  }
}

export function samePairs(a: ListenerConfig, b: ListenerConfig): boolean {
  const [ones, others] = [pairsOf(a), pairsOf(b)];
  return (
    ones.length === others.length &&
    ones.every(({ cert, key }, at) => cert === others[at]?.cert && key === others[at].key)
  );
}

export class Certificates {
  /** By lower-case name; `*.example.org` as it is written. */
  readonly #byName = new Map<string, SecureContext>();

  /** The one that comes first wins a name that several have. */
  constructor(pairs: readonly CertificatePair[]) {
    for (const pair of pairs) {
      const context = createSecureContext(tlsOptions(pair));
      for (const name of namesOf(pair)) {
        if (!this.#byName.has(name)) this.#byName.set(name, context);
      }
    }
  }

  /** Undefined: the default. */
  contextFor(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const exact = this.#byName.get(name);
    if (exact !== undefined) return exact;
    // A wildcard stands for one label (RFC 9525 6.3).
    const dot = name.indexOf('.');
    return dot < 0 ? undefined : this.#byName.get(`*${name.slice(dot)}`);
  }
}

/** Lower-case DNS names and addresses that a certificate is for. None when it is not one. */
function namesOf({ cert }: CertificatePair): readonly string[] {
  const { subjectAltName = '' } = new X509Certificate(cert);
  return [...subjectAltName.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name = '']) =>
    name.toLowerCase(),
  );
}

/** What an operator should know of a certificate that serves nobody well. */
interface CertificateTrouble {
  readonly kind: 'expired' | 'expires-soon' | 'not-yet-valid' | 'mismatch';
  /** What is said of the certificate. */
  readonly text: string;
}

/** A certificate that is served, and what is wrong with it now. */
interface ServedCertificate {
  readonly listener: string;
  /** Lower-case; perhaps none. */
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly notAfter: number;
  readonly troubles: readonly CertificateTrouble[];
}

interface Served {
  readonly listeners: readonly ListenerConfig[];
  readonly routes: readonly { readonly hosts: readonly string[] }[];
}

/** One sentence for each certificate that serves nobody well, with its names. */
export function certificateTroubles(config: Served, nowMs: number): readonly string[] {
  return servedCertificates(config, nowMs).flatMap(({ names, listener, troubles }) => {
    const what = `The certificate for ${names.join(', ') || 'no name'} of listener "${listener}"`;
    return troubles.map(({ text }) => `${what} ${text}`);
  });
}

/** When the certificates end that clients are shown, and what is wrong with them; `host` is the first that each names. */
export function certificateFamilies(config: Served, nowMs: number): readonly MetricFamily[] {
  const served = servedCertificates(config, nowMs).map((one) => ({
    ...one,
    labels: { listener: one.listener, host: one.names[0] ?? '' },
  }));
  return [
    {
      name: 'moln_certificate_expiry_timestamp_seconds',
      help: 'When a certificate that is served ends, seconds since the epoch',
      type: 'gauge',
      samples: onceEach(served.map(({ labels, notAfter }) => ({ labels, value: notAfter / 1000 }))),
    },
    {
      name: 'moln_certificate_warning',
      help: '1 for each thing that is wrong with a certificate that is served, or soon will be',
      type: 'gauge',
      samples: onceEach(
        served.flatMap(({ labels, troubles }) =>
          troubles.map(({ kind }) => ({ labels: { ...labels, kind }, value: 1 })),
        ),
      ),
    },
  ];
}

/** Of several with the same labels the lowest, which is the one that ends first. */
function onceEach(samples: readonly MetricSample[]): readonly MetricSample[] {
  const kept = new Map<string, MetricSample>();
  for (const sample of samples) {
    const key = Object.values(sample.labels).join(' ');
    const known = kept.get(key);
    if (known === undefined || sample.value < known.value) kept.set(key, sample);
  }
  return [...kept.values()].slice(0, SAMPLES_PER_FAMILY_MAX);
}

function servedCertificates(
  { listeners, routes }: Served,
  nowMs: number,
): readonly ServedCertificate[] {
  const hosts = routes.flatMap((route) => route.hosts);
  return listeners.flatMap((listener) =>
    pairsOf(listener).map((pair) => {
      const { notAfter, notBefore, names } = factsOf(pair);
      const troubles = [...troublesOfTime(notBefore, notAfter, nowMs)];
      const fits = hosts.some((host) => host === '*' || names.some((name) => covers(name, host)));
      if (hosts.length > 0 && !fits) {
        troubles.push({ kind: 'mismatch', text: 'fits no host of the routes' });
      }
      return { listener: listener.id, names, notAfter, troubles };
    }),
  );
}

function factsOf(pair: CertificatePair): {
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
} {
  const { validFromDate, validToDate } = new X509Certificate(pair.cert);
  const times = { notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() };
  return { names: namesOf(pair), ...times };
}

function troublesOfTime(
  notBefore: number,
  notAfter: number,
  nowMs: number,
): readonly CertificateTrouble[] {
  const end = isoTime(notAfter).slice(0, 10);
  if (notAfter <= nowMs) return [{ kind: 'expired', text: `has expired on ${end}` }];
  if (notBefore > nowMs) {
    return [{ kind: 'not-yet-valid', text: `is not valid before ${isoTime(notBefore)}` }];
  }
  const isSoon = notAfter - nowMs < Math.min(EXPIRES_SOON_MS, (notAfter - notBefore) / 3);
  return isSoon ? [{ kind: 'expires-soon', text: `expires on ${end}` }] : [];
}

/** `name` is of a certificate, `host` of a route; each may have a wildcard. */
function covers(name: string, host: string): boolean {
  if (name === host) return true;
  // A route's wildcard has any number of labels in it, one of which may be the certificate's name.
  if (host.startsWith('*.')) return name.endsWith(host.slice(1));
  return name.startsWith('*.') && host.slice(host.indexOf('.')) === name.slice(1);
}
