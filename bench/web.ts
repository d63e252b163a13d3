/**
 * The web framework beside Fastify, Express and AdonisJS: the same page (20 rows of the same SQLite file through a template) and the
 * same few bytes of JSON, each server on one core. And what a person waits for: the first page of `moln dev`, an app's own tests, the start of what is deployed.
 */
import { execFile, type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { BUILD_FILE } from '../src/workbench/app-folder.ts';
import { bundle } from '../src/workbench/compile.ts';
import { buildApp } from '../src/workbench/workbench.ts';
import { freePorts } from '../testing/free-ports.ts';
import { MOLN } from '../testing/moln.ts';
import { serveSql, startSql } from '../testing/sql-kit.ts';
import { summarizeProfiles } from './profile.ts';
import {
  allowedCores,
  cpuSeconds,
  median,
  pinned,
  requirePrograms,
  startPinned,
  stop,
  untilListening,
} from './tools.ts';

const HERE = join(import.meta.dirname, 'web');
const ROWS = 100;
const CONNECTIONS = 64;
const TIMES = 5;
const SCENARIOS = { page: '/', 'JSON hello': '/hello' } as const;
const run = promisify(execFile);

interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
}

export async function benchWeb(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      rounds: { type: 'string', default: '12' },
      seconds: { type: 'string', default: '1' },
      /** Of the servers: `moln,fastify`. */
      only: { type: 'string', default: '' },
      'no-times': { type: 'boolean', default: false },
      /** A folder for CPU profiles of Moln. */
      profile: { type: 'string' },
    },
  });
  requirePrograms({ wrk: 'wrk' });
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-web-'));
  const servers: Server[] = [];
  try {
    const file = await makeDatabase(folder);
    for (const start of await starters(folder, file, values.profile)) {
      if (values.only === '' || values.only.split(',').includes(start.name))
        servers.push(await start.run());
    }
    await sameAnswers(servers);
    await report(servers, { rounds: Number(values.rounds), seconds: Number(values.seconds) });
    for (const { child } of servers.splice(0)) await stop(child);
    if (values.profile !== undefined) console.log(await summarizeProfiles(values.profile));
    if (!values['no-times']) await reportTimes(folder);
  } finally {
    for (const { child } of servers) await stop(child);
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeDatabase(folder: string): Promise<string> {
  const path = join(folder, 'posts.sqlite');
  const migration = join(HERE, 'app/migrations/20260101000000_create_posts.sql');
  const [up = ''] = (await readFile(migration, 'utf8')).split('-- down');
  using file = new DatabaseSync(path);
  file.exec(`PRAGMA journal_mode = WAL; ${up}`);
  const insert = file.prepare(
    'INSERT INTO posts (title, body, published, created_at, updated_at) VALUES (?, ?, ?, ?, ?)',
  );
  const time = '2026-01-01T00:00:00.000Z';
  for (let at = 1; at <= ROWS; at++) {
    const body = `The body of post ${at}, which says "what it says" in a sentence or two of text.`;
    insert.run(`Post <${at}> & more`, body, at % 2, time, time);
  }
  return path;
}

interface Starter {
  readonly name: string;
  readonly run: () => Promise<Server>;
}

/** Moln's app as `moln deploy` builds it; the others when their packages can be had. */
async function starters(
  folder: string,
  file: string,
  profile: string | undefined,
): Promise<readonly Starter[]> {
  const [core = 0] = allowedCores();
  const starter = (name: string, words: readonly string[], cwd: string): Starter => ({
    name,
    run: async () => {
      const [port = 0] = await freePorts('127.0.0.1', 1);
      const program = process.execPath;
      const args = [...words, file, String(port)];
      const child = startPinned({ core, program: 'env', args: ['-C', cwd, program, ...args] });
      await untilListening(port);
      return { name, child, port };
    },
  });
  const app = join(folder, 'app');
  await cp(join(HERE, 'app'), app, { recursive: true });
  const built = join(folder, 'moln.js');
  await bundle(app, await readFile(join(HERE, 'moln-main.ts.txt'), 'utf8'), built);
  const profiled = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const moln = starter('moln', [...profiled, built], app);
  const peers = join(folder, 'peers');
  await cp(join(HERE, 'peers'), peers, { recursive: true });
  try {
    const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', words, { cwd: peers, timeout: 180_000 });
  } catch (error) {
    console.log(`Only Moln: the packages of the others cannot be had. ${String(error)}`);
    return [moln];
  }
  const names = ['fastify', 'express', 'adonis'];
  return [moln, ...names.map((name) => starter(name, [`${name}.js`], peers))];
}

/** All give twenty rows with what is special in HTML escaped, and the same JSON: else they would be no peers. */
async function sameAnswers(servers: readonly Server[]): Promise<void> {
  for (const { name, port } of servers) {
    const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    const rows = page.match(/<a href="\/posts\/\d+">Post &lt;\d+&gt; &amp; more<\/a>/g);
    const hello = await (await fetch(`http://127.0.0.1:${port}/hello`)).text();
    if (rows?.length !== 20 || hello !== '{"hello":"world"}')
      throw new Error(`${name} answers with another page:\n${page}\n${hello}`);
  }
}

interface Round {
  readonly rate: number;
  readonly micros: number;
}

/** A quarter of the rounds cost less than this: others on the machine only ever add, and a median has them too. */
function quarter(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 4)] ?? Number.NaN;
}

