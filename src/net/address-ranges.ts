/** Sets of IP addresses written as `10.0.0.0/8`, `fd00::/8` or single ones. */
import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../base/addresses.ts';

/** Also mapped into IPv6, an IPv4 address is in the ranges of its own family. */
export class AddressRanges {
  readonly #list = new BlockList();

  /** Each passes `isAddressRange`. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = '', bits] = range.split('/');
      const family = familyOf(address);
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  has(address: string | undefined): boolean {
    const plain = plainAddress(address ?? '');
    return isIP(plain) !== 0 && this.#list.check(plain, familyOf(plain));
  }
}

/** Whether `text` is an address, or one with the number of its leading bits. */
export function isAddressRange(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
