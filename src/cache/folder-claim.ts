/**
 * One process at a time for a folder: an abstract unix socket named after it, which the kernel frees when the process
 * dies, however it dies. Nobody is ever served on it.
 */
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { MolnError, systemCode } from '../base/errors.ts';

/** Dispose of it to let others have the folder. */
export async function claimFolder(folder: string): Promise<AsyncDisposable> {
  const { dev, ino } = await stat(folder);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(systemCode(error) === 'EADDRINUSE' ? taken(folder) : error),
    );
    server.listen({ path: `\0moln-cache-${dev}-${ino}` }, resolve);
  });
  server.unref();
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

function taken(folder: string): MolnError {
  return new MolnError(
    'CACHE_FOLDER_TAKEN',
    `The cache folder "${folder}" is in use by another process`,
    {
      hint: 'Give each gateway process a folder of its own, or wait until the other one has ended',
      retryable: true,
    },
  );
}
