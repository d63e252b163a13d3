/**
 * Two gateway workers beside one, and how long hits take while half of a core's power is asked for. On a machine with two cores the
 * load generator shares them, so what two workers can do is computed from the CPU time that they took; and measured, with a quarter of a
 * core for each worker, so that enough is left for the load.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { freePorts } from '../testing/free-ports.ts';
import { CpuShare } from './cpu-share.ts';
import { certificate, writeFiles } from './gateway.ts';
import { type Place, type Server, startMoln } from './servers.ts';
import {
  allowedCores,
  cpuSeconds,
  hurry,
  median,
  pinned,
  requirePrograms,
  startPinned,
  stop,
  untilListening,
} from './tools.ts';

const RAW_UPSTREAM = fileURLToPath(new URL('./raw-upstream.ts', import.meta.url));
const CONNECTIONS = 64;
/** Of what one core can do. */
const LOAD = 0.5;
/** Of a core, in percent, for each of the workers whose throughput is compared. */
const WORKER_SHARE = 25;
const QUANTILES: readonly number[] = [0.5, 0.99, 0.999];

const run = promisify(execFile);

export async function benchGatewayLoad(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
    },
  });
  requirePrograms({ wrk: 'wrk', h2load: 'nghttp2-client' });
  const [core, otherCore] = allowedCores();
  if (core === undefined || otherCore === undefined) {
    throw new Error('This measurement needs two cores');
  }
  using _priority = hurry();
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const [upstreamPort = 0, ...ports] = await freePorts('127.0.0.1', 7);
  const upstream = startPinned({
    core: otherCore,
    program: process.execPath,
    args: [RAW_UPSTREAM, String(upstreamPort)],
  });
  const servers: Server[] = [];
  try {
    await untilListening(upstreamPort);
    const files = await writeFiles(folder);
    const place = async (first: number): Promise<Place> => ({
      folder: join(folder, String(first)),
      files,
      core,
      certificate: await certificate(),
      upstreamPort,
      accessLog: false,
      port: ports[first] ?? 0,
      tcpPort: ports[first + 1] ?? 0,
      tlsPort: ports[first + 2] ?? 0,
    });
    const alone = await startMoln(await place(0), []);
    servers.push(alone);
    const shared = await place(3);
    const pair = [await startMoln(shared, [])];
    servers.push(...pair);
    pair.push(await startMoln({ ...shared, core: otherCore, slot: 2 }, []));
    servers.push(...pair.slice(1));
    const plan = {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      loadCore: otherCore,
    };
    const oneMicros = await compareWorkers(alone, pair, plan);
    await compareThroughput(alone, pair, plan);
    await measureLatency(alone, oneMicros, { ...plan, folder });
  } finally {
    for (const server of servers) await server.stop();
    await stop(upstream);
    await rm(folder, { recursive: true, force: true });
  }
}

interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  readonly loadCore: number;
}

/** Answers the CPU time of a hit with one worker, in µs. */
async function compareWorkers(
  alone: Server,
  pair: readonly Server[],
  { rounds, seconds, loadCore }: Plan,
): Promise<number> {
  const one: number[] = [];
  const factors: number[] = [];
  for (const servers of [[alone], pair]) await hits(servers, seconds, undefined);
  for (let round = 0; round < rounds; round++) {
    const single = await hits([alone], seconds, loadCore);
    const both = await hits(pair, seconds, undefined);
    const oneMicros = (Math.max(...single.cpu) / single.requests) * 1e6;
    // The core of the busier worker is full first.
    const bothMicros = (Math.max(...both.cpu) / both.requests) * 1e6;
    one.push(oneMicros);
    factors.push(oneMicros / bothMicros);
    console.log(
      `one worker: ${oneMicros.toFixed(2)} µs of its core for a hit; two: ${bothMicros.toFixed(2)} µs ` +
        `of the busier one's core, ${(oneMicros / bothMicros).toFixed(2)} times as many hits`,
    );
  }
  console.log(`two workers: ${median(factors).toFixed(2)} × one (median)\n`);
  return median(one);
}

