/** One process at a time for a folder, whatever the folder is called. */
import { stat } from 'node:fs/promises';
import { MolnError } from '../base/errors.ts';
import { takeNameLock } from '../net/net.ts';

/** Dispose of it to let others have the folder. */
export async function claimFolder(folder: string): Promise<AsyncDisposable> {
  const { dev, ino } = await stat(folder);
  const claim = await takeNameLock(`cache ${dev} ${ino}`);
  if (claim === undefined) throw taken(folder);
  return claim;
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
