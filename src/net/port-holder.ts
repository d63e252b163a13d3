/**
 * Who listens on a TCP port of this machine: Linux only, best effort, for error sentences. Reads `/proc/net/tcp*` for the
 * sockets' inodes and then the open files of the processes that this user may see.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
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

/** `process 1234 (nginx)`, or undefined when it cannot be found out. */
export function describePortHolder(port: number): string | undefined {
  const [holder] = portUse(port).holders;
  return holder === undefined ? undefined : `process ${holder.pid} (${holder.program})`;
}
