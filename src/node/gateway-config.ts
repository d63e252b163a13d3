/** What this node tells its gateway: where to listen, with which certificate, and the routes. */
import type { Identity } from '../cluster/cluster.ts';
import type { ListenerConfig, RouteConfig } from '../gateway/config.ts';
import {
  DEFAULT_GATEWAY_LIMITS,
  type GatewayConfigContent,
  type GatewaySupervisor,
} from '../gateway/gateway.ts';
import type { ListenPlace } from './listen-choice.ts';
import type { RouteSet } from './route-mirror.ts';

/** Names a certificate carries at most; further hosts are served with the one that has the first. */
const CERTIFICATE_NAMES_MAX = 100;

type Tls = NonNullable<ListenerConfig['tls']>;

export class GatewayConfigurer {
  readonly #supervisor: GatewaySupervisor;
  readonly #identity: Identity;
  readonly #places: readonly ListenPlace[];
  #tls: { readonly names: string; readonly issuedFor: string; readonly tls: Tls } | undefined;

  constructor(options: {
    readonly supervisor: GatewaySupervisor;
    readonly identity: Identity;
    readonly places: readonly ListenPlace[];
  }) {
    this.#supervisor = options.supervisor;
    this.#identity = options.identity;
    this.#places = options.places;
  }

  /** Resolves when every gateway process uses these routes. */
  async apply({ routes }: RouteSet): Promise<void> {
    await this.#supervisor.apply(await this.#content(routes));
  }

  async #content(routes: readonly RouteConfig[]): Promise<GatewayConfigContent> {
    const tls = await this.#certificate(routes);
    return {
      listeners: this.#places.map((place) => ({
        ...place,
        ...(place.protocol === 'https' ? { tls } : {}),
      })),
      routes,
      limits: DEFAULT_GATEWAY_LIMITS,
    };
  }

  /** One certificate for all hosts, issued anew when they change or the node's own was renewed. */
  async #certificate(routes: readonly RouteConfig[]): Promise<Tls> {
    const hosts = new Set(['localhost', this.#identity.node.name]);
    for (const route of routes) for (const host of route.hosts) if (host !== '*') hosts.add(host);
    const wanted = [...hosts].slice(0, CERTIFICATE_NAMES_MAX);
    const names = wanted.join(' ');
    const issuedFor = this.#identity.certificate.sha256;
    if (this.#tls?.names === names && this.#tls.issuedFor === issuedFor) return this.#tls.tls;
    const made = await this.#identity.issueServerCertificate(wanted);
    const tls = { cert: made.certificatePem + this.#identity.authorityPem, key: made.keyPem };
    this.#tls = { names, issuedFor, tls };
    return tls;
  }
}
