/** What `ip -json address` says of the machine's interfaces, and where an address belongs among them. Pure. */
import { cannotHold } from './errors.ts';
import { type AddressWish, familyOf, isEndOf, isInside, isVirtualLink } from './virtual-address.ts';

export interface SeenLink {
  readonly name: string;
  /** The card that it is on, of a macvlan. */
  readonly card: string | undefined;
  /** Up, with a carrier. */
  readonly isUp: boolean;
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
}

/** Throws when iproute2 does not say what it has always said. */
export function readLinks(json: string): readonly SeenLink[] {
  const list = JSON.parse(json) as readonly {
    readonly ifname?: string;
    readonly link?: string;
    readonly flags?: readonly string[];
    readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  }[];
  return list.flatMap(({ ifname, link, flags = [], addr_info = [] }) => {
    if (ifname === undefined) return [];
    const addresses = addr_info.flatMap(({ local, prefixlen }) =>
      local === undefined || prefixlen === undefined ? [] : [{ address: local, prefix: prefixlen }],
    );
    return [{ name: ifname, card: link, isUp: flags.includes('LOWER_UP'), addresses }];
  });
}

/** The card that an address belongs on. Throws `ADDRESSES_UNABLE`. */
export function cardOf(wish: AddressWish, links: readonly SeenLink[]): string {
  const { address, prefix, interface: named } = wish;
  const cards = links.filter(({ name }) => name !== 'lo' && !isVirtualLink(name));
  const card =
    named === undefined
      ? cards.find((each) => networkOf(each, address) !== undefined)
      : cards.find(({ name }) => name === named);
  if (card === undefined) throw noCard(wish, cards);
  const network = networkOf(card, address);
  if (network === undefined) {
    throw cannotHold(
      `its interface "${card.name}" is not in the network of ${address}: it has ${wordsOf(card)}`,
      'Choose a free address of that network',
    );
  }
  if (prefix !== undefined && prefix !== network.prefix) {
    throw cannotHold(
      `the network of its interface "${card.name}" is /${network.prefix}, not /${prefix}`,
      'Leave the part after the slash away, or write the right one',
    );
  }
  if (isEndOf(address, network.prefix)) {
    throw cannotHold(
      `${address} is the first or the last of the network of its interface "${card.name}"`,
      'Choose a free address in between',
    );
  }
  if (!card.isUp) {
    throw cannotHold(`its interface "${card.name}" is down`, 'Look at its cable and its settings');
  }
  return card.name;
}

function noCard({ address, interface: named }: AddressWish, cards: readonly SeenLink[]): Error {
  const seen = cards.map((card) => `${card.name} (${wordsOf(card)})`).join(', ');
  const hint = `Its interfaces are ${seen === '' ? 'none' : seen}`;
  return named === undefined
    ? cannotHold(`none of its network interfaces is in the network of ${address}`, hint)
    : cannotHold(`it has no network interface "${named}"`, hint);
}

function wordsOf({ addresses }: SeenLink): string {
  const words = addresses.filter(({ address }) => !address.startsWith('fe80:'));
  if (words.length === 0) return 'no address';
  return words.map(({ address, prefix }) => `${address}/${prefix}`).join(' ');
}

/** The network among the card's own that it is in. */
function networkOf(
  { addresses }: SeenLink,
  address: string,
): { readonly prefix: number } | undefined {
  return addresses.find(
    (own) => own.prefix < widest(address) && isInside(address, own.address, own.prefix),
  );
}

/** Of one address alone. */
export function widest(address: string): number {
  return familyOf(address) === 'ipv6' ? 128 : 32;
}
