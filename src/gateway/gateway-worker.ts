/** A gateway worker's life from its arguments to its end; the entry is `gateway-main.ts`. */
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { openLogFile } from '../base/log-file.ts';
import { createLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { GatewayProcess } from './gateway-process.ts';
import { REPLACED_DRAIN_MS } from './limits.ts';
import { workerPaths, type WorkerFolders } from './worker-record.ts';

/** For a SIGTERM that nobody followed up with a drain command; systemd kills after 90 s. */
const SIGNAL_DRAIN_MS = 30_000;
/** The socket of the database process, in the folder of the workers' own. */
const PEER_SOCKETS = { '@databases': 'databases.peers', '@files': 'files.peers' } as const;
/** Closing what is left must not keep a drained process alive. */
const EXIT_GRACE_MS = 3000;

export interface WorkerArguments {
  readonly folders: WorkerFolders;
  readonly slot: number;
  /** False only for measurements. */
  readonly accessLog: boolean;
  /** What it runs; undefined: nobody knows. */
  readonly code: string | undefined;
  /** Ends the process, whatever is still open. */
  readonly exit: () => void;
}

/** Resolves when the worker has drained and closed everything. */
export async function runWorker({
  folders,
  slot,
  accessLog,
  code,
  exit,
}: WorkerArguments): Promise<void> {
  const paths = workerPaths(folders, slot);
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
  // A terminal sends these to the whole group; the agent alone orders the end.
  process.on('SIGINT', () => log.debug('SIGINT is left to the agent'));
  process.on('SIGHUP', () => log.debug('SIGHUP is left to the agent'));
  const socketOf = (of: number): string => workerPaths(folders, of).questions;
  const processes = {
    '@databases': join(folders.runFolder, PEER_SOCKETS['@databases']),
    '@files': join(folders.runFolder, PEER_SOCKETS['@files']),
  };
  const place = { slot, socketOf, processes };
  const worker = new GatewayProcess({ paths, place, log, clock: systemClock, accessLog, code });
  process.on('SIGUSR1', () => worker.reopenLogs());
  process.on('SIGTERM', () => void worker.drain(SIGNAL_DRAIN_MS));
  // Another process has taken over: there is no hurry.
  process.on('SIGUSR2', () => void worker.drain(REPLACED_DRAIN_MS, true));
  await worker.start();
  await worker.finished();
  systemClock.after(EXIT_GRACE_MS, exit);
  await worker[Symbol.asyncDispose]();
  log.info('Gateway worker ends');
}
