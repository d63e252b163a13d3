/** Names the code that a process runs, so that one of an older release is known as such. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE: string = fileURLToPath(new URL('..', import.meta.url));
const CHARACTERS = 16;

/** A hash of the sources below these folders of `src` as they are on disk now, and of the Node that runs them. */
export async function codeOf(folders: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  for (const folder of folders) {
    const names = await readdir(join(SOURCE, folder), { recursive: true });
    for (const name of names.toSorted()) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      hash.update(`\0${folder}/${name}\0`).update(await readFile(join(SOURCE, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, CHARACTERS);
}
