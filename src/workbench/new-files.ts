/** Writes files that are new. None is written when one of them is there already: generators never overwrite anybody's work. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MolnError } from '../base/errors.ts';

/** `files`: texts by paths below `root`. Gives the paths. Throws `WORKBENCH_FILE_EXISTS`. */
export async function writeNew(
  root: string,
  files: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const paths = Object.keys(files);
  const there = paths.find((path) => existsSync(join(root, path)));
  if (there !== undefined) {
    throw new MolnError(
      'WORKBENCH_FILE_EXISTS',
      `"${there}" is there already: nothing was written`,
      {
        hint: 'Choose another name, or move the file away',
      },
    );
  }
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx' });
  }
  return paths;
}
