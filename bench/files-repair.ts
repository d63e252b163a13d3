/**
 * `npm run bench -- files repair`: three real nodes on this machine and its disk, of which one is lost. What clients of S3 notice while its copies are
 * made anew, and how fast they are made when nobody uses files, beside what the disk does by itself.
 * Options: `--mib N` (what lies there), `--seconds S` (of each measurement of clients), `--clients N`.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePorts } from '../testing/free-ports.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import type { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { BenchLife } from './bench-life.ts';
import { answered, signedRequest } from './files-s3.ts';

const MIB: number = 1024 * 1024;
const FILE_MIB = 64;
const DISK_MIB = 256;
const LOOK_MS = 100;
const SETTLE_S = 10;
/** Bytes a second. */
const RESTING_RATE = 100_000;
const WITHIN = { withinMs: 300_000 } as const;

interface RepairView {
  readonly isRunning: boolean;
  readonly missing: number;
  readonly queued: number;
  readonly copiedBytes: number;
}

interface Rates {
  readonly putsPerSecond: number;
  readonly getsPerSecond: number;
}

export async function benchRepair(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      mib: { type: 'string', default: '1024' },
      seconds: { type: 'string', default: '10' },
      clients: { type: 'string', default: '16' },
    },
  });
  const [seconds, clients] = [Number(values.seconds), Number(values.clients)];
  await using life = new BenchLife();
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-repair-'));
  life.after(() => void rm(folder, { recursive: true, force: true }));
  const [port = 0] = await freePorts('127.0.0.1', 1);
  await using cluster = await TestCluster.form(life, ['a', 'b', 'c'], {
    args: ['--s3-port', String(port)],
  });
  const a = cluster.node('a');
  await fill(a, folder, Number(values.mib));
  const disk = await diskMibPerSecond(folder, DISK_MIB);
  console.log(`disk: read and written anew, synced: ${disk.toFixed(0)} MiB/s`);
  const load = await Load.start(a, { port, clients });
  // Nearly nothing is copied until the clients have been measured with the node gone already.
  await setRate(a, RESTING_RATE);
  await cluster.node('c').kill();
  await a.json('node', 'c', 'forget', '--yes');
  await until('copies are due', async () => (await viewOf(a)).queued > 0, WITHIN);
  await load.rates(SETTLE_S);
  const alone = await load.rates(seconds);
  const start = await viewOf(a);
  await setRate(a, null);
  const busy = await load.rates(seconds);
  const after = await viewOf(a);
  await load.stop();
  const share = (one: number, other: number): string => `${((one / other - 1) * 100).toFixed(0)} %`;
  const told = ({ putsPerSecond, getsPerSecond }: Rates): string =>
    `${putsPerSecond.toFixed(0)} puts/s, ${getsPerSecond.toFixed(0)} gets/s`;
  const meanwhile = (after.copiedBytes - start.copiedBytes) / MIB / seconds;
  console.log(`${clients} clients, 4 KiB, repair at rest: ${told(alone)}`);
  console.log(
    `the same during repair: ${told(busy)}: ${share(busy.putsPerSecond, alone.putsPerSecond)} and ` +
      `${share(busy.getsPerSecond, alone.getsPerSecond)}; it makes ${meanwhile.toFixed(1)} MiB/s meanwhile` +
      `${after.queued > 0 ? '' : ', and ended before them'}`,
  );
  const { mib, mibPerSecond } = await repaired(a);
  console.log(
    `repair, idle: ${mib.toFixed(0)} MiB at ${mibPerSecond.toFixed(0)} MiB/s, ${(mibPerSecond / disk).toFixed(2)} of the disk`,
  );
  life.passed = true;
}

