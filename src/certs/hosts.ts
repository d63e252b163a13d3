/** Which hosts a public authority can know, and which certificate is for which. Pure. */
import { isIP } from 'node:net';
import { hostInvalid } from './errors.ts';

/** Ends of names that exist in one network only (RFC 2606, 6761, 6762, 8375, 9476); no authority signs them. */
const LOCAL_ENDS: readonly string[] = [
  'localhost',
  'local',
  'internal',
  'lan',
  'home',
  'home.arpa',
  'corp',
  'test',
  'invalid',
  'example',
  'onion',
  'alt',
];

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether a public authority may sign for it: `*` in front stands for one label. */
export function isPublicHost(host: string): boolean {
  const name = host.startsWith('*.') ? host.slice(2) : host;
  if (!isHostName(name) || !name.includes('.') || isIP(name) !== 0) return false;
  return !LOCAL_ENDS.some((end) => name === end || name.endsWith(`.${end}`));
}

/** What certificates are wanted for, out of the hosts of routes and apps: each once, sorted. */
export function publicHostsOf(hosts: Iterable<string>): readonly string[] {
  return [...new Set(hosts)].filter(isPublicHost).sort();
}

/** `name` is of a certificate; a wildcard stands for one label (RFC 9525 6.3). */
export function covers(name: string, host: string): boolean {
  if (name === host) return true;
  return (
    name.startsWith('*.') &&
    !host.startsWith('*.') &&
    host.slice(host.indexOf('.')) === name.slice(1)
  );
}

/** As it is kept. Throws `CERTS_HOST_INVALID`. */
export function readHost(text: string): string {
  const host = text.toLowerCase();
  const name = host.startsWith('*.') ? host.slice(2) : host;
  if (isHostName(name)) return host;
  throw hostInvalid(`"${text}" is no host name`, 'Give one like shop.example.org or *.example.org');
}

function isHostName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => LABEL.test(label));
}
