/**
 * Entry of a gateway worker process: `node gateway-main.ts RUN_FOLDER LOG_FOLDER SLOT [CODE|no-access-log]`. SIGTERM drains;
 * SIGINT and SIGHUP are left to the agent.
 *
 * With `warm-up` as SLOT it only loads the code, for the cache of what is compiled, and ends.
 */
import { flushCompileCache } from 'node:module';

const [runFolder, logFolder, slotText, more] = process.argv.slice(2);
const slot = slotText === 'warm-up' ? 0 : Number(slotText);
if (runFolder === undefined || logFolder === undefined || !Number.isSafeInteger(slot)) {
  process.stderr.write('Usage: node gateway-main.ts RUN_FOLDER LOG_FOLDER SLOT\n');
  process.exit(2);
}

const { runWorker } = await import('./gateway-worker.ts');
// Now, not at the end: after an upgrade the first worker fills it for the others.
flushCompileCache();
if (slot > 0) {
  const exit = (): never => process.exit(0);
  const folders = { runFolder, logFolder };
  await runWorker({ folders, slot, accessLog: more !== 'no-access-log', code: more, exit });
}
process.exit(0);
