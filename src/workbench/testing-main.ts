/// <reference types="node" />
/**
 * What tests of apps import from `moln/test`: the app in this process, with a database in memory of its own, asked as a browser
 * would: it keeps cookies, follows redirects and sends the forms that it was shown.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, type LogRecord } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { App, FolderFiles, JobRunner, migrate, SqliteDatabase, useFiles } from '../web/web.ts';
import { loadApp } from './app-folder.ts';
import { formsOf, formWith } from './page-forms.ts';

const ORIGIN = 'http://test.localhost';
const REDIRECTS_MAX = 10;

export interface RequestWords {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: BodyInit;
}

/** Starts the app of this folder. `await using` ends it. */
export async function testApp(root: string = process.cwd()): Promise<TestApp> {
  const parts = await loadApp(
    root,
    async (path) => (await import(path)) as Readonly<Record<string, unknown>>,
  );
  const database = new SqliteDatabase(':memory:');
  await migrate(database, parts.migrations);
  const records: LogRecord[] = [];
  const log = createLogger({
    part: 'test',
    now: () => systemClock.now(),
    sinks: [(record) => records.push(record)],
  });
  const fileFolder = await mkdtemp(join(tmpdir(), 'moln-test-'));
  useFiles(new FolderFiles(fileFolder));
  const app = await App.start(parts, { database, log });
  const jobs = new JobRunner({ jobs: parts.jobs, database, log });
  return new TestApp({ app, database, jobs, fileFolder }, records);
}

export class TestApp implements AsyncDisposable {
  /** What the app has logged. */
  readonly log: readonly LogRecord[];
  readonly #app: App;
  readonly #database: SqliteDatabase;
  readonly #jobs: JobRunner;
  readonly #fileFolder: string;
  readonly #cookies = new Map<string, string>();

  constructor(
    parts: {
      readonly app: App;
      readonly database: SqliteDatabase;
      readonly jobs: JobRunner;
      readonly fileFolder: string;
    },
    log: readonly LogRecord[],
  ) {
    this.#app = parts.app;
    this.#database = parts.database;
    this.#jobs = parts.jobs;
    this.#fileFolder = parts.fileFolder;
    this.log = log;
  }

  /** The page at that path, after redirects. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<TestPage> {
    return await this.#follow(path, { headers: { accept: 'text/html', ...headers } });
  }

  /** One request and its answer, as they are. */
  async request(path: string, words: RequestWords = {}): Promise<Response> {
    const headers = new Headers(words.headers);
    if (this.#cookies.size > 0) {
      headers.set(
        'cookie',
        [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      );
    }
    if (words.json !== undefined) headers.set('content-type', 'application/json');
    if (words.json !== undefined && !headers.has('accept'))
      headers.set('accept', 'application/json');
    const body = words.json === undefined ? words.body : JSON.stringify(words.json);
    const method = words.method ?? (body === undefined ? 'GET' : 'POST');
    const request = new Request(new URL(path, ORIGIN), {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const response = await this.#app.fetch(request, '127.0.0.1');
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  /** Does the jobs that are due; gives how many there were. */
  async runJobs(): Promise<number> {
    return await this.#jobs.drain();
  }

  /** Sends a form as a browser does, and gives the page that comes in the end. */
  async send(
    path: string,
    method: string,
    fields: Readonly<Record<string, string>>,
  ): Promise<TestPage> {
    const query = new URLSearchParams(fields);
    if (method === 'GET') return await this.get(`${path}?${query}`);
    return await this.#follow(path, {
      method,
      body: query,
      headers: { accept: 'text/html', origin: ORIGIN },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#app[Symbol.dispose]();
    await this.#database[Symbol.asyncDispose]();
    await rm(this.#fileFolder, { recursive: true, force: true });
  }

  async #follow(path: string, words: RequestWords): Promise<TestPage> {
    let response = await this.request(path, words);
    let at = path;
    for (let times = 0; times < REDIRECTS_MAX; times++) {
      const location = response.headers.get('location');
      if (location === null || response.status < 300 || response.status > 399) break;
      at = location;
      response = await this.request(location, { headers: { accept: 'text/html' } });
    }
    return new TestPage(this, at, response.status, response.headers, await response.text());
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (/;\s*max-age=0\b/i.test(line)) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }
}

/** A page that a visitor sees. */
export class TestPage {
  /** Where one is after redirects. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly #app: TestApp;

  constructor(app: TestApp, path: string, status: number, headers: Headers, text: string) {
    this.#app = app;
    this.path = path;
    this.status = status;
    this.headers = headers;
    this.text = text;
  }

  /** Fills in the first form that has these fields, and sends it. */
  async submit(fields: Readonly<Record<string, string>>): Promise<TestPage> {
    const form = formWith(formsOf(this.text), Object.keys(fields));
    if (form === undefined) {
      throw new Error(
        `${this.path} (${this.status}) has no form with ${Object.keys(fields).join(', ') || 'a button'}:\n${this.text}`,
      );
    }
    return await this.#app.send(form.action === '' ? this.path : form.action, form.method, {
      ...form.fields,
      ...fields,
    });
  }
}
