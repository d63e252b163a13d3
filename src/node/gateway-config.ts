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
import type { AppCertificate } from './app-certificate.ts';
import type { GatewayDoor } from './gateway-door.ts';
import type { ListenPlace } from './listen-choice.ts';
import type { RouteSet } from './route-mirror.ts';

/** Of each gateway process, when it is full. */
const CACHE_BYTES: number = 64 * 1024 * 1024;

export interface GatewayConfigurerOptions {
  readonly supervisor: Pick<GatewaySupervisor, 'apply'>;
  readonly certificate: Pick<AppCertificate, 'of'>;
  readonly places: readonly ListenPlace[];
  readonly door: Pick<GatewayDoor, 'config'>;
  /** Where this node is. */
  readonly region: () => string | undefined;
  readonly log: Logger;
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

  async #content({ routes, locals, purges }: RouteSet): Promise<GatewayConfigContent> {
    const { certificate, places, door } = this.#options;
    const region = this.#options.region();
    const node = door.config();
    const tls = await certificate.of(routes.flatMap(({ hosts }) => hosts));
    return {
      listeners: places.map((place) => ({
        ...place,
        ...(place.protocol === 'https' ? { tls } : {}),
      })),
      routes,
      ...(region === undefined ? {} : { region }),
      limits: DEFAULT_GATEWAY_LIMITS,
      cache: { memoryBytes: CACHE_BYTES },
      ...(purges === undefined ? {} : { purges }),
      ...(node === undefined ? {} : { node, locals }),
    };
  }
}

/** A gateway process found it out: the ports for clients are looked at before one is asked. */
function isPortTaken(error: unknown): boolean {
  return (
    isMolnError(error, GATEWAY_CONFIG_REFUSED) &&
    isMolnError((error as Error).cause, GATEWAY_PORT_TAKEN)
  );
}
