/**
 * Entry of the database process: `node database-main.ts FOLDER RUN_FOLDER LOG_FOLDER CODE`. SIGTERM closes everything in order; SIGINT
 * and SIGHUP are left to the agent. With `warm-up` as CODE it only loads the code, for the cache of what is compiled, and ends.
 */
import { flushCompileCache } from 'node:module';

const [folder, runFolder, logFolder, code] = process.argv.slice(2);
if (
  folder === undefined ||
  runFolder === undefined ||
  logFolder === undefined ||
  code === undefined
) {
  process.stderr.write('Usage: node database-main.ts FOLDER RUN_FOLDER LOG_FOLDER CODE\n');
  process.exit(2);
}

const { runDatabases } = await import('./database-process.ts');
flushCompileCache();
if (code !== 'warm-up')
  await runDatabases({ folder, runFolder, logFolder }, code, () => process.exit(1));
process.exit(0);
