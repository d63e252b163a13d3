/** `node_modules/moln` in an app: a link to the framework's sources, so that editors and compilers find its types. */
import { lstat, mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';

const WEB: string = join(import.meta.dirname, '..', 'web');

/** Makes it, or makes it anew when it leads elsewhere. A package that somebody installed there stays. */
export async function linkFramework(root: string): Promise<void> {
  const link = join(root, 'node_modules', 'moln');
  try {
    if (!(await lstat(link)).isSymbolicLink()) return;
    if ((await readlink(link)) === WEB) return;
    await rm(link);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  await mkdir(join(root, 'node_modules'), { recursive: true });
  await symlink(WEB, link, 'dir');
}