async function report(
  servers: readonly Server[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<void> {
  console.log('| | server | requests/s | CPU per request, quarter | ratio | median | ratio |');
  console.log('|---|---|--:|--:|--:|--:|--:|');
  for (const [scenario, path] of Object.entries(SCENARIOS)) {
    const measured = new Map<string, Round[]>(servers.map(({ name }) => [name, []]));
    for (const server of servers) await load(server, path, 2);
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? servers : servers.toReversed();
      for (const server of order)
        measured.get(server.name)?.push(await load(server, path, seconds));
    }
    const micros = (name: string, pick: (values: number[]) => number): number =>
      pick((measured.get(name) ?? []).map((each) => each.micros));
    for (const [name, all] of measured) {
      const figures = [quarter, median].map((pick) => {
        const own = micros(name, pick);
        const ratio = own / micros('moln', pick);
        return `${own.toFixed(1)} µs | ${ratio.toFixed(2)}`;
      });
      const rate = Math.round(median(all.map((each) => each.rate)));
      console.log(`| ${scenario} | ${name} | ${rate} | ${figures.join(' | ')} |`);
    }
  }
}

/** CPU time is that of the server, all its threads. */
async function load({ name, child, port }: Server, path: string, seconds: number): Promise<Round> {
  const core = allowedCores()[1] ?? 0;
  const pid = child.pid ?? 0;
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, `http://127.0.0.1:${port}${path}`];
  const [program, ...words] = pinned({ core, program: 'wrk', args });
  const before = cpuSeconds(pid);
  const { stdout } = await run(program, words);
  const cpu = cpuSeconds(pid) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout))
    throw new Error(`${name} failed at ${path}:\n${stdout}`);
  return { rate: requests / seconds, micros: (cpu / requests) * 1e6 };
}

/** Of an app as the generators write it, with a scaffold and users. */
async function reportTimes(folder: string): Promise<void> {
  const env = { ...process.env, HOME: folder };
  const moln = async (line: string, cwd: string): Promise<void> =>
    void (await run(MOLN, line.split(' '), { cwd, env }));
  await moln('new blog', folder);
  const cwd = join(folder, 'blog');
  await moln('generate scaffold post title:string body:text published:boolean', cwd);
  await moln('generate auth', cwd);
  await buildApp(cwd);
  await using sql = await startSql(1, { sqliteIds: true });
  await using served = await serveSql(sql.engine);
  const deployed = { ...env, DATABASE_URL: `${served.url}/` };
  const rows: Readonly<Record<string, () => Promise<number>>> = {
    '`moln dev`, typed, to the first page': () =>
      firstAnswer(MOLN, ['dev', '--host', '127.0.0.1', '--port'], { cwd, env, path: '/' }),
    'an edit of a view in `moln dev`, to the page that shows it': () => editShown(cwd, env),
    '`moln test`: what the generators wrote': () => took(() => moln('test', cwd)),
    'an instance, started, to its first answer': () =>
      firstAnswer(process.execPath, [BUILD_FILE], { cwd, env: deployed, path: '/up' }),
  };
  console.log('\n| | median | longest |\n|---|--:|--:|');
  for (const [what, work] of Object.entries(rows)) {
    const times: number[] = [];
    for (let at = 0; at < TIMES; at++) times.push(await work());
    const words = [median(times), Math.max(...times)].map((ms) => `${Math.round(ms)} ms`);
    console.log(`| ${what} | ${words.join(' | ')} |`);
  }
}

async function took(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Milliseconds from saving a view to having the page of which the open one was told. */
async function editShown(cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const words = ['dev', '--host', '127.0.0.1', '--port', String(port)];
  const child = spawn(MOLN, words, { cwd, env, stdio: 'ignore' });
  try {
    const base = `http://127.0.0.1:${port}`;
    while (!(await isAnswered(`${base}/`))) await pause(5);
    const told = (await fetch(`${base}/_moln/changes`)).body?.getReader();
    await told?.read();
    const view = join(cwd, 'app/views/home.tsx');
    const text = await readFile(view, 'utf8');
    const began = performance.now();
    await writeFile(view, text.replace('<h1>', '<h1>Edited at last. '));
    await told?.read();
    const page = await (await fetch(`${base}/`)).text();
    const ms = performance.now() - began;
    if (!page.includes('Edited at last')) throw new Error(`The page is the old one:\n${page}`);
    await told?.cancel();
    await writeFile(view, text);
    return ms;
  } finally {
    await stop(child);
  }
}

/** Milliseconds from starting that program, with a port as its last word and as PORT, to its first answer. */
async function firstAnswer(
  program: string,
  words: readonly string[],
  {
    cwd,
    env,
    path,
  }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly path: string },
): Promise<number> {
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const began = performance.now();
  const child = spawn(program, [...words, String(port)], {
    cwd,
    env: { ...env, PORT: String(port) },
    stdio: 'ignore',
  });
  try {
    for (;;) {
      if (await isAnswered(`http://127.0.0.1:${port}${path}`)) return performance.now() - began;
      if (performance.now() - began > 30_000) throw new Error(`${program} does not answer`);
      await pause(5);
    }
  } finally {
    await stop(child);
  }
}

async function isAnswered(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    // Nothing listens yet.
    return false;
  }
}
