/** Names the code that a gateway process runs, so that one of an older release is known as such. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE: string = fileURLToPath(new URL('..', import.meta.url));
/** Of `src`: what a gateway process loads, and a little more. */
const FOLDERS = ['base', 'cache', 'gateway', 'http', 'net'] as const;
const CHARACTERS = 16;

/** A hash of the sources as they are on disk now, and of the Node that runs them. */
export async function codeOf(source: string = SOURCE): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  for (const folder of FOLDERS) {
    const names = await readdir(join(source, folder), { recursive: true });
    for (const name of names.toSorted()) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      hash.update(`\0${folder}/${name}\0`).update(await readFile(join(source, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, CHARACTERS);
}
