/** Who is let in by address, and who a client behind trusted proxies is. */
import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../http/forwarded.ts';
import type { AccessConfig } from './site-config.ts';

/** Proxies in a row that are believed; a longer list was made up. */
const PROXIES_MAX = 32;

export class Networks {
  readonly #list: BlockList = new BlockList();

  /** Addresses and networks: `10.0.0.0/8`, `::1`. */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const [address = '', bits] = text.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  has(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

export class Access {
  readonly #allow: Networks | undefined;
  readonly #deny: Networks | undefined;
  readonly #trust: Networks | undefined;

  constructor({ allow, deny, trust }: AccessConfig) {
    this.#allow = allow === undefined ? undefined : new Networks(allow);
    this.#deny = deny === undefined ? undefined : new Networks(deny);
    this.#trust = trust === undefined ? undefined : new Networks(trust);
  }

  /** Whether a proxy at that address is believed. */
  trusts(address: string): boolean {
    return this.#trust?.has(plainAddress(address)) === true;
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
