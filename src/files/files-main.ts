/**
 * Entry of the file process: `node files-main.ts FOLDER RUN_FOLDER LOG_FOLDER CODE FACES`. FACES is the module that exports `faces`: it knows
 * parts above this one. SIGTERM closes everything in order; SIGINT and SIGHUP are left to the agent. With `warm-up` as CODE it only loads
 * the code, for the cache of what is compiled, and ends.
 */
import { flushCompileCache } from 'node:module';
import { useDiskThreads } from '../base/disk-threads.ts';
import type { FaceMaker } from './faces.ts';

const [folder, runFolder, logFolder, code, facesModule] = process.argv.slice(2);
if (
  folder === undefined ||
  runFolder === undefined ||
  logFolder === undefined ||
  code === undefined ||
  facesModule === undefined
) {
  process.stderr.write('Usage: node files-main.ts FOLDER RUN_FOLDER LOG_FOLDER CODE FACES\n');
  process.exit(2);
}

useDiskThreads(process.env);
const { runFiles } = await import('./files-process.ts');
const { faces } = (await import(facesModule)) as { readonly faces: readonly FaceMaker[] };
flushCompileCache();
if (code !== 'warm-up')
  await runFiles({ folder, runFolder, logFolder }, { code, faces, exit: () => process.exit(1) });
process.exit(0);
