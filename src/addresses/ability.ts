/** Whether this node can hold an address at all. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import { addressTaken, cannotHold } from './errors.ts';
import { isWireless, seenLinks } from './links.ts';
import { cardOf, type SeenLink } from './seen-links.ts';
import { type AddressWish, familyOf, linkPrefix } from './virtual-address.ts';

const CAP_NET_ADMIN = 12n;

export interface AbilityFacts {
  readonly nodeId: string;
  /** Where the gateway listens. */
  readonly gatewayAddresses: readonly string[];
  /** The gateway answers. */
  readonly isServing: boolean;
}

/** Throws `ADDRESSES_UNABLE` with half a sentence about "it", or `ADDRESSES_TAKEN` with a whole one. */
export async function requireAble(wish: AddressWish, facts: AbilityFacts): Promise<void> {
  requireRights();
  requireHere(wish, facts, await seenLinks());
}

/** By address: why not, empty when it can be held. */
export async function whyNotHeld(
  wishes: readonly AddressWish[],
  facts: AbilityFacts,
): Promise<Readonly<Record<string, string>>> {
  const all = async (): Promise<(wish: AddressWish) => void> => {
    requireRights();
    const links = await seenLinks();
    return (wish) => requireHere(wish, facts, links);
  };
  const check = await all().catch((error: unknown) => () => {
    throw error;
  });
  const found = wishes.map((wish): [string, string] => {
    try {
      check(wish);
      return [wish.address, ''];
    } catch (error) {
      return [wish.address, messageOf(error)];
    }
  });
  return Object.fromEntries(found);
}

function requireHere(
  wish: AddressWish,
  { nodeId, gatewayAddresses, isServing }: AbilityFacts,
  links: readonly SeenLink[],
): void {
  const { address } = wish;
  requireListening(address, gatewayAddresses);
  const owner = links.find(
    ({ name, addresses }) =>
      addresses.some((one) => one.address === address) && !name.startsWith(linkPrefix(nodeId)),
  );
  if (owner !== undefined) {
    throw addressTaken(`${address} is the own address of a node, on its interface "${owner.name}"`);
  }
  const card = cardOf(wish, links);
  if (isWireless(card)) {
    throw cannotHold(
      `its interface "${card}" is wireless and takes no second hardware address`,
      'Virtual addresses need a wired network',
    );
  }
  if (!isServing) throw cannotHold('its gateway does not answer', 'Run "moln status" there');
}

/** Throws when the gateway would not hear what comes to the address. */
export function requireListening(address: string, gatewayAddresses: readonly string[]): void {
  const every = familyOf(address) === 'ipv6' ? ['::'] : ['::', '0.0.0.0'];
  const own = gatewayAddresses.find((one) => !every.includes(one) && one !== address);
  if (own === undefined) return;
  throw cannotHold(
    `its gateway listens on ${own} only`,
    `Start that node with --listen ${familyOf(address) === 'ipv6' ? '::' : '0.0.0.0'}`,
  );
}

/** Root may, unless it was taken away; others only when programs that they start may too. */
function requireRights(): void {
  const status = readFileSync('/proc/self/status', 'utf8');
  const has = (set: string): boolean => {
    const hex = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
    return ((BigInt(`0x${hex}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  };
  if (has('CapEff') && (process.geteuid?.() === 0 || has('CapAmb'))) return;
  throw cannotHold(
    'its agent may not change network interfaces',
    'Run it as root, or with the capability CAP_NET_ADMIN among the ambient ones',
  );
}
