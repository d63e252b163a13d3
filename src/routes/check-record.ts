/** What a route or a listener of the registry means to the gateways. Throws `ConfigError` with the key as it was written. */
import { ConfigError } from '../base/errors.ts';
import {
  checkGatewayConfig,
  DEFAULT_GATEWAY_LIMITS,
  type GatewayConfigContent,
} from '../gateway/gateway.ts';
import type { Ground, RouteConfig } from './ground.ts';
import { listenerSchema } from './listener-schema.ts';
import type { Written } from './records.ts';
import { inRouteWords } from './route-words.ts';
import { routeSchema, type WrittenRoute } from './route-schema.ts';
import { balancerOf, isBalancer } from './written-balancer.ts';
import { listenerOf } from './written-listener.ts';
import { refuseIdle, routeOf } from './written-route.ts';

type ListenerConfig = GatewayConfigContent['listeners'][number];
type BalancerConfig = NonNullable<GatewayConfigContent['balancers']>[number];

/** One port that the gateways of all nodes shall have. */
export type PortConfig =
  | { readonly kind: 'listener'; readonly name: string; readonly config: ListenerConfig }
  | { readonly kind: 'balancer'; readonly name: string; readonly config: BalancerConfig };

/** Beside what was written: how it is told apart from the routes of apps. */
export function routeIdOf(name: string): string {
  return `route/${name}`;
}

export type RecordGround = Omit<Ground, 'folder'>;

/**
 * Any app, any bucket, with somewhere to lead to: so that also what is about upstreams is looked at. At a socket, as instances may be: what
 * is only for hosts and ports would be refused later, and all routes with it.
 */
const SOME_GROUND: RecordGround = {
  workers: 1,
  websites: [{ id: 'websites', address: { kind: 'socket', path: '/websites' } }],
  app: () => ({
    target: {
      kind: 'upstreams',
      upstreams: [{ id: 'some', address: { kind: 'socket', path: '/some' } }],
    },
  }),
};

/** Of all that is checked as if it were the only one. */
const ALONE: Omit<GatewayConfigContent, 'listeners' | 'routes'> & { readonly version: number } = {
  version: 1,
  limits: DEFAULT_GATEWAY_LIMITS,
  cache: { memoryBytes: 64 * 1024 * 1024 },
};

/** Trusts that it was checked. */
export function readRoute(name: string, written: Written, ground: RecordGround): RouteConfig {
  const decoded = routeSchema.decode(written, 'routes[0]');
  return routeOf(decoded, 'routes[0]', { ...ground, folder: undefined }, routeIdOf(name));
}

export function checkRoute(
  name: string,
  written: Written,
): { readonly route: WrittenRoute; readonly config: RouteConfig } {
  return asWritten('route', () => {
    const route = routeSchema.decode(written, 'routes[0]');
    if (!('host' in written)) {
      const what = 'Key "routes[0].host" is missing, want the host name that leads here';
      throw new ConfigError('routes[0].host', what, { hint: 'Write "host: www.example.org"' });
    }
    refuseIdle(route, 'routes[0]');
    const config = readRoute(name, written, SOME_GROUND);
    checkGatewayConfig({ ...ALONE, listeners: [], routes: [config] });
    return { route, config };
  });
}

/** What a node gives to the listeners of the registry. */
export interface PortGround {
  /** Where its gateways listen, unless the listener says. */
  readonly address: string;
  /** Where `redirect: https` leads. */
  readonly httpsPort: number;
}

/** Trusts that it was checked. */
export function readPort(name: string, written: Written, ground: PortGround): PortConfig {
  const path = 'listeners[0]';
  const { address, httpsPort } = ground;
  const one = listenerSchema.decode({ address, ...written }, path);
  const id = `listener/${name}`;
  if (isBalancer(one)) {
    const config = { ...balancerOf(one, path), id };
    return { kind: 'balancer', name, config };
  }
  const config = listenerOf(one, { path, folder: undefined, httpsPort, id });
  return { kind: 'listener', name, config };
}

export function checkPort(name: string, written: Written): PortConfig {
  return asWritten('listener', () => {
    const port = readPort(name, written, { address: '::', httpsPort: 443 });
    if (port.config.port === 0) {
      const what = 'Key "listeners[0].port" is 0, want 1 to 65535: all nodes have the same';
      throw new ConfigError('listeners[0].port', what);
    }
    if (port.kind === 'balancer') refuseSockets(port.config);
    const isHttps = port.kind === 'listener' && port.config.protocol === 'https';
    // The certificates are the cluster's and are not looked at here.
    const tls = isHttps ? { tls: { cert: '', key: '' } } : {};
    checkGatewayConfig({
      ...ALONE,
      routes: [],
      listeners: port.kind === 'listener' ? [{ ...port.config, ...tls }] : [],
      ...(port.kind === 'balancer' ? { balancers: [port.config] } : {}),
    });
    return port;
  });
}

/** Sockets of a machine are open to whoever writes the file that is on it, not to a cluster: the agent's own is one. */
function refuseSockets({ upstreams, sni }: BalancerConfig): void {
  const all = [...upstreams, ...Object.values(sni ?? {}).flat()];
  const found = all.find(({ address }) => address.kind === 'socket');
  if (found === undefined) return;
  const what = `Upstream "${found.id}" is a socket, which only one machine has; want tcp://HOST:PORT`;
  throw new ConfigError('listeners[0].upstreams', what);
}

/** A record is the only one of its kind: its keys are told without its place. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/"(?:routes|listeners|balancers)\[0\]"/g, 'It'],
  [/\b(?:routes|listeners|balancers)\[0\]\./g, ''],
];

function asWritten<T>(kind: 'route' | 'listener', check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const words = (text: string): string =>
      WORDS.reduce(
        (said, [pattern, instead]) => said.replaceAll(pattern, instead),
        inRouteWords(text),
      );
    const isWhole = /^(?:routes|listeners)\[0\]$/.test(error.key);
    const message = isWhole
      ? words(error.message).replace(/^It\b/, `The ${kind}`)
      : words(error.message);
    throw new ConfigError(isWhole ? '' : words(error.key), message, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}
