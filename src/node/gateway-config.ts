/** What this node tells its gateways: where to listen, with which certificate, and the routes. */
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import {
  DEFAULT_GATEWAY_LIMITS,
  GATEWAY_CONFIG_REFUSED,
  GATEWAY_PORT_TAKEN,
  type GatewayConfigContent,
  type GatewaySupervisor,
} from '../gateway/gateway.ts';
import { covers, type MirroredCertificates, readFacts } from '../certs/certs.ts';
import type { AppCertificates } from './app-certificates.ts';
import type { GatewayDoor } from './gateway-door.ts';
import type { GatewaySharing } from './gateway-sharing.ts';
import { type ListenPlace, takesPlaceOf } from './listen-choice.ts';
import type { PortConfig } from '../routes/routes.ts';
import type { FurtherPorts } from './further-ports.ts';
import type { RouteSet } from './route-mirror.ts';

/** Of each gateway process, when it is full. */
const CACHE_BYTES: number = 64 * 1024 * 1024;

export interface GatewayConfigurerOptions {
  readonly supervisor: Pick<GatewaySupervisor, 'apply'>;
  /** Of the cluster's own authority. */
  readonly certificate: Pick<AppCertificates, 'of'>;
  /** Those that were ordered or added, and what goes with them. */
  readonly certs: { now(): MirroredCertificates };
  readonly places: readonly ListenPlace[];
  readonly door: Pick<GatewayDoor, 'config'>;
  readonly sharing: Pick<GatewaySharing, 'config'>;
  readonly ports: Pick<FurtherPorts, 'applyWith'>;
  /** Where this node is. */
  readonly region: () => string | undefined;
  readonly log: Logger;
  readonly accessLog?: GatewayConfigContent['accessLog'];
  readonly trace?: GatewayConfigContent['trace'];
}

export class GatewayConfigurer {
  readonly #options: GatewayConfigurerOptions;
  #isDoorShut = false;

  constructor(options: GatewayConfigurerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every gateway process uses these routes. When the port for other nodes is not to be had they are used all
   * the same: clients have to be served, and what is here is then asked of other nodes' instances.
   */
  async apply(set: RouteSet): Promise<void> {
    await this.#options.ports.applyWith(set.ports ?? [], (ports) =>
      this.#applyWith({ ...set, ports }),
    );
  }

  async #applyWith(set: RouteSet): Promise<void> {
    const { supervisor, log } = this.#options;
    const content = await this.#content(set);
    try {
      await supervisor.apply(content);
      this.#isDoorShut = false;
    } catch (error) {
      if (content.node === undefined || !isPortTaken(error)) throw error;
      await supervisor.apply({ ...content, node: { ...content.node, port: 0 } });
      if (!this.#isDoorShut) log.error('Other nodes cannot reach the instances here', { error });
      this.#isDoorShut = true;
    }
  }

  async #content({
    routes,
    locals,
    silent,
    purges,
    ports = [],
  }: RouteSet): Promise<GatewayConfigContent> {
    const { certificate, certs, places, door, accessLog, trace } = this.#options;
    const { certificates, challenges, ticketKeys } = certs.now();
    const region = this.#options.region();
    const node = door.config();
    const held = certificates.flatMap(({ cert }) => readFacts(cert).names);
    // One name in two certificates would be served with the one that comes first.
    const hosts = routes.flatMap((route) => route.hosts);
    const [tls, ...further] = await certificate.of(
      hosts.filter((host) => !held.some((name) => covers(name, host))),
    );
    const all = [...certificates, ...further];
    const sharing = node === undefined ? undefined : this.#options.sharing.config();
    return {
      listeners: listenersOf(places, ports.flatMap(listenerIn)).map((place) => ({
        ...place,
        ...(place.protocol === 'https' ? { tls } : {}),
        ...(place.protocol === 'https' && all.length > 0 ? { certificates: all } : {}),
      })),
      ...(ports.some(({ kind }) => kind === 'balancer')
        ? { balancers: ports.flatMap(balancerIn) }
        : {}),
      routes,
      ...(region === undefined ? {} : { region }),
      limits: DEFAULT_GATEWAY_LIMITS,
      ...(challenges === undefined ? {} : { challenges }),
      ...(ticketKeys === undefined ? {} : { ticketKeys }),
      cache: { memoryBytes: CACHE_BYTES },
      ...(accessLog === undefined ? {} : { accessLog }),
      ...(trace === undefined ? {} : { trace }),
      ...(purges === undefined ? {} : { purges }),
      ...(node === undefined ? {} : { node, locals }),
      ...(silent === undefined ? {} : { silent }),
      ...(sharing === undefined ? {} : { sharing }),
    };
  }
}

/** A listener of the cluster that has a port of the node's own is that one: its connections go on. */
function listenersOf(
  places: readonly ListenPlace[],
  further: GatewayConfigContent['listeners'],
): GatewayConfigContent['listeners'] {
  const own = places.filter((place) => !further.some((one) => takesPlaceOf(one, place)));
  return [
    ...own,
    ...further.map((one) => {
      const place = places.find((each) => takesPlaceOf(one, each));
      return place?.address === one.address ? { ...one, id: place.id } : one;
    }),
  ];
}

function listenerIn(port: PortConfig): GatewayConfigContent['listeners'] {
  return port.kind === 'listener' ? [port.config] : [];
}

function balancerIn(port: PortConfig): NonNullable<GatewayConfigContent['balancers']> {
  return port.kind === 'balancer' ? [port.config] : [];
}

/** A gateway process found it out: the ports for clients are looked at before one is asked. */
function isPortTaken(error: unknown): boolean {
  return (
    isMolnError(error, GATEWAY_CONFIG_REFUSED) &&
    isMolnError((error as Error).cause, GATEWAY_PORT_TAKEN)
  );
}
