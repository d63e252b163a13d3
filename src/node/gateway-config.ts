/** What this node tells its gateways: where to listen, with which certificate, and the routes. */
import {
  DEFAULT_GATEWAY_LIMITS,
  type GatewayConfigContent,
  type GatewaySupervisor,
} from '../gateway/gateway.ts';
import type { AppCertificate } from './app-certificate.ts';
import type { GatewayDoor } from './gateway-door.ts';
import type { ListenPlace } from './listen-choice.ts';
import type { RouteSet } from './route-mirror.ts';

export interface GatewayConfigurerOptions {
  readonly supervisor: Pick<GatewaySupervisor, 'apply'>;
  readonly certificate: Pick<AppCertificate, 'of'>;
  readonly places: readonly ListenPlace[];
  readonly door: Pick<GatewayDoor, 'config'>;
}

export class GatewayConfigurer {
  readonly #options: GatewayConfigurerOptions;

  constructor(options: GatewayConfigurerOptions) {
    this.#options = options;
  }

  /** Resolves when every gateway process uses these routes. */
  async apply(set: RouteSet): Promise<void> {
    await this.#options.supervisor.apply(await this.#content(set));
  }

  async #content({ routes, locals }: RouteSet): Promise<GatewayConfigContent> {
    const { certificate, places, door } = this.#options;
    const node = door.config();
    const tls = await certificate.of(routes.flatMap(({ hosts }) => hosts));
    return {
      listeners: places.map((place) => ({
        ...place,
        ...(place.protocol === 'https' ? { tls } : {}),
      })),
      routes,
      limits: DEFAULT_GATEWAY_LIMITS,
      ...(node === undefined ? {} : { node, locals }),
    };
  }
}
