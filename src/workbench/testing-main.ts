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
import {
  App,
  FolderFiles,
  JobRunner,
  migrate,
  type ReadyMail,
  SqliteDatabase,
  useFiles,
  useMail,
  usePasswordCost,
} from '../web/web.ts';
import { loadApp } from './app-folder.ts';
import { formsOf, formWith, formWithButton, type PageForm } from './page-forms.ts';

const ORIGIN = 'http://test.localhost';
const REDIRECTS_MAX = 10;
/** Of passwords: a test signs up many people, and keeps none of them. */
const PASSWORD_COST = 1024;

/** What a form is filled in with. */
export type Filled = Readonly<Record<string, string | File>>;

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
  const mails: ReadyMail[] = [];
  usePasswordCost(PASSWORD_COST);
  useMail({
    carry: async (mail) => {
      mails.push(mail);
      return [];
    },
  });
  const fileFolder = await mkdtemp(join(tmpdir(), 'moln-test-'));
  useFiles(new FolderFiles(fileFolder));
  const app = await App.start(parts, { database, log });
  const jobs = new JobRunner({ jobs: parts.jobs, database, log });
  return new TestApp({ app, database, jobs, log: records, mails, fileFolder });
}

export interface TestAppParts {
  readonly app: App;
  readonly database: SqliteDatabase;
  readonly jobs: JobRunner;
  readonly log: readonly LogRecord[];
  readonly mails: readonly ReadyMail[];
  readonly fileFolder: string;
}

/** Somebody with a browser of their own. */
export class TestVisitor {
  readonly #app: App;
  readonly #cookies = new Map<string, string>();

  constructor(app: App) {
    this.#app = app;
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

  /** Sends a form as a browser does, and gives the page that comes in the end. */
  async send(
    path: string,
    { method, hasFiles }: Pick<PageForm, 'method' | 'hasFiles'>,
    fields: Filled,
  ): Promise<TestPage> {
    const body = hasFiles ? new FormData() : new URLSearchParams();
    for (const [name, value] of Object.entries(fields))
      body.set(name, typeof value === 'string' || hasFiles ? (value as string) : value.name);
    if (method === 'GET') return await this.get(`${path}?${body as URLSearchParams}`);
    const headers = { accept: 'text/html', origin: ORIGIN };
    return await this.#follow(path, { method, body, headers });
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

/** The app, and a first visitor. */
export class TestApp extends TestVisitor implements AsyncDisposable {
  /** What the app has logged. */
  readonly log: readonly LogRecord[];
  /** What `runJobs` has sent. */
  readonly mails: readonly ReadyMail[];
  readonly #parts: TestAppParts;

  constructor(parts: TestAppParts) {
    super(parts.app);
    this.#parts = parts;
    this.log = parts.log;
    this.mails = parts.mails;
  }

  /** Somebody else, who is not signed in. */
  visitor(): TestVisitor {
    return new TestVisitor(this.#parts.app);
  }

  /** Does the jobs that are due; gives how many there were. */
  async runJobs(): Promise<number> {
    return await this.#parts.jobs.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { app, database, fileFolder } = this.#parts;
    app[Symbol.dispose]();
    await database[Symbol.asyncDispose]();
    await rm(fileFolder, { recursive: true, force: true });
  }
}

/** A page that a visitor sees. */
export class TestPage {
  /** Where one is after redirects. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly #visitor: TestVisitor;

  constructor(visitor: TestVisitor, path: string, status: number, headers: Headers, text: string) {
    this.#visitor = visitor;
    this.path = path;
    this.status = status;
    this.headers = headers;
    this.text = text;
  }

  /** Fills in the first form that has these fields, and sends it. A `File` is one that is chosen. */
  async submit(fields: Filled): Promise<TestPage> {
    const names = Object.keys(fields);
    const form = formWith(formsOf(this.text), names);
    if (form === undefined) throw this.#without(`form with ${names.join(', ') || 'a button'}`);
    return await this.#send(form, fields);
  }

  /** Presses the first button with this text on it (or this `aria-label`), after its form was filled in with these fields. */
  async press(label: string, fields: Filled = {}): Promise<TestPage> {
    const found = formWithButton(formsOf(this.text), label);
    if (found === undefined) throw this.#without(`button "${label}"`);
    const missing = Object.keys(fields).find((name) => !found.form.names.has(name));
    if (missing !== undefined) throw this.#without(`field ${missing} beside the button "${label}"`);
    return await this.#send(found.form, { ...fields, ...found.button.fields });
  }

  async #send(form: PageForm, fields: Filled): Promise<TestPage> {
    const path = form.action === '' ? this.path : form.action;
    return await this.#visitor.send(path, form, { ...form.fields, ...fields });
  }

  #without(what: string): Error {
    return new Error(`${this.path} (${this.status}) has no ${what}:\n${this.text}`);
  }
}
