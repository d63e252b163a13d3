/** The shape of a listener as people write it. What it means is in `written-listener.ts` and `written-balancer.ts`. */
import { type ChallengeKind, USUAL_DIRECTORY } from '../certs/certs.ts';
import {
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
  withDefault,
} from '../base/schema.ts';
import { duration, filePath, oneOrMore, trueOr } from './values.ts';
import {
  type WrittenBalancer,
  balancerSchema,
  type WrittenProxyProtocol,
  proxyProtocolSchema,
  isBalancer,
} from './written-balancer.ts';

export interface WrittenPair {
  readonly cert: string;
  readonly key: string;
}

/** Certificates that are ordered; in a gateway's file alone. */
export interface WrittenAcme {
  readonly email: string;
  readonly directory: string;
  /** A file in PEM: who signed the directory's own certificate. */
  readonly directoryCa?: string;
  /** Absent: the public ones among those of the routes. */
  readonly hosts?: readonly string[];
  readonly challenge?: ChallengeKind;
  readonly dnsHook?: string;
}

export interface WrittenListener {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** The first is the default; the others are for the hosts that they name. */
  readonly tls?: readonly (WrittenPair | { readonly acme: WrittenAcme })[];
  readonly hsts: false | WrittenHsts;
  /** Of http: where every request is sent. */
  readonly redirect?: 'https';
  readonly proxyProtocol?: WrittenProxyProtocol;
}

/** In milliseconds. */
export interface WrittenHsts {
  readonly maxAge?: number;
  readonly includeSubDomains?: boolean;
  readonly preload?: boolean;
}

const chosenHsts: Schema<WrittenHsts> = object({
  maxAge: optional(duration),
  includeSubDomains: optional(boolean()),
  preload: optional(boolean()),
});

const acme: Schema<{ readonly acme: WrittenAcme }> = object({
  acme: object({
    email: string({
      pattern: /^[^\s@]+@[^\s@]+$/,
      patternMeans: 'an address like you@example.org',
    }),
    directory: withDefault(
      string({ pattern: /^https:\/\/\S+$/, patternMeans: 'a URL with https' }),
      USUAL_DIRECTORY,
    ),
    directoryCa: optional(filePath),
    hosts: optional(oneOrMore(string())),
    challenge: optional(literal('http-01', 'tls-alpn-01', 'dns-01')),
    dnsHook: optional(filePath),
  }),
});
const pair: Schema<WrittenPair> = object({ cert: filePath, key: filePath });

const certificate: Schema<WrittenPair | { readonly acme: WrittenAcme }> = {
  decode: (value, path) =>
    typeof value === 'object' && value !== null && 'acme' in value
      ? acme.decode(value, path)
      : pair.decode(value, path),
  json: { oneOf: [pair.json, acme.json] },
};

const listener: Schema<WrittenListener> = object({
  address: withDefault(string(), '::'),
  port: integer({ min: 0, max: 65_535 }),
  protocol: withDefault(literal('http', 'https'), 'http'),
  tls: optional(oneOrMore(certificate)),
  hsts: withDefault(trueOr(chosenHsts), false),
  redirect: optional(literal('https')),
  proxyProtocol: optional(proxyProtocolSchema),
});

const PROTOCOLS = literal('http', 'https', 'tcp', 'udp');

/** Its protocol says which keys there are. */
export const listenerSchema: Schema<WrittenListener | WrittenBalancer> = {
  decode(value, path) {
    const { protocol } = (value ?? {}) as { readonly protocol?: unknown };
    if (protocol === undefined) return listener.decode(value, path);
    const known = { protocol: PROTOCOLS.decode(protocol, `${path}.protocol`) };
    return isBalancer(known) ? balancerSchema.decode(value, path) : listener.decode(value, path);
  },
  json: { oneOf: [listener.json, balancerSchema.json] },
};
