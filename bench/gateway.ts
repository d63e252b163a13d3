/**
 * The gateway beside nginx and HAProxy: the same requests in alternating rounds, the server on one core and load with
 * upstream on another. CPU time per request is the figure that counts: it does not depend on who waits for whom.
 */
import { execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, parseArgs } from 'node:util';
import { systemClock } from '../src/base/time.ts';
import { createAuthority, type KeyPair } from '../src/cluster/x509.ts';
import { freePorts } from '../testing/free-ports.ts';
import { summarizeProfiles } from './profile.ts';
import { formatReport, type GatewayReport, type IdleMemory, type Measurement } from './report.ts';
import {
  startHaproxy,
  startMoln,
  startNginx,
  startVarnish,
  type Place,
  type Server,
} from './servers.ts';
import {
  allowedCores,
  coreBusySeconds,
  cpuSeconds,
  hurry,
  memoryOf,
  pinned,
  requirePrograms,
  startPinned,
  stop,
  untilListening,
  versionOf,
} from './tools.ts';

const RAW_UPSTREAM = fileURLToPath(new URL('./raw-upstream.ts', import.meta.url));
const IDLE_CLIENTS = fileURLToPath(new URL('./idle-clients.ts', import.meta.url));
const RESULTS = join(import.meta.dirname, 'results');
const MIB = 1024 * 1024;
const IDLE_CONNECTIONS = 10_000;
const CONNECTIONS = 64;
/** Large bodies need fewer connections to fill a core. */
const LARGE_CONNECTIONS = 16;

/** Share of the server's core that other programs may take during a round. */
const OTHERS_SHARE_MAX = 0.15;
const ATTEMPTS_MAX = 4;

interface Scenario {
  readonly name: string;
  /** Undefined for a server that cannot do it. */
  readonly path: (server: Server['name']) => string | undefined;
  readonly connections: number;
  /**
   * `tcp`: over the port whose bytes are led on unread. `tls`: HTTP/1.1 over TLS 1.3 on kept connections. `handshake`: the same, with
   * a connection for each request. `h2`: HTTP/2 over TLS, ten requests at a time on each connection.
   */
  readonly over?: 'tcp' | 'tls' | 'handshake' | 'h2';
}

const NO_FILES: ReadonlySet<Server['name']> = new Set(['haproxy', 'varnish']);

/** It is a cache and nothing else. */
function exceptVarnish(path: string): Scenario['path'] {
  return (server) => (server === 'varnish' ? undefined : path);
}

/** The others that are measured here lead no bytes on, or only with a module. */
function byBalancers(path: string): Scenario['path'] {
  return (server) => (server === 'moln' || server === 'haproxy' ? path : undefined);
}

/** Varnish speaks no TLS, and HAProxy is not what these goals are set against. */
function overTls(path: string): Scenario['path'] {
  return (server) => (server === 'moln' || server === 'nginx' ? path : undefined);
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'static 1 KB', path: exceptVarnish('/static/1k.bin'), connections: CONNECTIONS },
  { name: 'proxied 1 KB', path: exceptVarnish('/proxied'), connections: CONNECTIONS },
  { name: 'cache hit 1 KB', path: () => '/hit', connections: CONNECTIONS },
  { name: 'cache hit 1 MB', path: () => '/large', connections: LARGE_CONNECTIONS },
  {
    name: 'static 1 MB',
    // HAProxy serves no files; its cache is the nearest that it has.
    path: (server) => {
      if (server === 'varnish') return undefined;
      return server === 'haproxy' ? '/large' : '/static/1m.bin';
    },
    connections: LARGE_CONNECTIONS,
  },
  {
    // Larger than what we keep in memory: each answer is read from the file.
    name: 'static 8 MB',
    path: (server) => (NO_FILES.has(server) ? undefined : '/static/8m.bin'),
    connections: LARGE_CONNECTIONS,
  },
  { name: 'tcp 1 KB', path: byBalancers('/'), connections: CONNECTIONS, over: 'tcp' },
  { name: 'tcp 1 MB', path: byBalancers('/large'), connections: LARGE_CONNECTIONS, over: 'tcp' },
  { name: 'TLS hit 1 KB', path: overTls('/hit'), connections: CONNECTIONS, over: 'tls' },
  { name: 'TLS handshake', path: overTls('/hit'), connections: CONNECTIONS, over: 'handshake' },
  { name: 'HTTP/2 hit 1 KB', path: overTls('/hit'), connections: LARGE_CONNECTIONS, over: 'h2' },
];

