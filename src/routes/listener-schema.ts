/** The shape of a listener as people write it. What it means is in `written-listener.ts` and `written-balancer.ts`. */
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

export interface WrittenListener {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** The first is the default; the others are for the hosts that they name. */
  readonly tls?: readonly { readonly cert: string; readonly key: string }[];
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

const listener: Schema<WrittenListener> = object({
  address: withDefault(string(), '::'),
  port: integer({ min: 0, max: 65_535 }),
  protocol: withDefault(literal('http', 'https'), 'http'),
  tls: optional(oneOrMore(object({ cert: filePath, key: filePath }))),
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
