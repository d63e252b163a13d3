/** Checks one config after another: routes that are written as they were in the one before are not looked at again by themselves. */
import { checkGatewayConfig } from './config-check.ts';
import type { GatewayConfig, RouteConfig } from './config.ts';

interface Passed {
  /** As it was written. */
  readonly text: string;
  readonly route: RouteConfig;
}

export class ConfigChecker {
  /** Of the last config that passed, by id. */
  #passed: ReadonlyMap<string, Passed> = new Map();

  /** See `checkGatewayConfig`. Routes that stay are the same objects as in the config before. */
  check(wanted: GatewayConfig): GatewayConfig {
    const texts = wanted.routes.map((route) => JSON.stringify(route));
    const routes = wanted.routes.map((route, at) => {
      const known = this.#passed.get(route.id);
      return known !== undefined && known.text === texts[at] ? known.route : route;
    });
    const config = checkGatewayConfig({ ...wanted, routes });
    this.#passed = new Map(
      config.routes.map((route, at) => [route.id, { text: texts[at] ?? '', route }]),
    );
    return config;
  }
}
