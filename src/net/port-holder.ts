/**
 * Who listens on a TCP port of this machine: Linux only, best effort, for error sentences. Reads `/proc/net/tcp*` for the
 * sockets' inodes and then the open files of the processes that this user may see.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isIPv6, SocketAddress } from 'node:net';
import { basename } from 'node:path';
import { systemCode } from '../base/errors.ts';

export interface PortHolder {
  readonly pid: number;
  /** `nginx`, `node server.js`: of the command line, without folders and options. */
  readonly program: string;
}

/** `found`: listening sockets on the port; `holders`: those whose process can be seen. */
export interface PortUse {
  readonly found: number;
  readonly holders: readonly PortHolder[];
}

/** `st` column of /proc/net/tcp: TCP_LISTEN of tcp_states.h. */
const LISTEN_STATE = '0A';

/**
 * Inodes of the sockets in the text of /proc/net/tcp or tcp6 that stand in the way of listening on `address` and
 * `port`: those on the same address, and a wildcard on either side.
 */
export function listeningInodes(table: string, port: number, address: string): string[] {
  const wanted = canonical(address);
  const inodes: string[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    const [hexAddress = '', hexPort = ''] = local.split(':');
    if (state !== LISTEN_STATE || Number.parseInt(hexPort, 16) !== port) continue;
    const held = canonical(readAddress(hexAddress));
    const collides = held === wanted || held === ANY || wanted === ANY;
    if (collides && inode !== undefined) inodes.push(inode);
  }
  return inodes;
}

const ANY = 'any';

/** One text for one place: wildcards of both families, and IPv4 inside IPv6. */
function canonical(address: string): string {
  const parsed = new SocketAddress({
    address,
    family: isIPv6(address) ? 'ipv6' : 'ipv4',
  }).address.replace(/^::ffff:(?=\d+\.)/, '');
  return parsed === '::' || parsed === '0.0.0.0' ? ANY : parsed;
}

/** `0100007F` is 127.0.0.1: words of four bytes, each in the machine's order (little-endian on all we run on). */
function readAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.map((word) => Buffer.from(word, 'hex').reverse());
  if (words.length === 1) return [...(bytes[0] ?? [])].join('.');
  const groups = Buffer.concat(bytes).toString('hex').match(/.{4}/g) ?? [];
  return groups.join(':');
}

/** Who is in the way of listening there. Looks through all processes: some milliseconds, for error paths. */
export function portUse(port: number, address: string): PortUse {
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    listeningInodes(readIfAny(path), port, address),
  );
  if (inodes.length === 0) return { found: 0, holders: [] };
  const wanted = new Set(inodes.map((inode) => `socket:[${inode}]`));
  const holders: PortHolder[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || !holdsOne(name, wanted)) continue;
    holders.push({
      pid: Number(name),
      program: programName(readIfAny(`/proc/${name}/cmdline`).split('\0')),
    });
  }
  return { found: inodes.length, holders };
}

/** An interpreter says little without its script. */
export function programName(command: readonly string[]): string {
  const [program = '', ...rest] = command;
  // Programs that rewrite their title (`nginx: master process /usr/sbin/nginx`) say their name first.
  const name = basename(program.split(/:? /)[0] ?? '');
  if (!INTERPRETER.test(name)) return name === '' ? 'unknown' : name;
  const script = rest.find((word) => word !== '' && !word.startsWith('-'));
  return script === undefined ? name : `${name} ${basename(script)}`;
}

const INTERPRETER = /^(?:node|python|ruby|perl|php|java|deno|bun|bash|sh)[\d.]*$/;

function holdsOne(pid: string, wanted: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  return attempt(() => readdirSync(folder), []).some((fd) =>
    wanted.has(attempt(() => readlinkSync(`${folder}/${fd}`), '')),
  );
}

function readIfAny(path: string): string {
  return attempt(() => readFileSync(path, 'utf8'), '');
}

/** Processes end and hide while one looks: that is no error. */
function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return otherwise;
  }
}

/** `process 1234 (nginx)`, or undefined when it cannot be found out. */
export function describePortHolder(port: number, address: string): string | undefined {
  const [holder] = portUse(port, address).holders;
  return holder === undefined ? undefined : `process ${holder.pid} (${holder.program})`;
}
