/** How often time limits are checked, in milliseconds: a quarter of the shortest that a config has, within bounds. */
import type { GatewayConfig } from './config.ts';
import { routeLimits } from './limits.ts';

const SWEEP_LEAST_MS = 25;
const SWEEP_MOST_MS = 500;

export function sweepInterval(config: GatewayConfig): number {
  const { limits } = config;
  const times = [
    limits.requestHeadTimeoutMs,
    limits.requestBodyIdleTimeoutMs,
    limits.keepAliveTimeoutMs,
    ...(config.balancers ?? []).flatMap(({ timeouts }) => [timeouts.connectMs, timeouts.idleMs]),
    ...config.routes.flatMap((route) => {
      const own = routeLimits(route.limits);
      const { health, agent } = route.balance ?? {};
      const checks = [health?.intervalMs ?? Infinity, agent?.intervalMs ?? Infinity];
      return [own.connectTimeoutMs, own.responseTimeoutMs, own.idleTimeoutMs, ...checks];
    }),
  ];
  const shortest = times.reduce((least, ms) => Math.min(least, ms), Infinity);
  return Math.max(SWEEP_LEAST_MS, Math.min(SWEEP_MOST_MS, shortest / 4));
}
