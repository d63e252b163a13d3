/** A virtual address as it is written and kept: which one, how it is put on a machine, who may hold it. Pure. */
import { BlockList, isIP, SocketAddress } from 'node:net';
import { sha256Hex } from '../base/ids.ts';
import {
  array,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
} from '../base/schema.ts';
import { addressInvalid } from './errors.ts';
import { ADDRESSES_MAX } from './limits.ts';

export type AddressFamily = 'ipv4' | 'ipv6';

/**
 * `macvlan`: on an interface of its own with a hardware address of its own, the same on every node. `plain`: on the network
 * card itself, for networks that refuse further hardware addresses (wireless, many clouds).
 */
export type AddressMode = 'macvlan' | 'plain';

export interface VirtualAddress {
  /** In the one way of writing it. */
  readonly address: string;
  /** Of the network that it is in; undefined: as the interface has it. */
  readonly prefix?: number | undefined;
  readonly mode: AddressMode;
  /** The interface, on every node; undefined: the one that is in the address's network. */
  readonly device?: string | undefined;
  /** Names of the nodes that may hold it; empty: any. */
  readonly nodes: readonly string[];
  /** Names its interface, `moln-v<number>`. Free again when nobody holds it. */
  readonly number: number;
  /** Epoch milliseconds. */
  readonly addedAt: number;
}

const DEVICE = /^[^\s/:]{1,15}$/;

export const deviceSchema: Schema<string> = string({
  pattern: DEVICE,
  patternMeans: 'the name of a network interface, such as eth0',
});

export const virtualAddressesSchema: Schema<{ readonly addresses: readonly VirtualAddress[] }> =
  object({
    addresses: array(
      object({
        address: string({ lengthMax: 45 }),
        prefix: optional(integer({ min: 1, max: 128 })),
        mode: literal('macvlan', 'plain'),
        device: optional(deviceSchema),
        nodes: array(string()),
        number: integer({ min: 1, max: ADDRESSES_MAX * 2 }),
        addedAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      }),
    ),
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
  const bits = prefix === undefined ? undefined : Number(prefix);
  if (version === 4 && bits !== undefined && bits < 31) refuseEnds(text, ip, bits);
  return { address: new SocketAddress({ address: ip, family }).address, prefix: bits };
}

/** The first and the last address of a network are nobody's (RFC 1122 §3.2.1.3). */
function refuseEnds(text: string, ip: string, bits: number): void {
  const number = ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const host = number % 2 ** (32 - bits);
  if (host === 0) throw addressInvalid(text, 'it is the name of the network itself');
  if (host === 2 ** (32 - bits) - 1) throw addressInvalid(text, 'it is the broadcast address');
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

/**
 * The hardware address that every holder has for it, so that neighbours need not learn another one: locally administered,
 * and out of the cluster's id, so that two clusters on one network do not have the same.
 */
export function hardwareAddress(clusterId: string, address: string): string {
  const hex = sha256Hex(`moln virtual address ${clusterId} ${address}`).slice(0, 10);
  return ['02', ...(hex.match(/../g) ?? [])].join(':');
}

/** Its own interface. */
export function interfaceOf({ number }: Pick<VirtualAddress, 'number'>): string {
  return `moln-v${number}`;
}

/** The lowest that is neither used nor still held. */
export function freeNumber(taken: ReadonlySet<number>): number {
  let number = 1;
  while (taken.has(number)) number++;
  return number;
}
