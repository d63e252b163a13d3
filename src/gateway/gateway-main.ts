/**
 * Entry of a gateway worker process: `node gateway-main.ts RUN_FOLDER LOG_FOLDER SLOT [CODE|no-access-log]`. SIGTERM drains;
 * SIGINT and SIGHUP are left to the agent.
 *
 * With `warm-up` as SLOT it only fills the compile cache in RUN_FOLDER and ends. A worker that finds it filled starts in
 * a third of the time and keeps 40 MiB less memory, because it never loads the TypeScript compiler. The cache is not
 * in a shared folder for temporary files, where another user could plant code.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { compileCacheFolder } from './worker-record.ts';

const [runFolder, logFolder, slotText, more] = process.argv.slice(2);
const slot = slotText === 'warm-up' ? 0 : Number(slotText);
if (runFolder === undefined || logFolder === undefined || !Number.isSafeInteger(slot)) {
  process.stderr.write('Usage: node gateway-main.ts RUN_FOLDER LOG_FOLDER SLOT\n');
  process.exit(2);
}

enableCompileCache(compileCacheFolder(runFolder));
const { runWorker } = await import('./gateway-worker.ts');
// Now, not at the end: after an upgrade the first worker fills it for the others.
flushCompileCache();
if (slot > 0) {
  const exit = (): never => process.exit(0);
  const folders = { runFolder, logFolder };
  await runWorker({ folders, slot, accessLog: more !== 'no-access-log', code: more, exit });
}
process.exit(0);
