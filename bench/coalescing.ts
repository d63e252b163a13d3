/**
 * `npm run bench -- coalescing`: many clients ask for one cold object at the same time, at several gateways with several processes
 * each, over real sockets and TLS between the gateways. The origin shows the first byte when all wait for it, and the rest when all
 * have seen it. Beside it as many processes that do nothing but write the same bytes to as many clients: no faster can ours be.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { createAuthority, issueCertificate } from '../src/cluster/x509.ts';
import { DEFAULT_GATEWAY_LIMITS, GatewaySupervisor } from '../src/gateway/gateway.ts';
import { proveHandles, takeReads } from '../src/net/net.ts';
import { freePorts } from '../testing/free-ports.ts';
import { until } from '../testing/until.ts';
import { FirstPackets } from './first-packets.ts';
import { threadCpuMs } from './tools.ts';

const ADDRESS = '127.0.0.1';
const CLUSTER = 'bench';
const GATEWAYS = 3;
const WORKERS = 2;
const CLIENTS = 1000;
const BODY_BYTES: number = 10 * 1024 * 1024;
const SMALL_BYTES = 32 * 1024;
const WARM_UPS = 8;
const CACHE_BYTES: number = 256 * 1024 * 1024;
const DAY_MS = 86_400_000;
const WITHIN_MS = 120_000;

/** For all requests to reach their gateways. */
const GATHERING_MS = 1000;

