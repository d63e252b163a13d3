/** Who listens on a TCP port of this machine, by uid, from `/proc/net/tcp` and `tcp6` (proc_pid_net(5)). */
import { readFileSync } from 'node:fs';
import { systemCode } from '../base/errors.ts';

const LISTEN = '0A';
/** Any address, 127.0.0.1, and the same mapped into IPv6; words in the byte order of the machine. */
const REACHED = /^(?:0{8}|0{32}|(?:0{16}(?:FFFF0000|0000FFFF))?(?:0100007F|7F000001))$/;

/** Uids of the sockets that get what is sent to the port of 127.0.0.1; empty when nobody listens. */
export function listenerUids(port: number): Set<number> {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map(readTable);
  return new Set(tables.flatMap((table) => parseListeners(table, port)));
}

/** Pure: the uids in one table. */
export function parseListeners(table: string, port: number): number[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => {
      const [address = ''] = local.split(':');
      return state === LISTEN && local.endsWith(wanted) && REACHED.test(address);
    })
    .map((fields) => Number(fields[7]));
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // A kernel without IPv6 has no second table.
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}