/** By throughput. The load generator is the same for both, and has what the workers must not take. */
async function compareThroughput(
  alone: Server,
  pair: readonly Server[],
  { rounds, seconds }: Plan,
): Promise<void> {
  using groups = new DisposableStack();
  for (const { pid } of [alone, ...pair]) {
    const group = groups.use(new CpuShare(`moln-bench-${pid}`));
    group.add(pid);
    group.limit(WORKER_SHARE);
  }
  const factors: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [single, both] = [
      await hits([alone], seconds, undefined),
      await hits(pair, seconds, undefined),
    ];
    factors.push(both.requests / single.requests);
    console.log(
      `${WORKER_SHARE} % of a core for each worker: one ${Math.round(single.requests / seconds)} hits/s, ` +
        `two ${Math.round(both.requests / seconds)}, ${(both.requests / single.requests).toFixed(2)} times as many`,
    );
  }
  console.log(`two workers: ${median(factors).toFixed(2)} × one by throughput (median)\n`);
}

/** Requests that were answered, and the CPU seconds of each server. */
async function hits(
  servers: readonly Server[],
  seconds: number,
  core: number | undefined,
): Promise<{ readonly requests: number; readonly cpu: readonly number[] }> {
  const before = servers.map(({ pid }) => cpuSeconds(pid));
  const url = `http://127.0.0.1:${servers[0]?.port}/hit`;
  const args = [`-c${CONNECTIONS}`, `-d${seconds}s`, url];
  const [program, ...rest] =
    core === undefined
      ? ['wrk', '-t2', ...args]
      : pinned({ core, program: 'wrk', args: ['-t1', ...args] });
  const { stdout } = await run(program ?? '', rest);
  const requests = Number(/(\d+) requests in /.exec(stdout)?.[1]);
  if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
  return { requests, cpu: servers.map(({ pid }, index) => cpuSeconds(pid) - (before[index] ?? 0)) };
}

async function measureLatency(
  server: Server,
  hitMicros: number,
  { rounds, seconds, loadCore, folder }: Plan & { readonly folder: string },
): Promise<void> {
  const rate = Math.round((LOAD * 1e6) / hitMicros / CONNECTIONS);
  const all: number[][] = QUANTILES.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const log = join(folder, 'latencies');
    const before = cpuSeconds(server.pid);
    const [program, ...args] = pinned({
      core: loadCore,
      program: 'h2load',
      args: [
        '--h1',
        '-t1',
        `-c${CONNECTIONS}`,
        `--rps=${rate}`,
        `-D${seconds}`,
        `--log-file=${log}`,
        `http://127.0.0.1:${server.port}/hit`,
      ],
    });
    await run(program, args);
    const cpu = cpuSeconds(server.pid) - before;
    const micros = await latencies(log);
    const found = QUANTILES.map((share) => micros[Math.floor(share * (micros.length - 1))] ?? 0);
    for (const [index, value] of found.entries()) all[index]?.push(value);
    console.log(
      `${Math.round(micros.length / seconds)} hits/s, ${Math.round((cpu / seconds) * 100)} % of the core: ` +
        QUANTILES.map((share, index) => `p${share * 100} ${ms(found[index])}`).join(', '),
    );
    await rm(log);
  }
  const medians = QUANTILES.map(
    (share, index) => `p${share * 100} ${ms(median(all[index] ?? []))}`,
  );
  console.log(`hits at ${LOAD * 100} % load: ${medians.join(', ')} (medians)`);
}

function ms(micros = 0): string {
  return `${(micros / 1000).toFixed(2)} ms`;
}

/** Sorted, in µs: the third column of each line; the second is the status. */
async function latencies(log: string): Promise<number[]> {
  const rows = (await readFile(log, 'utf8')).trim().split('\n');
  const found = rows.map((row) => row.split('\t').map(Number));
  const failed = found.find(([, status]) => status !== 200);
  if (failed !== undefined) throw new Error(`A hit was answered with ${failed[1]}`);
  return found.map(([, , micros = 0]) => micros).toSorted((a, b) => a - b);
}
