/**
 * How a deployed app runs: what `moln deploy` bundles calls `start`. Brings the database up to date before the first
 * request, so that a release whose migrations fail is never given any; then listens where Moln says.
 */
import { createLogger, formatJson, formatPlain } from '../base/log.ts';
import { MolnError } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import { App, type AppParts } from './app.ts';
import { useFiles } from './files.ts';
import { S3Files, s3PlaceOf } from './files-s3.ts';
import { HranaDatabase } from './hrana-database.ts';
import { JobRunner } from './jobs.ts';
import { useMail } from './mail.ts';
import { migrate } from './migrate.ts';
import { serve } from './serve.ts';
import { smtpCarrier } from './smtp.ts';

/** Runs until SIGTERM. Ends the process with one sentence when it cannot start. */
export async function start(parts: AppParts): Promise<void> {
  // The log is to name the app's own line, which lies above more calls of the framework than the ten that Node keeps.
  Error.stackTraceLimit = 30;
  const { env } = process;
  const log = createLogger({
    part: env['MOLN_APP'] ?? 'app',
    now: () => systemClock.now(),
    sinks: [
      (record) =>
        void process.stdout.write(process.stdout.isTTY ? formatPlain(record) : formatJson(record)),
    ],
  });
  try {
    const database = new HranaDatabase(databaseUrl(env['DATABASE_URL']), env['DATABASE_SOCKET']);
    for (const name of await migrate(database, parts.migrations)) log.info(`Migrated: ${name}`);
    const place = s3PlaceOf(env);
    useFiles(place === undefined ? undefined : new S3Files(place));
    useMail(smtpCarrier({ url: env['MAIL_URL'], from: env['MAIL_FROM'] }));
    const app = await App.start(parts, { database, log, origin: env['APP_URL'] });
    const socket = env['LISTEN_SOCKET'];
    const where =
      socket === undefined
        ? { port: Number(env['PORT'] ?? 3000), host: '127.0.0.1' }
        : { path: socket };
    const served = await serve(app, where);
    log.info('Ready');
    const jobs = new JobRunner({ jobs: parts.jobs, database, log });
    jobs.start();
    const stop = (): void => {
      app[Symbol.dispose]();
      // No job is begun any more; those that do not end in time are done elsewhere.
      void Promise.all([served.close(), jobs[Symbol.asyncDispose]()]).then(async () => {
        await database[Symbol.asyncDispose]();
        process.exit(0);
      });
    };
    process.once('SIGTERM', stop).once('SIGINT', stop);
  } catch (error) {
    // What `moln deploy` shows of a release that cannot run.
    if (error instanceof MolnError)
      log.error(error.message, { code: error.code, hint: error.hint });
    else log.error('Cannot start', { error });
    process.exit(1);
  }
}

function databaseUrl(url: string | undefined): string {
  if (url !== undefined && url !== '') return url;
  throw new MolnError('WEB_DATABASE_URL', 'This app has no database: DATABASE_URL is not set', {
    hint: 'Make one with "moln db create NAME", named as the app, and restart the app',
  });
}
