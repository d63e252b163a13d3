/**
 * `node_modules/moln` in an app: leads editors and type checkers to the framework's sources. Nothing that runs depends on it: the
 * loader knows the way, and a deployed app has everything in its own file.
 */
import { lstat, mkdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';

const SOURCES: string = join(import.meta.dirname, '..');
const LINKS: readonly string[] = ['web', 'workbench'];
const MANIFEST = `${JSON.stringify(
  {
    name: 'moln',
    type: 'module',
    exports: {
      '.': './web/web.ts',
      './jsx-runtime': './web/jsx-runtime.ts',
      './jsx-dev-runtime': './web/jsx-runtime.ts',
      './island': './web/island-main.ts',
      './kysely': './web/kysely-main.ts',
      './test': './workbench/testing-main.ts',
    },
  },
  undefined,
  2,
)}\n`;

/** Makes it, or makes it anew when this program lies elsewhere now. */
export async function linkFramework(root: string): Promise<void> {
  const folder = join(root, 'node_modules', 'moln');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), MANIFEST);
  for (const name of LINKS) await makeLink(join(folder, name), join(SOURCES, name));
}

async function makeLink(link: string, target: string): Promise<void> {
  try {
    if ((await lstat(link)).isSymbolicLink() && (await readlink(link)) === target) return;
    await rm(link, { recursive: true });
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  await symlink(target, link, 'dir');
}
