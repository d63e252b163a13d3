/** Who is let in by address, and who a client behind trusted proxies is. */
import { isIP } from 'node:net';
import { plainAddress } from '../http/forwarded.ts';
import { AddressRanges } from '../net/net.ts';
import type { AccessConfig } from './site-config.ts';

/** Proxies in a row that are believed; a longer list was made up. */
const PROXIES_MAX = 32;

export class Access {
  readonly #allow: AddressRanges | undefined;
  readonly #deny: AddressRanges | undefined;
  readonly #trust: AddressRanges | undefined;

  constructor({ allow, deny, trust }: AccessConfig) {
    this.#allow = allow === undefined ? undefined : new AddressRanges(allow);
    this.#deny = deny === undefined ? undefined : new AddressRanges(deny);
    this.#trust = trust === undefined ? undefined : new AddressRanges(trust);
  }

  /** Whether a proxy at that address is believed. */
  trusts(address: string): boolean {
    return this.#trust?.has(address) === true;
  }

  /**
   * The nearest address that is not a trusted proxy's, read from the right: what is further left is the client's own claim.
   * `forwardedFor`: what X-Forwarded-For says. What is no address ends the reading at the proxy that sent it.
   */
  clientOf(address: string, forwardedFor: string | undefined): string {
    let client = plainAddress(address);
    if (forwardedFor === undefined) return client;
    for (const part of forwardedFor.split(',').reverse().slice(0, PROXIES_MAX)) {
      if (!this.trusts(client)) break;
      const next = bareAddress(part.trim());
      if (next === undefined) break;
      client = next;
    }
    return client;
  }

  lets(client: string): boolean {
    if (this.#deny?.has(client) === true) return false;
    return this.#allow === undefined || this.#allow.has(client);
  }
}

/** Without brackets and port, which some proxies write. */
function bareAddress(text: string): string | undefined {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const plain = plainAddress(bare);
  return isIP(plain) === 0 ? undefined : plain;
}
