/** How this CLI is called from where the person stands, so that what is printed can be copied and works. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CliIo } from './io.ts';

const ROOT: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** `moln` when that is on the path, `./moln` in the folder of Moln itself, else the whole path. */
export function programName(io: Pick<CliIo, 'env' | 'cwd'>): string {
  const folders = (io.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  // npm puts node_modules/.bin first for its scripts only: what lies there is not found afterwards.
  const lasting = folders.filter((folder) => !folder.includes('/node_modules/'));
  if (lasting.some((folder) => isProgram(join(folder, 'moln')))) return 'moln';
  return io.cwd === ROOT ? './moln' : join(ROOT, 'moln');
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not ours to run: either way not what the person would start.
    return false;
  }
}
