/**
 * Who listens on a TCP port of this machine: Linux only, best effort, for error sentences. Reads
 * `/proc/net/tcp*` for the socket's inode and then the open files of the processes that this user may see.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';

const STATE_LISTEN = '0A';

/** Inodes of sockets that listen on `port`, from the text of `/proc/net/tcp` or `tcp6`. */
export function listeningInodes(procNetTcp: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return procNetTcp
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === STATE_LISTEN && columns[1]?.endsWith(`:${wanted}`) === true)
    .flatMap((columns) => columns[9] ?? []);
}

/** `process 1234 (nginx)`, or undefined when it cannot be found out. */
export async function describePortHolder(port: number): Promise<string | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => orElse(readFile(path, 'utf8'), '')),
  );
  const links = new Set(
    tables.flatMap((table) => listeningInodes(table, port)).map((inode) => `socket:[${inode}]`),
  );
  if (links.size === 0) return undefined;
  const processes = await orElse(readdir('/proc'), []);
  for (const pid of processes.filter((name) => /^\d+$/.test(name))) {
    const files = await orElse(readdir(`/proc/${pid}/fd`), []);
    for (const file of files) {
      if (!links.has(await orElse(readlink(`/proc/${pid}/fd/${file}`), ''))) continue;
      const name = (await orElse(readFile(`/proc/${pid}/comm`, 'utf8'), '')).trim();
      return name === '' ? `process ${pid}` : `process ${pid} (${name})`;
    }
  }
  return undefined;
}

/** Processes end while they are looked at, and others' files are closed to us: both mean "not this one". */
function orElse<T>(work: Promise<T>, otherwise: T): Promise<T> {
  return work.then(
    (value) => value,
    () => otherwise,
  );
}
