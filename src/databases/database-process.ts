/** The database process from its arguments to its end; the entry is `database-main.ts`. */
import { dirname } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { ensureFolder } from '../base/disk.ts';
import { openLogFile } from '../base/log-file.ts';
import { createLogger, type Logger } from '../base/log.ts';
import { processId } from '../base/process-id.ts';
import { systemClock } from '../base/time.ts';
import { takeNameLock } from '../net/net.ts';
import { CONTROL } from './control.ts';
import { DatabaseHost } from './database-host.ts';
import { CONNECT_RETRY_MS, LEAVING_CONFIRM_MS, STOP_TIMEOUT_MS } from './limits.ts';
import { LocalDoor } from './local-door.ts';
import { Logs } from './logs.ts';
import { PeerLinks } from './peer-link.ts';
import { PeerServer } from './peer-server.ts';
import { type DatabaseFolders, processPaths, writeProcessRecord } from './process-record.ts';

/** Resolves when everything is closed. `exit` ends the process at once. */
export async function runDatabases(
  folders: DatabaseFolders,
  code: string,
  exit: () => void,
): Promise<void> {
  const paths = processPaths(folders);
  const clock = systemClock;
  const logger = openLogger(paths.log);
  // A terminal sends these to the whole group; the agent alone orders the end.
  process.on('SIGINT', () => logger.debug('SIGINT is left to the agent'));
  process.on('SIGHUP', () => logger.debug('SIGHUP is left to the agent'));
  const stopped = Promise.withResolvers<void>();
  process.on('SIGTERM', () => stopped.resolve());
  await ensureFolder(folders.folder);
  await ensureFolder(dirname(paths.appSocket), 0o755);
  await using stack = new AsyncDisposableStack();
  // Another process on these files would be a second primary of the same life.
  let lock: AsyncDisposable | undefined;
  while ((lock = await takeNameLock(`databases:${folders.folder}`)) === undefined) {
    await clock.sleep(CONNECT_RETRY_MS);
  }
  stack.use(lock);
  const links = stack.use(new PeerLinks({ clock }));
  const { ownLog: own, logNote: note, logMirror: mirror } = paths;
  const logs = stack.use(new Logs({ own, note, mirror, links, clock, log: logger }));
  const host = stack.use(
    new DatabaseHost({ folder: folders.folder, logs, links, clock, logger, onStuck: exit }),
  );
  const door = stack.use(
    new LocalDoor({
      socket: paths.socket,
      appSocket: paths.appSocket,
      portFile: paths.port,
      clock,
      log: logger,
      serverOf: (name, options) => host.serverOf(name, options),
      control: (path, body) => host.control(path, body),
    }),
  );
  host.port = () => door.port;
  const self = processId(process.pid);
  if (self === undefined) throw new Error('This process is not to be found');
  await writeProcessRecord(paths.record, { format: 1, process: self, code });
  const peers = stack.use(
    new PeerServer({
      socket: paths.peerSocket,
      log: logger,
      stripe: (database, name) => host.stripe(database, name),
      beforeLead: (...asked) => host.beforeLead(...asked),
      lead: (...asked) => host.lead(...asked),
      lend: (...asked) => host.lend(...asked),
      digestAt: (...asked) => host.digestAt(...asked),
      scrub: (database) => host.scrub(database),
      snapshots: (database) => host.snapshots(database),
      mirrored: (...asked) => logs.mirrored(...asked),
    }),
  );
  await peers.open();
  await door.open();
  logger.info('The database process runs', { pid: process.pid });
  await stopped.promise;
  logger.info('The database process ends');
  // Whatever is still under way then is rolled back or found in the log at the next start.
  clock.after(STOP_TIMEOUT_MS, exit);
  using _leaving = clock.after(LEAVING_CONFIRM_MS, () => logs.leave());
  await host.control(CONTROL.leave, { why: 'the process that led it ended' });
}

function openLogger(path: string): Logger {
  return createLogger({
    part: 'databases',
    now: () => systemClock.now(),
    sinks: [
      openLogFile({
        path,
        onRefused: (error) => process.stderr.write(`Cannot write the log: ${messageOf(error)}\n`),
      }),
    ],
  });
}
