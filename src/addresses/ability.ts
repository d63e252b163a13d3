/** Whether this node can hold an address at all; asked of every node before one is added. */
import { readFileSync, statSync } from 'node:fs';
import { cannotHold } from './errors.ts';
import { hasProgram, seenLinks } from './links.ts';
import { aliasOf, isOurs, placeOf } from './seen-links.ts';
import { familyOf, type VirtualAddress } from './virtual-address.ts';

const CAP_NET_ADMIN = 12n;

export interface AbilityFacts {
  readonly nodeId: string;
  /** Where the gateway listens. */
  readonly gatewayAddresses: readonly string[];
}

/** Throws `ADDRESSES_UNABLE` with half a sentence about "it". */
export async function requireAble(
  wanted: Pick<VirtualAddress, 'address' | 'prefix' | 'mode' | 'device'>,
  { nodeId, gatewayAddresses }: AbilityFacts,
): Promise<void> {
  const { address, mode } = wanted;
  requireListening(address, gatewayAddresses);
  if (!(await hasProgram('ip'))) {
    throw cannotHold('it has no program "ip"', 'Install iproute2 there');
  }
  if (!mayChangeNetworks()) {
    throw cannotHold(
      'its agent may not change network interfaces',
      'Run it as root, or with the capability CAP_NET_ADMIN among the ambient ones',
    );
  }
  const links = await seenLinks();
  const { device } = placeOf(wanted, links);
  const owner = links.find(
    (link) =>
      link.addresses.some((one) => one.address === address) &&
      !(isOurs(link) && link.alias === aliasOf(nodeId)),
  );
  if (owner !== undefined) {
    throw cannotHold(
      `${address} is on its interface "${owner.name}" already`,
      'Choose an address that no machine has',
    );
  }
  if (mode === 'macvlan' && isWireless(device)) {
    throw cannotHold(
      `its interface "${device}" is wireless and takes no second hardware address`,
      'Add it with --mode plain',
    );
  }
  if (mode === 'plain' && familyOf(address) === 'ipv4' && !(await hasProgram('arping'))) {
    throw cannotHold(
      'it has no program "arping", so its neighbours would not hear that the address has moved',
      'Install iputils-arping there',
    );
  }
}

/** Throws when the gateway would not hear what comes to the address. */
export function requireListening(address: string, gatewayAddresses: readonly string[]): void {
  const every = familyOf(address) === 'ipv6' ? ['::'] : ['::', '0.0.0.0'];
  const own = gatewayAddresses.find((one) => !every.includes(one) && one !== address);
  if (own === undefined) return;
  throw cannotHold(
    `its gateway listens on ${own} only`,
    'Start that node without --address, or with --address ::',
  );
}

/** Root may, unless it was taken away; others only when programs that they start may too. */
function mayChangeNetworks(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const has = (set: string): boolean => {
    const hex = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
    return ((BigInt(`0x${hex}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  };
  return has('CapEff') && (process.geteuid?.() === 0 || has('CapAmb'));
}

function isWireless(device: string): boolean {
  return statSync(`/sys/class/net/${device}/wireless`, { throwIfNoEntry: false }) !== undefined;
}
