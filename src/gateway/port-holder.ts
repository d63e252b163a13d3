/**
 * Who listens on a TCP port of this machine (Linux, `/proc`): so that "port taken" can say by whom. Programs of
 * other users cannot be seen without root.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { MolnError, systemCode } from '../base/errors.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';

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

/** Inodes of the listening sockets on `port` in the text of /proc/net/tcp or tcp6. */
export function listeningInodes(table: string, port: number): string[] {
  const inodes: string[] = [];
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const localPort = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
    const inode = fields[9];
    if (localPort === port && fields[3] === LISTEN_STATE && inode !== undefined) inodes.push(inode);
  }
  return inodes;
}

/** Looks through all processes: some milliseconds, for the error path only. */
export function portUse(port: number): PortUse {
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    listeningInodes(readIfAny(path), port),
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

export interface PortWanted {
  readonly address: string;
  readonly port: number;
  /** `http`: names the option in the hint. */
  readonly protocol: 'http' | 'https';
}

/**
 * Binds the port for a moment, without SO_REUSEPORT: workers share their ports by it, and two nodes of one user would
 * otherwise share one without a word. Listeners of `own` processes are fine. Throws `GATEWAY_PORT_TAKEN`, or
 * `GATEWAY_LISTEN_FAILED` when the address is not ours or the port needs root.
 */
export async function requireFreePort(wanted: PortWanted, own: ReadonlySet<number>): Promise<void> {
  try {
    await bindOnce(wanted);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'EADDRINUSE') throw listenFailed(wanted, error, code);
    const use = portUse(wanted.port);
    const foreign = use.holders.filter((holder) => !own.has(holder.pid));
    const ownCount = use.holders.length - foreign.length;
    if (ownCount > 0 && foreign.length === 0) return;
    throw portTaken(wanted, foreign, error);
  }
}

function bindOnce({ address, port }: PortWanted): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function portTaken(
  { port, protocol }: PortWanted,
  holders: readonly PortHolder[],
  cause: unknown,
): MolnError {
  const [first] = holders;
  const by =
    first === undefined
      ? 'by a program of another user, which cannot be seen from here'
      : `by ${first.program} (pid ${first.pid})`;
  const option = `--${protocol} PORT`;
  return new MolnError(GATEWAY_PORT_TAKEN, `Port ${port} is taken ${by}`, {
    hint:
      first === undefined
        ? `Run "ss -ltnp sport = :${port}" as root to see it, or choose another with ${option}`
        : `Stop it, or choose another port with ${option}`,
    details: { port, ...(first === undefined ? {} : { ...first }) },
    cause,
  });
}

function listenFailed(wanted: PortWanted, cause: unknown, code: string | undefined): MolnError {
  const { address, port, protocol } = wanted;
  const place = `${address} port ${port}`;
  if (code === 'EACCES') {
    return new MolnError(GATEWAY_LISTEN_FAILED, `Cannot listen on ${place}: it needs root`, {
      hint: `Choose a port above 1023 with --${protocol} PORT`,
      cause,
    });
  }
  if (code === 'EADDRNOTAVAIL') {
    return new MolnError(
      GATEWAY_LISTEN_FAILED,
      `Cannot listen on ${place}: this machine does not have that address`,
      { hint: 'Run "ip address" to see its addresses and choose one with --address IP', cause },
    );
  }
  return new MolnError(
    GATEWAY_LISTEN_FAILED,
    `Cannot listen on ${place}: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
}
