/**
 * The console's host name belongs to the console alone: a browser sends a cookie to every port of its host, so an app
 * that was served under that name would be handed the sessions of those who administer it.
 */
import { isIP } from 'node:net';
import { MolnError } from '../base/errors.ts';
import { isLoopback } from '../net/net.ts';
import { type ListenPlace, urlOf } from './listen-choice.ts';

/** Throws `NODE_DOMAIN_RESERVED` for an IP address, `localhost` and the nodes' names. */
export function checkDomainsApart(
  domains: readonly string[],
  nodeNames: readonly string[],
  what = 'the domain of an app',
): void {
  for (const domain of domains) {
    const name = domain.trim().toLowerCase().replace(/^\*\./, '');
    const taken = isIP(name) !== 0 || name === 'localhost' || nodeNames.includes(name);
    if (!taken) continue;
    throw new MolnError(
      'NODE_DOMAIN_RESERVED',
      `"${domain}" cannot be ${what}: the console may be open under that name`,
      { hint: 'Use a name of its own, such as www.example.org' },
    );
  }
}

/** Plain HTTP reaches the console over loopback only; under any other address it speaks HTTPS. */
export function consoleUrlOf(api: Pick<ListenPlace, 'address' | 'port'>): string {
  const isLocal = ['::', '0.0.0.0'].includes(api.address) || isLoopback(api.address);
  return urlOf({ ...api, protocol: isLocal ? 'http' : 'https' });
}
