/** Runs a folder as its detection says, without a node around it, and asks it over its socket. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { detect } from '../src/apps/detect.ts';
import { findTools, type Tools } from '../src/apps/tools.ts';
import { folderView } from '../src/apps/tree-view.ts';
import { until } from './until.ts';

export const RUNNERS: string = join(import.meta.dirname, '../src/apps/runners');

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** Sent without a length. */
  readonly chunked?: boolean;
}

export interface Running {
  readonly socket: string;
  readonly folder: string;
  log(): string;
  ask(path: string, question?: Question): Promise<Answer>;
  /** SIGTERM, and the exit code that follows. */
  stop(): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

/** Runs a folder as its detection says, but for servers that a test wants to be missing. */
export async function run(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  options: {
    readonly withServers?: boolean;
    readonly explanation?: RegExp;
    readonly without?: keyof Tools;
  } = {},
): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-runner-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const release = join(folder, 'release');
  await writeFiles(release, files);
  const found = await findTools();
  const tools = options.without === undefined ? found : { ...found, [options.without]: undefined };
  const python =
    tools.python === undefined || options.withServers === true
      ? tools.python
      : { ...tools.python, packages: {} };
  const { plan } = detect(folderView(release), { ...tools, python });
  if (options.explanation !== undefined) assert.match(plan.explanation, options.explanation);
  const web = plan.processes['web'];
  assert.ok(web !== undefined);
  const [file = '', ...args] = web.command.map((part) =>
    part
      .replaceAll('{node}', process.execPath)
      .replaceAll('{runners}', RUNNERS)
      .replaceAll('{release}', release),
  );
  return start(t, { folder, release, file, args, env: web.env });
}

export async function start(
  t: TestContext,
  options: {
    readonly folder: string;
    readonly release: string;
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<Running> {
  const socket = join(options.folder, 'http.sock');
  const child = spawn(options.file, [...options.args], {
    cwd: options.release,
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      TMPDIR: options.folder,
      HOME: options.folder,
      MOLN_DATA_DIR: join(options.folder, 'data'),
      LISTEN_SOCKET: socket,
      GREETING: 'hej',
      PYTHONDONTWRITEBYTECODE: '1',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(async () => {
    agent.destroy();
    // Not SIGKILL: php-cgi has a session of its own and would stay.
    child.kill('SIGTERM');
    await exited;
  });
  return {
    socket,
    folder: options.folder,
    log: () => log,
    ask: (path, question) => ask(socket, agent, path, question),
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
    exited,
  };
}

function ask(socket: string, agent: Agent, path: string, question: Question = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    {
      socketPath: socket,
      path,
      agent,
      method: question.method ?? 'GET',
      headers: { host: 'shop.example', ...question.headers },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    },
  );
  sent.once('error', reject);
  if (question.body !== undefined && question.chunked !== true) {
    sent.setHeader('content-length', Buffer.byteLength(question.body));
  }
  if (question.chunked === true) sent.flushHeaders();
  sent.end(question.body);
  return promise;
}

/** Bytes in, bytes out, on a connection of its own. */
export async function raw(socket: string, bytes: string): Promise<string> {
  const connection = createConnection({ path: socket });
  connection.write(bytes, 'latin1');
  let text = '';
  for await (const chunk of connection) text += (chunk as Buffer).toString('latin1');
  return text;
}

export async function answering(running: Running): Promise<void> {
  await until('the app to answer', () => running.ask('/').then(({ status }) => status < 500));
}

export const FORWARDED: Readonly<Record<string, string>> = {
  'x-forwarded-for': '10.0.0.1, 203.0.113.7',
  'x-forwarded-proto': 'https',
  x_forwarded_for: 'spoofed',
};
