/** Listeners of a gateway's file that lead TCP or UDP to upstreams: their shape, and what workers are told. */
import { ConfigError } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  type Schema,
  string,
  withDefault,
} from '../base/schema.ts';
import { DEFAULT_BALANCER, type GatewayConfigContent } from '../gateway/gateway.ts';
import { duration, oneOrMore, urlOr } from './values.ts';

type BalancerConfig = NonNullable<GatewayConfigContent['balancers']>[number];
type BalancerUpstream = BalancerConfig['upstreams'][number];

interface WrittenUpstream {
  readonly url: string;
  readonly weight: number;
}

/** Times in milliseconds. */
export interface WrittenBalancer {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly upstreams: readonly WrittenUpstream[];
  readonly sni?: Readonly<Record<string, readonly WrittenUpstream[]>>;
  readonly balance: 'round-robin' | 'least' | 'source-hash';
  readonly health?: { readonly interval: number; readonly timeout: number };
  readonly timeouts: { readonly connect?: number; readonly idle?: number };
  readonly limits: { readonly connections?: number };
  readonly proxyProtocol?: WrittenProxyProtocol;
}

export interface WrittenProxyProtocol {
  readonly in: boolean;
  readonly trust: readonly string[];
  readonly out?: 'v1' | 'v2';
}

const upstreams = oneOrMore(
  urlOr(object({ url: string(), weight: withDefault(integer({ min: 0, max: 256 }), 1) })),
);

export const proxyProtocolSchema: Schema<WrittenProxyProtocol> = object({
  in: withDefault(boolean(), false),
  trust: withDefault(array(string(), { itemsMax: 1000 }), []),
  out: optional(literal('v1', 'v2')),
});

export const balancerSchema: Schema<WrittenBalancer> = object({
  address: withDefault(string(), '::'),
  port: integer({ min: 0, max: 65_535 }),
  protocol: literal('tcp', 'udp'),
  upstreams: withDefault(upstreams, []),
  sni: optional(record(upstreams)),
  balance: withDefault(literal('round-robin', 'least', 'source-hash'), 'round-robin'),
  health: optional(
    object({
      interval: withDefault(duration, DEFAULT_BALANCER.healthIntervalMs),
      timeout: withDefault(duration, DEFAULT_BALANCER.healthTimeoutMs),
    }),
  ),
  timeouts: withDefault(object({ connect: optional(duration), idle: optional(duration) }), {}),
  limits: withDefault(object({ connections: optional(integer({ min: 1, max: 1_000_000 })) }), {}),
  proxyProtocol: optional(proxyProtocolSchema),
});

/** Which listeners of a file are balancers. */
export function isBalancer<T extends { readonly protocol: string }>(
  one: T | WrittenBalancer,
): one is WrittenBalancer {
  return one.protocol === 'tcp' || one.protocol === 'udp';
}

export function balancerOf(one: WrittenBalancer, path: string): BalancerConfig {
  const { address, port, protocol, balance, sni, health, timeouts, limits } = one;
  const isTcp = protocol === 'tcp';
  const usual = DEFAULT_BALANCER;
  const proxyProtocol = proxyProtocolOf(one.proxyProtocol, `${path}.proxyProtocol`);
  return {
    id: `${protocol}-${address}-${port}`,
    address,
    port,
    protocol,
    balance,
    upstreams: upstreamsOf(one.upstreams, protocol, `${path}.upstreams`),
    timeouts: {
      connectMs: timeouts.connect ?? usual.connectMs,
      idleMs: timeouts.idle ?? (isTcp ? usual.tcpIdleMs : usual.udpIdleMs),
    },
    connectionsMax: limits.connections ?? (isTcp ? usual.tcpConnectionsMax : usual.udpSessionsMax),
    ...(sni === undefined
      ? {}
      : {
          sni: Object.fromEntries(
            Object.entries(sni).map(([name, list]) => [
              name,
              upstreamsOf(list, protocol, `${path}.sni.${name}`),
            ]),
          ),
        }),
    ...(health === undefined
      ? {}
      : { health: { intervalMs: health.interval, timeoutMs: health.timeout } }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
  };
}

/** Throws `ConfigError` when a header is to be believed of nobody, or of somebody who sends none. */
export function proxyProtocolOf(
  said: WrittenProxyProtocol | undefined,
  path: string,
): BalancerConfig['proxyProtocol'] {
  if (said === undefined) return undefined;
  const { trust, out } = said;
  if (said.in !== trust.length > 0) {
    const message = said.in
      ? `Key "${path}.in" needs "${path}.trust", the addresses of the proxies that are believed`
      : `Key "${path}.trust" is for "${path}.in: true"`;
    throw new ConfigError(`${path}.${said.in ? 'in' : 'trust'}`, message);
  }
  return { ...(said.in ? { trust } : {}), ...(out === undefined ? {} : { out }) };
}

function upstreamsOf(
  list: readonly WrittenUpstream[],
  protocol: 'tcp' | 'udp',
  path: string,
): readonly BalancerUpstream[] {
  return list.map(({ url, weight }, at) => ({
    ...placeOf(url, protocol, `${path}[${at}].url`),
    weight,
  }));
}

/** `tcp://host:port`, `udp://host:port` or `unix:/run/app.sock`. */
function placeOf(
  url: string,
  protocol: 'tcp' | 'udp',
  path: string,
): Pick<BalancerUpstream, 'id' | 'address'> {
  if (protocol === 'tcp' && url.startsWith('unix:')) {
    return { id: url, address: { kind: 'socket', path: url.slice('unix:'.length) } };
  }
  const parsed = URL.parse(url);
  const isGood =
    parsed?.protocol === `${protocol}:` &&
    parsed.hostname !== '' &&
    parsed.port !== '' &&
    parsed.port !== '0' &&
    parsed.href.replace(/\/$/, '') === `${protocol}://${parsed.host}`;
  if (!isGood) {
    const unix = protocol === 'tcp' ? ' or unix:/PATH' : '';
    throw new ConfigError(path, `Key "${path}" is "${url}", want ${protocol}://HOST:PORT${unix}`);
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return {
    id: `${protocol}://${parsed.host}`,
    address: { kind: 'port', host, port: Number(parsed.port) },
  };
}
