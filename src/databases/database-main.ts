/**
 * Entry of the database process: `node database-main.ts FOLDER RUN_FOLDER LOG_FOLDER CODE`. SIGTERM closes everything in order; SIGINT
 * and SIGHUP are left to the agent.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';

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

// The gateways' own: whoever may write there may end this process anyway.
enableCompileCache(join(runFolder, 'compile-cache'));
const { runDatabases } = await import('./database-process.ts');
flushCompileCache();
await runDatabases({ folder, runFolder, logFolder }, code, () => process.exit(1));
process.exit(0);
