/** Operations on certificates, of the whole cluster. Keys go in and never come out. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
} from '../../base/schema.ts';
import type { CertificateList, CertificateRow } from '../certificate-model.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { number, type Wire } from '../wire.ts';

const PEM_CHARACTERS_MAX = 100_000;
const CERTIFICATE_PATH = '/api/certificates/{host}';

const text = string();
const kind = literal('http-01', 'tls-alpn-01', 'dns-01');

const row: Schema<Wire<CertificateRow>> = object({
  host: text,
  source: literal('acme', 'own', 'cluster'),
  state: literal(
    'good',
    'ordering',
    'none',
    'expired',
    'expires-soon',
    'not-yet-valid',
    'mismatch',
    'failing',
    'wildcard',
  ),
  text: string(),
  names: array(text),
  issuer: optional(text),
  serial: optional(text),
  notBefore: optional(number()),
  notAfter: optional(number('Epoch milliseconds')),
  renewsAt: optional(number()),
  failure: optional(
    object({
      count: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      at: number(),
      retryAt: number(),
      code: text,
      message: text,
    }),
  ),
});

const list: Schema<Wire<CertificateList>> = object({
  sentence: text,
  acme: optional(
    object({
      email: text,
      directory: text,
      hasDirectoryCa: boolean(),
      challenge: optional(kind),
      dnsHook: optional(text),
    }),
  ),
  certificates: array(row),
  warnings: array(
    object({
      host: text,
      kind: literal('expired', 'expires-soon', 'not-yet-valid', 'mismatch', 'failing', 'wildcard'),
      text,
    }),
  ),
});

const pair = object({
  cert: string({ lengthMax: PEM_CHARACTERS_MAX }),
  key: string({ lengthMax: PEM_CHARACTERS_MAX }),
});

const acmeRequest = object({
  email: string({
    lengthMax: 254,
    pattern: /^[^\s@]+@[^\s@]+$/,
    patternMeans: 'an address like you@example.org',
  }),
  directory: optional(
    string({ lengthMax: 2000, pattern: /^https:\/\/\S+$/, patternMeans: 'a URL with https' }),
  ),
  directoryCa: optional(string({ lengthMax: PEM_CHARACTERS_MAX })),
  challenge: optional(kind),
  dnsHook: optional(
    string({ lengthMax: 4096, pattern: /^\/[^\0]+$/, patternMeans: 'an absolute path' }),
  ),
  termsAgreed: boolean('To the terms of the certificate authority'),
});

export const certificateOperations: readonly Operation[] = [
  defineOperation({
    id: 'listCertificates',
    method: 'GET',
    path: '/api/certificates',
    scope: 'read',
    tag: 'node',
    summary: 'List certificates and warnings',
    description: 'Also public hosts that have none yet, and why.',
    answer: { kind: 'json', status: 200, schema: list },
    handle: (cloud) => cloud.listCertificates(),
  }),
  defineOperation({
    id: 'setAcme',
    method: 'PUT',
    path: '/api/acme',
    scope: 'admin',
    tag: 'node',
    summary: 'Order certificates from now on',
    description: 'For every public host of apps and routes, by the leader.',
    json: acmeRequest,
    answer: { kind: 'empty' },
    handle: (cloud, { body }) =>
      cloud.setAcme({
        email: body.email,
        directory: body.directory,
        directoryCa: body.directoryCa,
        challenge: body.challenge,
        dnsHook: body.dnsHook,
        termsAgreed: body.termsAgreed,
      }),
  }),
  defineOperation({
    id: 'unsetAcme',
    method: 'DELETE',
    path: '/api/acme',
    scope: 'admin',
    tag: 'node',
    summary: 'Order no certificates any more',
    description: 'Those that there are stay, until they expire.',
    answer: { kind: 'empty' },
    handle: (cloud) => cloud.unsetAcme(),
  }),
  defineOperation({
    id: 'showCertificate',
    method: 'GET',
    path: CERTIFICATE_PATH,
    scope: 'read',
    tag: 'node',
    summary: 'Show one certificate',
    description: 'By the host that it was ordered or added for. The key is not in it.',
    answer: { kind: 'json', status: 200, schema: row },
    handle: (cloud, { path }) => cloud.showCertificate(path('host')),
  }),
  defineOperation({
    id: 'addCertificate',
    method: 'PUT',
    path: CERTIFICATE_PATH,
    scope: 'admin',
    tag: 'node',
    summary: 'Add a certificate of your own',
    description: 'PEM: its own one first, then those that lead to its root; and its key.',
    json: pair,
    answer: { kind: 'json', status: 200, schema: row },
    handle: (cloud, { path, body }) => cloud.addCertificate(path('host'), body),
  }),
  defineOperation({
    id: 'removeCertificate',
    method: 'DELETE',
    path: CERTIFICATE_PATH,
    scope: 'admin',
    tag: 'node',
    summary: 'Remove a certificate',
    description: 'While ordering is on, a public host of an app gets a new one.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.removeCertificate(path('host')),
  }),
  defineOperation({
    id: 'orderCertificate',
    method: 'POST',
    path: `${CERTIFICATE_PATH}/order`,
    scope: 'admin',
    tag: 'node',
    summary: 'Order a certificate now',
    description: 'Whatever failed before, and however long the one of now is good.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.orderCertificate(path('host')),
  }),
];
