/** Strict check of the balancers in a `GatewayConfig`, as `config-check.ts` does it for the rest. */
import { isAbsolute, normalize } from 'node:path';
import { isIP } from 'node:net';
import { ConfigError } from '../base/errors.ts';
import {
  array,
  integer,
  literal,
  object,
  optional,
  record,
  type Schema,
  string,
  union,
} from '../base/schema.ts';
import { isAddressRange } from '../net/net.ts';
import type {
  BalancerAddress,
  BalancerConfig,
  BalancerProxyProtocol,
  BalancerUpstreamConfig,
} from './balancer-config.ts';
import type { ListenerConfig } from './config.ts';
import { BALANCER } from './balancer-limits.ts';
import { SOCKET_PATH_BYTES_MAX } from './limits.ts';

const id = string({
  pattern: /^[\x21-\x7e]{1,300}$/,
  patternMeans: '1 to 300 printable characters without spaces',
});
const time = integer({ min: 1, max: BALANCER.timeMsMax });

/** A string that is held to be good by `accepts`. */
function text(wanted: string, accepts: (value: string) => boolean): Schema<string> {
  const inner = string({ lengthMax: 4096 });
  return {
    ...inner,
    decode(value, path) {
      const decoded = inner.decode(value, path);
      if (accepts(decoded)) return decoded;
      throw new ConfigError(path, `Key "${path}" is "${decoded}", want ${wanted}`);
    },
  };
}

const address: Schema<BalancerAddress> = union<BalancerAddress, 'kind'>('kind', {
  port: object({
    kind: literal('port'),
    host: string({ pattern: /^[^\s]+$/, patternMeans: 'a host name or IP address' }),
    port: integer({ min: 1, max: 65_535 }),
  }),
  socket: object({
    kind: literal('socket'),
    path: text(
      `an absolute path of at most ${SOCKET_PATH_BYTES_MAX} bytes`,
      (path) =>
        isAbsolute(path) &&
        !path.includes('\0') &&
        normalize(path) === path &&
        Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX,
    ),
  }),
});

const upstreams: Schema<readonly BalancerUpstreamConfig[]> = array(
  object({ id, address, weight: integer({ min: 0, max: BALANCER.weightMax }) }),
  { itemsMax: BALANCER.upstreamsMax },
);

/** Of addresses whose connections begin with a PROXY header. */
export const trustedRanges: Schema<readonly string[]> = array(
  text('an IP address, or a range such as 10.0.0.0/8', isAddressRange),
  { itemsMax: BALANCER.trustMax },
);

const proxyProtocol: Schema<BalancerProxyProtocol> = object({
  trust: optional(trustedRanges),
  out: optional(literal('v1', 'v2')),
});

const balancer: Schema<BalancerConfig> = object({
  id,
  address: text('an IP address', (value) => isIP(value) !== 0 && !value.includes('%')),
  port: integer({ min: 0, max: 65_535 }),
  protocol: literal('tcp', 'udp'),
  balance: literal('round-robin', 'least', 'source-hash'),
  upstreams,
  sni: optional(
    record(upstreams, {
      key: /^(?:\*\.)?[0-9a-z_-]+(?:\.[0-9a-z_-]+)*$/,
      keyMeans: 'a lower-case host name, or "*." and one',
    }),
  ),
  timeouts: object({ connectMs: time, idleMs: time }),
  connectionsMax: integer({ min: 1, max: 1_000_000 }),
  health: optional(object({ intervalMs: time, timeoutMs: time })),
  proxyProtocol: optional(proxyProtocol),
});

export const balancersSchema: Schema<readonly BalancerConfig[]> = array(balancer, {
  itemsMax: BALANCER.balancersMax,
});

/** Throws `ConfigError` for what single keys do not show. */
export function checkBalancers(
  balancers: readonly BalancerConfig[],
  listeners: readonly ListenerConfig[],
): void {
  const ids = new Set<string>();
  const places = new Map(listeners.map((one) => [place('tcp', one), one.id]));
  for (const [index, one] of balancers.entries()) {
    const path = `balancers[${index}]`;
    if (ids.has(one.id)) {
      throw new ConfigError(`${path}.id`, `Key "${path}.id" repeats the id "${one.id}"`);
    }
    ids.add(one.id);
    const where = place(one.protocol, one);
    const other = places.get(where);
    if (one.port !== 0 && other !== undefined) {
      throw new ConfigError(
        `${path}.port`,
        `Listeners "${other}" and "${one.id}" both want ${one.address} port ${one.port}`,
      );
    }
    places.set(where, one.id);
    checkOne(one, path);
  }
}

function place(protocol: string, { address: ip, port }: { address: string; port: number }): string {
  return `${protocol} ${ip} ${port}`;
}

function checkOne(one: BalancerConfig, path: string): void {
  if (one.upstreams.length === 0 && one.sni === undefined) {
    throw new ConfigError(
      `${path}.upstreams`,
      `Key "${path}.upstreams" is empty, want at least one`,
    );
  }
  checkUpstreams(one, one.upstreams, `${path}.upstreams`);
  for (const [name, list] of Object.entries(one.sni ?? {})) {
    const key = `${path}.sni.${name}`;
    if (list.length === 0) throw new ConfigError(key, `Key "${key}" is empty, want at least one`);
    checkUpstreams(one, list, key);
  }
  if (one.protocol !== 'udp') return;
  for (const key of ['sni', 'health', 'proxyProtocol'] as const) {
    if (one[key] === undefined) continue;
    throw new ConfigError(`${path}.${key}`, `Key "${path}.${key}" is for protocol tcp, not udp`);
  }
}

function checkUpstreams(
  { protocol }: BalancerConfig,
  list: readonly BalancerUpstreamConfig[],
  path: string,
): void {
  const ids = new Set<string>();
  for (const [index, one] of list.entries()) {
    if (ids.has(one.id)) {
      throw new ConfigError(`${path}[${index}]`, `Key "${path}[${index}]" repeats "${one.id}"`);
    }
    ids.add(one.id);
    if (protocol === 'udp' && one.address.kind === 'socket') {
      throw new ConfigError(
        `${path}[${index}].address`,
        `Key "${path}[${index}].address" is a unix socket, which datagrams cannot go to`,
      );
    }
  }
}
