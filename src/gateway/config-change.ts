/**
 * What makes one config of another, route by route, and the other one made of it again: pure. Routes that stay are the same objects
 * afterwards, so whoever has made something of them may keep it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { GatewayConfig, RouteConfig } from './config.ts';

type Other = Partial<Omit<GatewayConfig, 'routes'>>;

/** Between two configs that were checked as a whole. */
export interface ConfigChange {
  /** Version of the config that is changed. */
  readonly from: number;
  readonly version: number;
  /** New ones, and changed ones in the place of those with the same id. */
  readonly routes: readonly RouteConfig[];
  /** Ids of routes that are gone. */
  readonly gone: readonly string[];
  /** Keys beside `routes`, whole. */
  readonly set: Other;
  /** Keys that are gone. */
  readonly unset: readonly string[];
}

/** By the later config: all processes of a machine are told the same. */
const made = new WeakMap<GatewayConfig, ConfigChange>();

/** Versions say which config is which. The order of routes is not told: it means nothing. */
export function changeBetween(before: GatewayConfig, after: GatewayConfig): ConfigChange {
  const known = made.get(after);
  if (known?.from === before.version) return known;
  const change = compare(before, after);
  made.set(after, change);
  return change;
}

function compare(before: GatewayConfig, after: GatewayConfig): ConfigChange {
  const { routes: routesBefore, ...otherBefore } = before;
  const { routes: routesAfter, ...otherAfter } = after;
  const old = new Map(routesBefore.map((route) => [route.id, route]));
  const routes = routesAfter.filter((route) => !isDeepStrictEqual(old.get(route.id), route));
  for (const { id } of routesAfter) old.delete(id);
  const was: Readonly<Record<string, unknown>> = otherBefore;
  const set = Object.fromEntries(
    Object.entries(otherAfter).filter(([key, value]) => !isDeepStrictEqual(was[key], value)),
  );
  const unset = Object.keys(otherBefore).filter((key) => !Object.hasOwn(otherAfter, key));
  const { version } = after;
  return { from: before.version, version, routes, gone: [...old.keys()], set, unset };
}

/** `before` is the config that the change is from. */
export function changedConfig(before: GatewayConfig, change: ConfigChange): GatewayConfig {
  const routes = new Map(before.routes.map((route) => [route.id, route]));
  for (const id of change.gone) routes.delete(id);
  for (const route of change.routes) routes.set(route.id, route);
  const after = { ...before, ...change.set, routes: [...routes.values()] };
  for (const key of change.unset) Reflect.deleteProperty(after, key);
  return after;
}
