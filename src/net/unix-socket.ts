/**
 * Listening on a unix socket: a file left by a dead process is removed, one that answers is not, and the new
 * one can be reached by this user only, given that its folder is his too.
 */
import { chmodSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { MolnError, systemCode } from '../base/errors.ts';
import { bind } from './listening.ts';
import { NET_SOCKET_PATH_TOO_LONG, NET_SOCKET_TAKEN } from './errors.ts';
import { SOCKET_PATH_BYTES_MAX } from './limits.ts';

const OWNER_ONLY = 0o600;

/** Throws `NET_SOCKET_PATH_TOO_LONG` when the kernel would cut the path short. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new MolnError(
    NET_SOCKET_PATH_TOO_LONG,
    `Socket path "${path}" is ${bytes} bytes long, at most ${SOCKET_PATH_BYTES_MAX}`,
    { hint: 'Choose a shorter data folder with --data DIR' },
  );
}

/**
 * Binds `server` to `path` with mode 0600. Throws `NET_SOCKET_TAKEN` when another process answers there or
 * when the path is something other than a socket. The file vanishes when the server closes.
 */
export async function listenUnix(server: Server, path: string): Promise<void> {
  checkSocketPath(path);
  await removeStaleSocket(path);
  try {
    await bind(server, { path });
    // Not by the umask: it is one for all threads, and folders that others of them make just now would be closed too.
    chmodSync(path, OWNER_ONLY);
  } catch (error) {
    if (systemCode(error) === 'EADDRINUSE') throw socketTaken(path);
    throw error;
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const kind = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (kind === undefined) return;
  if (!kind.isSocket() || (await answers(path))) throw socketTaken(path);
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

/** True when a process accepts connections on the socket. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => {
      const code = systemCode(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      // A full backlog is somebody alive who is busy.
      else if (code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}

function socketTaken(path: string): MolnError {
  return new MolnError(NET_SOCKET_TAKEN, `Socket "${path}" is taken by another process`, {
    hint: 'Another node runs on this data folder: run moln status, or choose another with --data DIR',
  });
}
