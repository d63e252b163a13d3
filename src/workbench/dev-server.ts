/**
 * `moln dev`: the app in one process with a database in a file. A change in the folder makes the app new within milliseconds, and open
 * pages load again. What cannot be loaded is told on the page, and the last app that worked goes on as soon as it is mended.
 */
import { join } from 'node:path';
import type { Logger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import {
  App,
  type Database,
  JobRunner,
  migrate,
  serve,
  type ServedApp,
  useMail,
} from '../web/web.ts';
import { openAppDatabase } from './app-database.ts';
import { listApp, loadApp } from './app-folder.ts';
import { bundleIslands } from './compile.ts';
import { dashboard } from './dev-dashboard.ts';
import { DevMails } from './dev-mails.ts';
import { errorPage } from './dev-page.ts';
import { DevRecorder } from './dev-recorder.ts';
import { FolderWatch } from './folder-watch.ts';
import { type AppLoader, installHooks } from './hooks.ts';
import { refusePending } from './migrations.ts';

const SCRIPT = `<script src="/_moln/dev.js" defer></script>`;
/** Loads the page again when the app is new; also when the server was away for a while. */
const SCRIPT_SOURCE = `let seen;
const listen = () => {
  const events = new EventSource('/_moln/changes');
  events.onmessage = ({ data }) => {
    if (seen !== undefined && seen !== data) location.reload();
    seen = data;
  };
  events.onerror = () => { events.close(); setTimeout(listen, 200); };
};
listen();
`;

/** Whoever presses Ctrl-C waits for it. */
const FINISH_WITHIN_MS = 300;

export interface DevOptions {
  readonly root: string;
  readonly port: number;
  readonly host: string;
  readonly databaseUrl: string | undefined;
  readonly log: Logger;
}

export class DevServer implements AsyncDisposable {
  readonly url: string;
  readonly #recorder = new DevRecorder();
  readonly #mails: DevMails;
  readonly #options: DevOptions;
  readonly #loader: AppLoader;
  readonly #database: Database;
  readonly #readers = new Set<(version: string) => void>();
  #app: App | undefined;
  #jobs: JobRunner | undefined;
  #problem: unknown;
  #version = 0;
  #close: () => Promise<void> = async () => undefined;
  #watch: Disposable | undefined;
  #loading: Promise<void> = Promise.resolve();

  private constructor(options: DevOptions, database: Database) {
    this.#options = options;
    this.#database = database;
    this.#mails = new DevMails(join(options.root, '.moln', 'mails'));
    useMail(this.#mails);
    this.#loader = installHooks(options.root);
    this.url = `http://localhost:${options.port}/`;
  }

  /** Resolves when it listens. */
  static async start(options: DevOptions): Promise<DevServer> {
    const database = await openAppDatabase(options.root, options.databaseUrl);
    const server = new DevServer(options, database);
    await server.#load();
    const { port, host } = options;
    const app: ServedApp = {
      fetch: (request, address) => server.#fetch(request, address),
      cut: (request, error) => server.#app?.cut(request, error),
      connect: async (request, address) =>
        (await server.#app?.connect(request, address)) ?? new Response(null, { status: 503 }),
    };
    const served = await serve(app, { port, host });
    server.#close = () => served.close(FINISH_WITHIN_MS);
    const folders = ['app', 'migrations'].map((name) => join(options.root, name));
    server.#watch = new FolderWatch(folders, () => server.#renew());
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    for (const reader of this.#readers) reader('');
    this.#app?.[Symbol.dispose]();
    await this.#close();
    await this.#loading;
    await this.#jobs?.[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
  }

  async #load(): Promise<void> {
    const startedMs = systemClock.monotonicMs();
    try {
      const parts = await loadApp(this.#options.root, (path) => this.#loader.load(path));
      refusePending(parts);
      for (const name of await migrate(this.#database, parts.migrations))
        this.#options.log.info(`Migrated: ${name}`);
      const { log, root } = this.#options;
      const islandScript = await bundleIslands(root, listApp(root).islands);
      this.#app?.[Symbol.dispose]();
      this.#app = await App.start(
        { ...parts, islandScript },
        {
          database: this.#recorder.watched(this.#database),
          log,
          isDev: true,
          showError: async (error, { request, url }) =>
            errorPage(error, root, `${request.method} ${url.pathname}`),
        },
      );
      await this.#jobs?.[Symbol.asyncDispose]();
      this.#jobs = new JobRunner({ jobs: parts.jobs, database: this.#database, log });
      this.#jobs.start();
      this.#problem = undefined;
      const ms = Math.round(systemClock.monotonicMs() - startedMs);
      if (this.#version > 0) this.#options.log.info('Loaded anew', { ms });
    } catch (error) {
      this.#problem = error;
      this.#options.log.error('The app cannot be loaded', { error });
    }
    this.#version++;
    for (const reader of this.#readers) reader(String(this.#version));
  }

  #renew(): void {
    this.#loading = this.#loading.then(() => {
      this.#loader.renew();
      return this.#load();
    });
  }

  async #fetch(request: Request, address: string): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === '/_moln/changes') return this.#changes(request);
    if (url.pathname === '/_moln/dev.js') {
      return new Response(SCRIPT_SOURCE, {
        headers: { 'content-type': 'text/javascript', 'cache-control': 'no-store' },
      });
    }
    const app = this.#app;
    const shown =
      app === undefined
        ? undefined
        : await dashboard(url, address, {
            recorder: this.#recorder,
            mails: this.#mails,
            database: this.#database,
            routes: app.routes,
          });
    if (shown !== undefined) return shown;
    const what = `${request.method} ${url.pathname}`;
    // Without an app there is always one.
    if (app === undefined || this.#problem !== undefined)
      return withScript(errorPage(this.#problem, this.#options.root, what));
    return withScript(await this.#recorder.record(request, () => app.fetch(request, address)));
  }

  /** Tells the page which version of the app is current, now and whenever that changes. */
  #changes(request: Request): Response {
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const leave = (): void => {
          if (!this.#readers.delete(tell)) return;
          controller.close();
        };
        const tell = (version: string): void => {
          if (version === '') leave();
          else controller.enqueue(encoder.encode(`data: ${version}\n\n`));
        };
        this.#readers.add(tell);
        request.signal.addEventListener('abort', leave, { once: true });
        tell(String(this.#version));
      },
    });
    return new Response(stream, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    });
  }
}

/** The page with the script that loads it again: at its end, for it may come in parts. Browsers take that for the end of its body. */
function withScript(response: Response): Response {
  const isPage = response.headers.get('content-type')?.startsWith('text/html') === true;
  if (!isPage || response.body === null) return response;
  const flush = (controller: TransformStreamDefaultController<Uint8Array>): void =>
    controller.enqueue(Buffer.from(SCRIPT));
  const added = new TransformStream<Uint8Array, Uint8Array>({ flush });
  return new Response(response.body.pipeThrough(added), response);
}
