/** A virtual address as it is written and kept: which one, on which interface, who may hold it. Pure. */
import { BlockList, isIP, SocketAddress } from 'node:net';
import { sha256Hex } from '../base/ids.ts';
import { array, integer, object, optional, type Schema, string } from '../base/schema.ts';
import { addressInvalid } from './errors.ts';

export type AddressFamily = 'ipv4' | 'ipv6';

/** What a person wishes. */
export interface AddressWish {
  /** In the one way of writing it. */
  readonly address: string;
  /** Of the network that it is in; undefined: as the interface has it. */
  readonly prefix?: number | undefined;
  /** The network card, on every node; undefined: the one that is in the address's network. */
  readonly interface?: string | undefined;
}

export interface VirtualAddress extends AddressWish {
  /** Names of the nodes that may hold it; empty: any. */
  readonly nodes: readonly string[];
  /** Epoch milliseconds. */
  readonly addedAt: number;
  readonly by: string;
}

export const interfaceSchema: Schema<string> = string({
  pattern: /^[^\s/:]{1,15}$/,
  patternMeans: 'the name of a network interface, such as eth0',
});

const wishShape = {
  address: string({ lengthMax: 45 }),
  prefix: optional(integer({ min: 1, max: 128 })),
  interface: optional(interfaceSchema),
} as const;

export const wishSchema: Schema<AddressWish> = object(wishShape);

export const virtualAddressSchema: Schema<VirtualAddress> = object({
  ...wishShape,
  nodes: array(string()),
  addedAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  by: string(),
});

export function familyOf(address: string): AddressFamily {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** Addresses that are no node's: this machine, everybody, many, only this link. */
const UNFIT: readonly (readonly [string, number, AddressFamily, string])[] = [
  ['0.0.0.0', 8, 'ipv4', 'it means "this network"'],
  ['127.0.0.0', 8, 'ipv4', 'it is a loopback address'],
  ['224.0.0.0', 3, 'ipv4', 'it is a multicast or reserved address'],
  ['::', 127, 'ipv6', 'it is a loopback or empty address'],
  ['::ffff:0:0', 96, 'ipv6', 'it is an IPv4 address in other words: write that one'],
  ['fe80::', 10, 'ipv6', 'link-local addresses are each node’s own'],
  ['ff00::', 8, 'ipv6', 'it is a multicast address'],
];

/** `192.168.1.50`, `192.168.1.50/24` or the same in IPv6. Throws `ADDRESSES_INVALID`. */
export function parseAddress(text: string): {
  readonly address: string;
  readonly prefix: number | undefined;
} {
  const [ip = '', prefix, ...rest] = text.split('/');
  const version = isIP(ip);
  if (version === 0 || rest.length > 0 || ip.includes('%')) {
    throw addressInvalid(text, 'it is not an IP address');
  }
  const family = familyOf(ip);
  const bitsMax = version === 4 ? 32 : 128;
  if (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && within(Number(prefix), 1, bitsMax))) {
    throw addressInvalid(text, `what follows the slash is not 1 to ${bitsMax}`);
  }
  const why = UNFIT.find(([net, bits, of]) => of === family && isInside(ip, net, bits))?.[3];
  if (why !== undefined) throw addressInvalid(text, why);
  return {
    address: new SocketAddress({ address: ip, family }).address,
    prefix: prefix === undefined ? undefined : Number(prefix),
  };
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

/** Both of one family. */
export function isInside(address: string, network: string, prefix: number): boolean {
  const family = familyOf(network);
  if (familyOf(address) !== family) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return list.check(address, family);
}

/** Whether it is the name or the broadcast address of the network: nobody's (RFC 1122 §3.2.1.3). */
export function isEndOf(address: string, prefix: number): boolean {
  if (familyOf(address) === 'ipv6' || prefix >= 31) return false;
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const host = number % 2 ** (32 - prefix);
  return host === 0 || host === 2 ** (32 - prefix) - 1;
}

/**
 * The hardware address that every holder has for it, so that neighbours need not learn another one: locally administered,
 * and out of the cluster's id, so that two clusters on one network do not have the same.
 */
export function hardwareAddress(clusterId: string, address: string): string {
  const hex = sha256Hex(`moln virtual address ${clusterId} ${address}`).slice(0, 10);
  return ['02', ...(hex.match(/../g) ?? [])].join(':');
}

/** Whether an interface is one of a virtual address, of any node on this machine. */
export function isVirtualLink(name: string): boolean {
  return /^moln[0-9a-f]{4}-/.test(name);
}

/** What names of interfaces of this node begin with: two nodes on one machine leave each other's alone. */
export function linkPrefix(nodeId: string): string {
  return `moln${sha256Hex(nodeId).slice(0, 4)}-`;
}

/** Its own interface: 15 characters, the most that Linux takes. */
export function linkName(nodeId: string, address: string): string {
  return linkPrefix(nodeId) + sha256Hex(address).slice(0, 6);
}
