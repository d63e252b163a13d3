/** Facts about IP addresses as Node writes them. */
import { isIP } from 'node:net';

/** `::ffff:127.0.0.1` → `127.0.0.1`; anything else as it is, without a zone (`%eth0`). */
export function plainAddress(address: string): string {
  const withoutZone = address.split('%', 1)[0] ?? address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(withoutZone);
  return mapped?.[1] ?? withoutZone;
}

/** 127.0.0.0/8 and ::1, also mapped into IPv6 (RFC 4291 §2.5.5.2). Names are never loopback. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = plainAddress(address);
  if (isIP(plain) === 4) return plain.startsWith('127.');
  return plain === '::1' || plain === '0:0:0:0:0:0:0:1';
}

/**
 * Who one peer is for a rate limit: an IPv4 address itself, an IPv6 address by its /64, because one
 * machine commonly owns a whole /64.
 */
export function peerGroup(address: string | undefined): string {
  const plain = plainAddress(address ?? 'unknown').toLowerCase();
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