/** So much in files of some blocks, two copies of each. */
async function fill(a: TestNode, folder: string, mib: number): Promise<void> {
  await until(
    'all storages',
    async () => {
      const storages = await a.json<readonly { readonly state: string }[]>('storage', 'list');
      return storages.filter(({ state }) => state === 'good').length === 3;
    },
    WITHIN,
  );
  await a.json('files', 'create', 'data');
  const path = join(folder, 'in');
  await writeFile(path, randomBytes(FILE_MIB * MIB));
  for (let at = 0; at < mib / FILE_MIB; at += 1)
    await a.json('files', 'put', path, `data/file-${at}`);
}

/** What copying costs at best: read, written elsewhere, durable. */
async function diskMibPerSecond(folder: string, mib: number): Promise<number> {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  await writeFile(from, randomBytes(mib * MIB));
  const start = performance.now();
  await using source = await open(from, 'r');
  await using target = await open(to, 'w');
  const bytes = Buffer.alloc(MIB);
  for (let at = 0; at < mib; at += 1) {
    await source.read(bytes, 0, MIB);
    await target.write(bytes);
  }
  await target.datasync();
  return (mib * 1000) / (performance.now() - start);
}

async function viewOf(node: TestNode): Promise<RepairView> {
  const { repair } = await node.api<{ readonly repair: RepairView }>('GET', '/files/-/repair');
  return repair;
}

async function setRate(node: TestNode, rate: number | null): Promise<void> {
  await node.api('PATCH', '/files/-/repair', { body: { rate } });
}

/** The rest of what is to be copied. */
async function repaired(
  node: TestNode,
): Promise<{ readonly mib: number; readonly mibPerSecond: number }> {
  const { copiedBytes: before } = await viewOf(node);
  const start = performance.now();
  const { copiedBytes } = await until(
    'all copies are made',
    async () => {
      const view = await viewOf(node);
      return view.queued === 0 && !view.isRunning ? view : undefined;
    },
    { pauseMsMax: LOOK_MS, ...WITHIN },
  );
  const mib = (copiedBytes - before) / MIB;
  return { mib, mibPerSecond: (mib * 1000) / (performance.now() - start) };
}

interface LoadTarget {
  readonly address: string;
  readonly port: number;
  readonly clients: number;
}

/** Clients that put and get in turns, each its next one when the answer is there. */
class Load {
  readonly #ask: {
    readonly host: string;
    readonly key: { readonly id: string; readonly secret: string };
  };
  readonly #at: LoadTarget;
  readonly #stop = new AbortController();
  #running: Promise<unknown> | undefined;
  readonly #counts = { PUT: 0, GET: 0 };

  private constructor(at: LoadTarget, key: { readonly id: string; readonly secret: string }) {
    this.#at = at;
    this.#ask = { host: `${at.address}:${at.port}`, key };
  }

  static async start(a: TestNode, at: Omit<LoadTarget, 'address'>): Promise<Load> {
    await a.json('files', 'create', 'load');
    const key = await a.json<{ readonly accessKeyId: string; readonly secretAccessKey: string }>(
      'files',
      'keys',
      'create',
    );
    return new Load(
      { ...at, address: a.address },
      { id: key.accessKeyId, secret: key.secretAccessKey },
    );
  }

  async rates(seconds: number): Promise<Rates> {
    this.#running ??= this.#run();
    const before = { ...this.#counts };
    await pause(seconds * 1000);
    return {
      putsPerSecond: (this.#counts.PUT - before.PUT) / seconds,
      getsPerSecond: (this.#counts.GET - before.GET) / seconds,
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clients, address, port } = this.#at;
    const one = async (client: number): Promise<void> => {
      const socket = connect({ host: address, port, noDelay: true });
      await once(socket, 'connect');
      for (let at = 0; !this.#stop.signal.aborted; at += 1) {
        const path = `/load/${client}/${at % 100}`;
        for (const method of ['PUT', 'GET'] as const) {
          await answered(socket, signedRequest({ ...this.#ask, method, path }));
          this.#counts[method] += 1;
        }
      }
      socket.destroy();
    };
    await Promise.all(Array.from({ length: clients }, (_, client) => one(client)));
  }
}
