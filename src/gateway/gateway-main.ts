/**
 * Entry of a gateway worker process: `node gateway-main.ts RUN_FOLDER LOG_FOLDER SLOT [no-access-log]`. SIGTERM drains;
 * SIGINT and SIGHUP are for the agent alone, since a terminal sends them to the whole group, and the agent orders the end.
 */
import { messageOf } from '../base/errors.ts';
import { openLogFile } from '../base/log-file.ts';
import { createLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { GatewayProcess } from './gateway-process.ts';
import { workerPaths } from './worker-record.ts';

/** For a SIGTERM that nobody followed up with a drain command; systemd kills after 90 s. */
const SIGNAL_DRAIN_MS = 30_000;
/** Closing what is left must not keep a drained process alive. */
const EXIT_GRACE_MS = 3000;

const [runFolder, logFolder, slotText, accessLog] = process.argv.slice(2);
const slot = Number(slotText);
if (runFolder === undefined || logFolder === undefined || !Number.isSafeInteger(slot)) {
  process.stderr.write('Usage: node gateway-main.ts RUN_FOLDER LOG_FOLDER SLOT\n');
  process.exit(2);
}

const paths = workerPaths({ runFolder, logFolder }, slot);
const log = createLogger({
  part: 'gateway',
  now: () => systemClock.now(),
  fields: { slot },
  sinks: [
    openLogFile({
      path: paths.log,
      onRefused: (error) => process.stderr.write(`Cannot write the log: ${messageOf(error)}\n`),
    }),
  ],
});

process.on('SIGINT', () => log.debug('SIGINT is left to the agent'));
process.on('SIGHUP', () => log.debug('SIGHUP is left to the agent'));

const worker = new GatewayProcess({
  paths,
  log,
  clock: systemClock,
  accessLog: accessLog !== 'no-access-log',
});
process.on('SIGTERM', () => void worker.drain(SIGNAL_DRAIN_MS));

await worker.start();
await worker.finished();
systemClock.after(EXIT_GRACE_MS, () => process.exit(0));
await worker[Symbol.asyncDispose]();
log.info('Gateway worker ends');
process.exit(0);