/** What is to be stored begins at `begin`; what follows the first byte waits for `goOn`. */
class Origin implements AsyncDisposable {
  readonly server: Server = createServer((request, response) => this.#answer(request, response));
  asked = 0;
  open = 0;
  openMost = 0;
  readonly #begins: (() => void)[] = [];
  readonly #held: (() => void)[] = [];

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, ADDRESS, 4096, resolve));
    return (this.server.address() as AddressInfo).port;
  }

  begin(): void {
    for (const begin of this.#begins.splice(0)) begin();
  }

  goOn(): void {
    for (const go of this.#held.splice(0)) go();
  }

  reset(): void {
    this.asked = 0;
    this.openMost = 0;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.asked++;
    this.openMost = Math.max(this.openMost, ++this.open);
    response.once('close', () => this.open--);
    const isStored = request.url?.startsWith('/cold') === true;
    response.setHeader('Cache-Control', isStored ? 'max-age=600' : 'no-store');
    const isLarge = isStored && request.url?.includes('small') === false;
    const body = Buffer.alloc(isLarge ? BODY_BYTES : SMALL_BYTES, 'x');
    response.setHeader('Content-Length', body.length);
    const begin = (): unknown => response.write(body.subarray(0, 1));
    if (isStored) this.#begins.push(begin);
    else begin();
    this.#held.push(() => response.end(body.subarray(1)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

class Client {
  readonly socket: Socket;
  readonly path: string;
  firstByteMs = 0;
  bytes = 0;

  constructor(port: number, path: string) {
    this.path = path;
    this.socket = connect(port, ADDRESS);
    this.socket.on('error', () => undefined);
    this.socket.once('connect', () => {
      takeReads(this.socket, (_bytes, size) => {
        if (this.firstByteMs === 0) this.firstByteMs = performance.now();
        this.bytes += size;
      });
    });
  }

  ask(): void {
    this.socket.write(`GET ${this.path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  }
}

/** Processes that answer all who wait with the same bytes, at a word. */
class NullServers implements Disposable {
  readonly #children: readonly ChildProcess[];
  readonly ports: readonly number[];

  private constructor(children: readonly ChildProcess[], ports: readonly number[]) {
    this.#children = children;
    this.ports = ports;
  }

  /** As many as there are gateway processes. */
  static async start(): Promise<NullServers> {
    const ports = await freePorts(ADDRESS, GATEWAYS);
    const children = Array.from({ length: GATEWAYS * WORKERS }, (_, at) =>
      fork(`${import.meta.dirname}/null-crowd-main.ts`, [`${ports[at % GATEWAYS]}`]),
    );
    await Promise.all(children.map((child) => once(child, 'message')));
    return new NullServers(children, ports);
  }

  get pids(): readonly number[] {
    return this.#children.flatMap(({ pid }) => pid ?? []);
  }

  begin(): void {
    for (const child of this.#children) child.send('go');
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill();
  }
}

export async function benchCoalescing(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: { clients: { type: 'string' }, rounds: { type: 'string' } },
  });
  const clients = Number(values.clients ?? CLIENTS);
  const rounds = Number(values.rounds ?? 3);
  await proveHandles();
  await using origin = new Origin();
  using nothing = await NullServers.start();
  const originPort = await origin.start();
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const { ports, supervisors } = await startGateways(folder, originPort);
  try {
    const pids = supervisors.flatMap((supervisor) =>
      supervisor.workers().flatMap(({ pid }) => pid ?? []),
    );
    const one = { bytes: BODY_BYTES, clients, origin, ports, pids };
    const bound = { ...one, bytes: 0, ports: nothing.ports, pids: nothing.pids };
    const begin = (): void => nothing.begin();
    // Code that has run a few times only is several times slower.
    for (let round = 0; round < WARM_UPS; round++) {
      await crowd({ ...one, path: `/cold-small${round}`, bytes: SMALL_BYTES });
      await crowd({ ...bound, path: `/cold-null${round}`, begin });
    }
    for (let round = 1; round <= rounds; round++) {
      print(
        'nothing but a write to each client',
        await crowd({ ...bound, path: `/cold-null${WARM_UPS + round}`, begin }),
      );
      print(
        `${clients} clients, one cold object of 10 MB`,
        await crowd({ ...one, path: `/cold${round}` }),
      );
      print(
        'the same, and who asked first leaves',
        await crowd({ ...one, path: `/cold-left${round}`, leaves: true }),
      );
      print(
        'an answer that is not to be stored',
        await crowd({ ...one, path: `/own${round}`, bytes: SMALL_BYTES }),
      );
    }
  } finally {
    await Promise.all(supervisors.map((supervisor) => supervisor.stop({ drainMs: 0 })));
    await rm(folder, { recursive: true });
  }
}

interface CrowdResult {
  readonly asked: number;
  /** At the origin at the same time. */
  readonly together: number;
  /** From the first client's first byte to each other's, ascending. */
  readonly behindMs: readonly number[];
  /** Processor time of all gateway processes from the origin's first byte to the last client's. */
  readonly cpuMs: number;
  /** The same of the process that plays all clients. */
  readonly clientMs: number;
  /** The same as the gateways sent them; undefined where nobody could hear it. */
  readonly sentMs: readonly number[] | undefined;
  readonly whole: number;
  readonly seconds: number;
}

async function crowd(on: {
  readonly path: string;
  readonly bytes: number;
  readonly clients: number;
  readonly origin: Origin;
  readonly ports: readonly number[];
  /** Of the gateways' processes. */
  readonly pids: readonly number[];
  /** The first client leaves when all have seen the first byte. */
  readonly leaves?: boolean;
  /** Answers those who wait; the origin unless said. */
  readonly begin?: () => void;
}): Promise<CrowdResult> {
  const { origin, path, ports } = on;
  origin.reset();
  const all = Array.from(
    { length: on.clients },
    (_, at) => new Client(ports[at % ports.length] ?? 0, path),
  );
  await until(
    'all to be connected',
    () => all.every(({ socket }) => socket.readyState === 'open'),
    {
      withinMs: WITHIN_MS,
    },
  );
  const beganMs = performance.now();
  const isHeld = path.startsWith('/cold');
  let packets: FirstPackets | undefined;
  if (isHeld) packets = await FirstPackets.listen(ports);
  for (const client of all) client.ask();
  if (isHeld) await systemClock.sleep(GATHERING_MS);
  const before = cpuMs(on.pids);
  const clientBefore = process.cpuUsage();
  if (isHeld) (on.begin ?? (() => origin.begin()))();
  await until('the first byte at all', () => all.every(({ firstByteMs }) => firstByteMs > 0), {
    withinMs: WITHIN_MS,
  });
  const spentMs = cpuMs(on.pids) - before;
  const { user, system } = process.cpuUsage(clientBefore);
  const sent = await packets?.times();
  const { asked, openMost: together } = origin;
  const firstMs = Math.min(...all.map(({ firstByteMs }) => firstByteMs));
  if (on.leaves === true) {
    all.find(({ firstByteMs }) => firstByteMs === firstMs)?.socket.resetAndDestroy();
  }
  origin.goOn();
  const left = all.filter(({ socket }) => !socket.destroyed);
  const isWhole = ({ bytes }: Client): boolean => bytes > on.bytes;
  await until('the rest at all', () => left.every(isWhole), { withinMs: WITHIN_MS });
  const seconds = (performance.now() - beganMs) / 1000;
  for (const { socket } of all) socket.destroy();
  return {
    asked: Math.max(asked, origin.asked),
    together,
    cpuMs: spentMs,
    clientMs: (user + system) / 1000,
    sentMs: sent?.map((ms) => ms - (sent[0] ?? 0)),
    behindMs: all.map(({ firstByteMs }) => firstByteMs - firstMs).toSorted((a, b) => a - b),
    whole: left.filter(isWhole).length,
    seconds,
  };
}

function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + threadCpuMs(pid), 0);
}

function print(what: string, result: CrowdResult): void {
  const { asked, together, behindMs, sentMs, whole, seconds } = result;
  const each = [result.cpuMs, result.clientMs]
    .map((ms) => `${((1000 * ms) / behindMs.length).toFixed(1)} µs`)
    .join(' of processor each, the client ');
  const sent = sentMs === undefined ? '' : `; as the gateways sent it: ${spread(sentMs)}`;
  process.stdout.write(
    `${what}: ${asked} requests at the origin (${together} together); first byte behind the first client's: ` +
      `${spread(behindMs)}${sent}, ${each}; ${whole} whole, ${seconds.toFixed(1)} s\n`,
  );
}

function spread(ms: readonly number[]): string {
  const at = (share: number): string =>
    (ms[Math.min(ms.length - 1, Math.floor(ms.length * share))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, last ${at(1)} ms (${ms.length})`;
}

async function startGateways(
  folder: string,
  originPort: number,
): Promise<{
  readonly ports: readonly number[];
  readonly supervisors: readonly GatewaySupervisor[];
}> {
  const validity = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
  const authority = await createAuthority({ commonName: 'Bench', validity });
  const all = await freePorts(ADDRESS, GATEWAYS * 2);
  const nodes = Array.from({ length: GATEWAYS }, (_, at) => ({
    node: `n${at}`,
    name: `n${at}`,
    region: 'home',
    host: ADDRESS,
    port: all[at] ?? 0,
    workers: WORKERS,
  }));
  const ports = all.slice(GATEWAYS);
  const supervisors = await Promise.all(
    nodes.map(async ({ node, name, region, port }, at) => {
      const runFolder = join(folder, node);
      const supervisor = new GatewaySupervisor({
        runFolder,
        logFolder: runFolder,
        workers: WORKERS,
        clock: systemClock,
        log: silentLogger,
      });
      await supervisor.start();
      const pair = await issueCertificate({
        authority,
        commonName: node,
        validity,
        dnsNames: [node],
        addresses: [ADDRESS],
        uris: [`spiffe://${CLUSTER}/node/${node}`],
        asClient: true,
      });
      const upstream = { kind: 'tcp', host: ADDRESS, port: originPort } as const;
      await supervisor.apply({
        listeners: [{ id: 'http', address: ADDRESS, port: ports[at] ?? 0, protocol: 'http' }],
        routes: [
          {
            id: 'all',
            hosts: ['*'],
            path: '/',
            target: { kind: 'upstreams', upstreams: [{ id: 'origin', address: upstream }] },
            cache: {},
          },
        ],
        limits: DEFAULT_GATEWAY_LIMITS,
        cache: { memoryBytes: CACHE_BYTES },
        node: {
          address: ADDRESS,
          port,
          cert: pair.certificatePem,
          key: pair.keyPem,
          authority: authority.certificatePem,
          clusterId: CLUSTER,
          revoked: [],
          silent: [],
        },
        locals: [],
        sharing: { self: { node, name, region }, nodes: nodes.filter((one) => one.node !== node) },
      });
      return supervisor;
    }),
  );
  return { ports, supervisors };
}