export async function benchGateway(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      only: { type: 'string' },
      server: { type: 'string' },
      'no-idle': { type: 'boolean', default: false },
      'access-log': { type: 'boolean', default: false },
      profile: { type: 'string' },
      flag: { type: 'string', multiple: true, default: [] },
    },
  });
  requirePrograms({
    nginx: 'nginx-light',
    haproxy: 'haproxy',
    varnishd: 'varnish',
    wrk: 'wrk',
    h2load: 'nghttp2-client',
  });
  const [serverCore, loadCore] = allowedCores();
  if (serverCore === undefined || loadCore === undefined) {
    throw new Error('This measurement needs two cores: one for the server, one for the load');
  }
  using _priority = hurry();
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const files = await writeFiles(folder);
  const [upstreamPort = 0, ...ports] = await freePorts('127.0.0.1', 13);
  const upstream = startPinned({
    core: loadCore,
    program: process.execPath,
    args: [RAW_UPSTREAM, String(upstreamPort)],
  });
  const common = {
    folder,
    files,
    core: serverCore,
    certificate: await certificate(),
    upstreamPort,
    accessLog: values['access-log'],
  };
  const places = ports.slice(0, 4).map((port, index): Place => ({
    ...common,
    port,
    tcpPort: ports[4 + index] ?? 0,
    tlsPort: ports[8 + index] ?? 0,
  }));
  const profileFlags =
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const servers: Server[] = [];
  try {
    await untilListening(upstreamPort);
    const starts = {
      moln: (place: Place) => startMoln(place, [...profileFlags, ...values.flag]),
      nginx: startNginx,
      haproxy: startHaproxy,
      varnish: startVarnish,
    };
    for (const [index, [name, start]] of Object.entries(starts).entries()) {
      const place = places[index];
      const isChosen = (values.server ?? name).includes(name);
      if (place !== undefined && isChosen) servers.push(await start(place));
    }
    const measured = await measureAll({
      servers,
      scenarios: SCENARIOS.filter(({ name }) => name.includes(values.only ?? '')),
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      loadCore,
      serverCore,
    });
    const idle = values['no-idle']
      ? []
      : await measureIdle(
          servers.filter(({ name }) => name !== 'varnish'),
          loadCore,
        );
    await report({
      measured,
      idle,
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
    });
  } finally {
    for (const server of servers) await server.stop();
    await stop(upstream);
    await rm(folder, { recursive: true, force: true });
  }
  if (values.profile !== undefined) console.log(await summarizeProfiles(values.profile));
}

export async function writeFiles(folder: string): Promise<string> {
  const files = join(folder, 'files');
  await mkdir(join(files, 'static'), { recursive: true });
  await writeFile(join(files, 'static', '1k.bin'), Buffer.alloc(1024, 'x'));
  await writeFile(join(files, 'static', '1m.bin'), Buffer.alloc(MIB, 'x'));
  await writeFile(join(files, 'static', '8m.bin'), Buffer.alloc(8 * MIB, 'x'));
  return files;
}

interface Plan {
  readonly servers: readonly Server[];
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seconds: number;
  readonly loadCore: number;
  readonly serverCore: number;
}

/** Rounds alternate between the servers, so that a noisy minute hurts all alike. */
async function measureAll(plan: Plan): Promise<Measurement[]> {
  const { scenarios, rounds, loadCore } = plan;
  const measured: Measurement[] = [];
  for (const scenario of scenarios) {
    const servers = plan.servers.filter(({ name }) => scenario.path(name) !== undefined);
    for (const server of servers) await load(server, scenario, 1, loadCore);
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? servers : servers.toReversed();
      for (const server of order) measured.push(await measureQuietly(plan, scenario, server));
    }
  }
  return measured;
}

