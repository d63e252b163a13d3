/** The process of `moln dev`: `dev-main.ts HOST PORT` in the app's folder. */
import { createLogger, formatPlain } from '../base/log.ts';
import { messageOf, systemCode } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import { useFiles } from '../web/web.ts';
import { appFiles } from './app-files.ts';
import { DevServer } from './dev-server.ts';

// Between a statement that fails and the app's own line lie more calls than the ten that Node keeps.
Error.stackTraceLimit = 50;

const [host = 'localhost', port = '3000'] = process.argv.slice(2);
const log = createLogger({
  part: 'dev',
  now: () => systemClock.now(),
  sinks: [(record) => void process.stdout.write(formatPlain(record))],
});
try {
  useFiles(appFiles(process.cwd(), process.env));
  const server = await DevServer.start({
    root: process.cwd(),
    host,
    port: Number(port),
    databaseUrl: process.env['DATABASE_URL'],
    log,
  });
  process.stdout.write(`${server.url}  (Ctrl-C ends it; what the app does: ${server.url}_moln)\n`);
  const stop = (): void => void server[Symbol.asyncDispose]().then(() => process.exit(0));
  process.once('SIGINT', stop).once('SIGTERM', stop);
} catch (error) {
  const isTaken = systemCode(error) === 'EADDRINUSE';
  const text = isTaken ? `Port ${port} is taken: choose another one with --port` : messageOf(error);
  process.stderr.write(`Error: ${text}\n`);
  process.exit(1);
}
