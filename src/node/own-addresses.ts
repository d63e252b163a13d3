/** Under which addresses others find this node. */
import { networkInterfaces } from 'node:os';
import { isVirtualLink } from '../addresses/addresses.ts';
import { isLoopback } from '../net/net.ts';

const EVERY_INTERFACE: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** All that are neither loopback nor virtual, IPv4 first; a wished address is the only one, unless it means all. */
export function ownAddresses(wished: string | undefined): string[] {
  if (wished !== undefined && !EVERY_INTERFACE.has(wished)) return [wished];
  const found = Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    isVirtualLink(name)
      ? []
      : (list ?? []).filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0),
  );
  return found
    .toSorted((a, b) => Number(a.family === 'IPv6') - Number(b.family === 'IPv6'))
    .map(({ address }) => address);
}

/** Where a control port that only this machine reaches has to listen too, once others are to reach it. */
export function furtherAddresses(bound: string, wished: string | undefined): string[] {
  return wished === undefined && isLoopback(bound) ? ownAddresses(undefined) : [];
}