/** A round that other work disturbed is repeated some times; the quietest one counts. */
async function measureQuietly(
  plan: Plan,
  scenario: Scenario,
  server: Server,
): Promise<Measurement> {
  const { seconds, loadCore, serverCore } = plan;
  let quietest: Measurement | undefined;
  for (let attempt = 1; ; attempt++) {
    const before = { cpu: cpuSeconds(server.pid), busy: coreBusySeconds(serverCore) };
    const requests = await load(server, scenario, seconds, loadCore);
    const cpu = cpuSeconds(server.pid) - before.cpu;
    const others = coreBusySeconds(serverCore) - before.busy - cpu;
    const measurement: Measurement = {
      scenario: scenario.name,
      server: server.name,
      requestsPerSecond: requests / seconds,
      cpuMicrosPerRequest: (cpu / requests) * 1e6,
      othersShare: Math.max(0, others / seconds),
    };
    const again = measurement.othersShare > OTHERS_SHARE_MAX && attempt < ATTEMPTS_MAX;
    if (measurement.othersShare < (quietest?.othersShare ?? Infinity)) quietest = measurement;
    console.log(
      `${scenario.name} · ${server.name}: ${Math.round(measurement.requestsPerSecond)} requests/s, ` +
        `${measurement.cpuMicrosPerRequest.toFixed(2)} µs, ` +
        `other work ${Math.round(measurement.othersShare * 100)} %${again ? ', repeated' : ''}`,
    );
    if (!again) return quietest ?? measurement;
  }
}

const run = promisify(execFile);

/** Requests that were answered; a failed one ends the measurement. */
async function load(
  server: Server,
  scenario: Scenario,
  seconds: number,
  core: number,
): Promise<number> {
  const [program, ...args] = pinned({ core, ...loader(server, scenario, seconds) });
  const { stdout } = await run(program, args);
  const requests = Number(
    /(\d+) (?:requests in |succeeded, 0 failed, 0 errored)/.exec(stdout)?.[1],
  );
  if (!(requests > 0) || /Non-2xx|Socket errors|[1-9]\d* [345]xx/.test(stdout)) {
    throw new Error(`${server.name} failed in "${scenario.name}":\n${stdout}`);
  }
  return requests;
}

function loader(
  server: Server,
  { connections, over, path }: Scenario,
  seconds: number,
): { readonly program: string; readonly args: readonly string[] } {
  const target = path(server.name) ?? '';
  const url =
    over === undefined || over === 'tcp'
      ? `http://127.0.0.1:${over === 'tcp' ? server.tcpPort : server.port}${target}`
      : `https://127.0.0.1:${server.tlsPort}${target}`;
  if (over === 'h2') {
    return { program: 'h2load', args: [`-c${connections}`, '-m10', `-D${seconds}`, url] };
  }
  const once = over === 'handshake' ? ['-H', 'Connection: close'] : [];
  return { program: 'wrk', args: ['-t1', `-c${connections}`, `-d${seconds}s`, ...once, url] };
}

const DAY_MS = 86_400_000;

export async function certificate(): Promise<KeyPair> {
  const now = systemClock.now();
  return await createAuthority({
    commonName: '127.0.0.1',
    validity: { notBefore: now - DAY_MS, notAfter: now + DAY_MS },
  });
}

async function measureIdle(servers: readonly Server[], loadCore: number): Promise<IdleMemory[]> {
  const results: IdleMemory[] = [];
  for (const server of servers) {
    const before = memoryOf(server.pid);
    const clients = startPinned(
      {
        core: loadCore,
        program: process.execPath,
        args: [IDLE_CLIENTS, String(server.port), String(IDLE_CONNECTIONS), '/static/1k.bin'],
      },
      'pipe',
    );
    await firstLine(clients, server.name);
    const after = memoryOf(server.pid);
    clients.kill('SIGKILL');
    results.push({ server: server.name, connections: IDLE_CONNECTIONS, before, after });
  }
  return results;
}

async function firstLine(child: ChildProcess, name: string): Promise<void> {
  if (child.stdout === null) throw new Error('The output is not piped');
  const ended = once(child, 'exit').then(() => {
    throw new Error(`The idle clients of ${name} ended early`);
  });
  // After the line nobody waits for the end any more.
  ended.catch(() => undefined);
  await Promise.race([once(child.stdout, 'data'), ended]);
}

async function report(
  figures: Pick<GatewayReport, 'measured' | 'idle' | 'rounds' | 'seconds'>,
): Promise<void> {
  const full: GatewayReport = {
    ...figures,
    date: new Date().toISOString().slice(0, 10),
    versions: {
      node: process.version.slice(1),
      nginx: versionOf('nginx', ['-v']) ?? '',
      haproxy: versionOf('haproxy', ['-v']) ?? '',
      varnish: versionOf('varnishd', ['-V']) ?? '',
      wrk: versionOf('wrk', ['-v']) ?? '',
    },
  };
  const markdown = formatReport(full);
  console.log(`\n${markdown}`);
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'gateway.json'), `${JSON.stringify(full, undefined, 2)}\n`);
  await writeFile(join(RESULTS, 'gateway.md'), markdown);
}
