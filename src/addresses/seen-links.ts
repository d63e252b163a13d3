/** What `ip -json address` says of the machine's interfaces, and where an address belongs among them. Pure. */
import type { VirtualAddress } from './virtual-address.ts';
import { cannotHold } from './errors.ts';
import { familyOf, isInside } from './virtual-address.ts';

export interface SeenLink {
  readonly name: string;
  /** What we wrote on it: whose it is. */
  readonly alias: string;
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
}

/** Where this node puts it. */
export interface Place {
  readonly device: string;
  readonly prefix: number;
}

const OURS = /^moln-v\d{1,3}$/;

export function isOurs({ name }: { readonly name: string }): boolean {
  return OURS.test(name);
}

/** Who made an interface; another node on the same machine leaves it alone. */
export function aliasOf(nodeId: string): string {
  return `moln ${nodeId}`;
}

/** Throws when iproute2 does not say what it has always said. */
export function readLinks(json: string): readonly SeenLink[] {
  const list = JSON.parse(json) as readonly {
    readonly ifname?: string;
    readonly ifalias?: string;
    readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  }[];
  return list.flatMap(({ ifname, ifalias = '', addr_info = [] }) => {
    if (ifname === undefined) return [];
    const addresses = addr_info.flatMap(({ local, prefixlen }) =>
      local === undefined || prefixlen === undefined ? [] : [{ address: local, prefix: prefixlen }],
    );
    return [{ name: ifname, alias: ifalias, addresses }];
  });
}

/** Throws `ADDRESSES_UNABLE`. */
export function placeOf(
  { address, prefix, device }: Pick<VirtualAddress, 'address' | 'prefix' | 'device'>,
  links: readonly SeenLink[],
): Place {
  const cards = links.filter((link) => !isOurs(link) && link.name !== 'lo');
  if (device !== undefined) {
    const card = cards.find(({ name }) => name === device);
    if (card === undefined) {
      const names = cards.map(({ name }) => name).join(', ');
      throw cannotHold(
        `it has no network interface "${device}"`,
        `Name one of ${names === '' ? 'none' : names} with --device`,
      );
    }
    return { device, prefix: prefix ?? prefixOn(card, address) ?? widest(address) };
  }
  for (const card of cards) {
    const found = prefixOn(card, address);
    if (found !== undefined) return { device: card.name, prefix: prefix ?? found };
  }
  throw cannotHold(
    `none of its network interfaces is in the network of ${address}`,
    'Choose an address of that network, or name the interface with --device',
  );
}

/** Of an address of the card's own in whose network it is. */
function prefixOn({ addresses }: SeenLink, address: string): number | undefined {
  const widestHere = widest(address);
  return addresses.find(
    (own) =>
      familyOf(own.address) === familyOf(address) &&
      own.prefix < widestHere &&
      isInside(address, own.address, own.prefix),
  )?.prefix;
}

/** Of one address alone. */
export function widest(address: string): number {
  return familyOf(address) === 'ipv6' ? 128 : 32;
}
