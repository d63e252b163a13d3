/**
 * `npm run bench -- files-peers`: one large file put and got, two copies of it, beside MooseFS and beside the disk itself, all on one
 * disk, in turns. Moln is two real nodes, asked over S3 and by `moln files`, and one file process with two folders, over S3.
 * Options: `--mib N`, `--rounds N`, `--only WORD` (contenders with it in their names), `--folder DIR`.
 */
import { execFileSync, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePorts } from '../testing/free-ports.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { until } from '../testing/until.ts';
import { BenchLife } from './bench-life.ts';
import { signedHead } from './files-s3.ts';
import { startMooseFs } from './moosefs.ts';
import { cpuSeconds, median, versionOf } from './tools.ts';

const MIB: number = 1024 * 1024;
/** What the file repeats: no disk and no network makes less of it. */
const PATTERN: Buffer = randomBytes(64 * MIB);
const KEY = { id: 'MKBENCH', secret: 'secret-of-the-bench' };
const READ_BYTES: number = 256 * 1024;
const WITHIN = { withinMs: 120_000 } as const;

/** What is put: so many times the pattern, in a file and by its SHA-256 too. */
interface Load {
  readonly bytes: number;
  readonly path: string;
  readonly sha256: string;
}

interface Contender {
  readonly name: string;
  put(name: string): Promise<void>;
  /** Throws when other bytes come than were put. */
  get(name: string): Promise<void>;
  /** Before each get: what this machine knows as its client is gone. */
  forget?(): Promise<void>;
  /** Of servers; their processor time is told. */
  pids(): readonly number[];
}

export async function benchFilesPeers(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      mib: { type: 'string', default: '1024' },
      rounds: { type: 'string', default: '2' },
      only: { type: 'string', default: '' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  await using life = new BenchLife();
  const folder = await mkdtemp(join(values.folder, 'moln-bench-peers-'));
  life.after(() => void rm(folder, { recursive: true, force: true }));
  const load = await makeLoad(folder, Number(values.mib));
  await using stack = new AsyncDisposableStack();
  const contenders: Contender[] = [diskItself(folder, load)];
  const wanted = (name: string): boolean => name.includes(values.only);
  for (const syncs of [false, true]) {
    const name = syncs ? 'MooseFS, chunks synced' : 'MooseFS as it comes';
    if (wanted(name)) contenders.push(...(await mooseFs(name, { folder, load, stack, syncs })));
  }
  if (wanted('Moln, one process')) contenders.push(await oneProcess(load, stack));
  if (wanted('Moln, two nodes'))
    contenders.push(...(await twoNodes(life, { folder, load, stack })));
  await compare(contenders, load, Number(values.rounds));
  life.passed = true;
}

async function makeLoad(folder: string, mib: number): Promise<Load> {
  const bytes = mib * MIB;
  const path = join(folder, 'load');
  const hash = createHash('sha256');
  await using file = await open(path, 'w');
  for (const piece of piecesOf(bytes)) {
    await file.write(piece);
    hash.update(piece);
  }
  return { bytes, path, sha256: hash.digest('hex') };
}

/** Of the load, a mebibyte each at most. */
function* piecesOf(bytes: number): Generator<Buffer> {
  for (let at = 0; at < bytes; at += MIB) {
    const from = at % PATTERN.length;
    yield PATTERN.subarray(from, from + Math.min(MIB, bytes - at));
  }
}

async function compare(
  contenders: readonly Contender[],
  load: Load,
  rounds: number,
): Promise<void> {
  const speeds = new Map<string, number[]>();
  const cpu = new Map<string, number[]>();
  const note = (to: Map<string, number[]>, key: string, value: number): void => {
    to.set(key, [...(to.get(key) ?? []), value]);
  };
  const mib = load.bytes / MIB;
  for (let round = 0; round < rounds; round++) {
    for (const verb of ['put', 'get'] as const) {
      for (const one of contenders) {
        if (verb === 'get') await one.forget?.();
        execFileSync('sync');
        const sum = (): number => one.pids().reduce((all, pid) => all + cpuSeconds(pid), 0);
        const before = sum();
        const start = performance.now();
        await one[verb](`load-${round}`);
        note(speeds, `${verb} ${one.name}`, (mib * 1000) / (performance.now() - start));
        note(cpu, `${verb} ${one.name}`, ((sum() - before) * 1000) / mib);
      }
    }
  }
  for (const verb of ['put', 'get'] as const) {
    console.log(
      `\n${verb} of ${mib} MiB, MiB/s, median of ${rounds}; ms of servers' processor for each MiB`,
    );
    for (const { name } of contenders) {
      const all = speeds.get(`${verb} ${name}`) ?? [];
      const each = median(cpu.get(`${verb} ${name}`) ?? []).toFixed(1);
      const own = Math.round(median(all));
      console.log(
        `  ${name.padEnd(32)} ${String(own).padStart(5)}   (${all.map(Math.round).join(', ')})   ${each}`,
      );
    }
  }
}

/** Written twice by a plain program with one sync at the end of each; read with SHA-256 over it. */
function diskItself(folder: string, load: Load): Contender {
  const paths = (name: string): readonly string[] =>
    [1, 2].map((copy) => join(folder, `${name}-${copy}`));
  return {
    name: 'the disk: twice; with SHA-256',
    async put(name) {
      await Promise.all(paths(name).map((path) => writeSynced(path, load)));
    },
    async get(name) {
      const hash = createHash('sha256');
      const [path = ''] = paths(name);
      await readAll(path, (piece) => hash.update(piece));
      if (hash.digest('hex') !== load.sha256) throw new Error('The disk has other bytes');
    },
    pids: () => [process.pid],
  };
}

async function mooseFs(
  name: string,
  at: { folder: string; load: Load; stack: AsyncDisposableStack; syncs: boolean },
): Promise<readonly Contender[]> {
  const { load, stack, syncs } = at;
  const lacks = await whyNoMooseFs();
  if (lacks !== undefined) {
    console.log(`${name} is left out: ${lacks}`);
    return [];
  }
  const folder = join(at.folder, syncs ? 'moosefs-synced' : 'moosefs');
  await mkdir(folder);
  const namespace = `moln-bench-${process.pid}-${syncs ? 1 : 0}`;
  const moose = stack.use(await startMooseFs(folder, { name: namespace, syncs }));
  return [
    {
      name,
      put: (file) => writeSynced(join(moose.folder, file), load),
      async get(file) {
        let at = 0;
        await readAll(join(moose.folder, file), (piece) => {
          check(piece, at);
          at += piece.length;
        });
        checkLength(at, load);
      },
      forget: () => moose.remount(),
      pids: () => moose.pids(),
    },
  ];
}

async function whyNoMooseFs(): Promise<string | undefined> {
  const packages = 'moosefs-master moosefs-chunkserver moosefs-client iproute2';
  if (versionOf('mfsmaster', ['-v']) === undefined)
    return `it is not installed (apt-get install -y ${packages})`;
  if (process.getuid?.() !== 0) return 'it takes root';
  try {
    await access('/dev/fuse');
    return undefined;
  } catch {
    return 'there is no /dev/fuse';
  }
}

async function writeSynced(path: string, load: Load): Promise<void> {
  await using file = await open(path, 'w');
  for (const piece of piecesOf(load.bytes)) await file.write(piece);
  await file.sync();
}

async function readAll(path: string, take: (piece: Buffer) => void): Promise<void> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(MIB);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, MIB);
    if (bytesRead === 0) return;
    take(buffer.subarray(0, bytesRead));
  }
}

/** Is it what the load has there? */
function check(piece: Buffer, at: number): void {
  for (let from = 0; from < piece.length;) {
    const within = (at + from) % PATTERN.length;
    const length = Math.min(piece.length - from, PATTERN.length - within);
    if (PATTERN.compare(piece, from, from + length, within, within + length) !== 0)
      throw new Error(`Other bytes came than were put, at ${at + from}`);
    from += length;
  }
}

function checkLength(length: number, load: Load): void {
  if (length !== load.bytes) throw new Error(`${length} bytes came of ${load.bytes}`);
}

/** As `files s3` has it: a file process and a database process, two folders. */
async function oneProcess(load: Load, stack: AsyncDisposableStack): Promise<Contender> {
  const child = fork(join(import.meta.dirname, 'files-s3-main.ts'), [KEY.id, KEY.secret, 'bench']);
  stack.defer(async () => {
    child.disconnect();
    await once(child, 'exit');
  });
  const [ready] = (await once(child, 'message')) as [
    { readonly port: number; readonly databasePid: number },
  ];
  const place = { address: '127.0.0.1', port: ready.port, bucket: 'bench', key: KEY };
  return {
    name: 'Moln, one process, S3',
    ...overS3(place, load),
    pids: () => [child.pid ?? 0, ready.databasePid],
  };
}

async function twoNodes(
  life: BenchLife,
  { folder, load, stack }: { folder: string; load: Load; stack: AsyncDisposableStack },
): Promise<readonly Contender[]> {
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const args = ['--s3-port', String(port)];
  const cluster = stack.use(await TestCluster.form(life, ['a', 'b'], { args }));
  const a = cluster.node('a');
  await until(
    'both storages',
    async () => {
      const storages = await a.json<readonly { readonly state: string }[]>('storage', 'list');
      return storages.filter(({ state }) => state === 'good').length === 2;
    },
    WITHIN,
  );
  await a.json('files', 'create', 'bench');
  const made = await a.json<{ readonly accessKeyId: string; readonly secretAccessKey: string }>(
    'files',
    'keys',
    'create',
  );
  const key = { id: made.accessKeyId, secret: made.secretAccessKey };
  const pids = (): readonly number[] =>
    cluster.nodes.flatMap((node) => node.processes().map(({ pid }) => pid));
  return [
    {
      name: 'Moln, two nodes, S3',
      ...overS3({ address: a.address, port, bucket: 'bench', key }, load),
      pids,
    },
    {
      name: 'Moln, two nodes, moln files',
      async put(name) {
        await a.json('files', 'put', load.path, `bench/cli-${name}`);
      },
      async get(name) {
        const out = join(folder, 'out');
        await a.json('files', 'get', `bench/cli-${name}`, out);
        const hash = createHash('sha256');
        hash.update(await readFile(out));
        if (hash.digest('hex') !== load.sha256) throw new Error('Other bytes came than were put');
        await rm(out);
      },
      pids,
    },
  ];
}

interface S3Place {
  readonly address: string;
  readonly port: number;
  readonly bucket: string;
  readonly key: { readonly id: string; readonly secret: string };
}

/** One connection for each request, its body signed. */
function overS3(
  { address, port, bucket, key }: S3Place,
  load: Load,
): Pick<Contender, 'put' | 'get'> {
  const ask = async (method: 'PUT' | 'GET', name: string): Promise<number> => {
    const host = `${address}:${port}`;
    const path = `/${bucket}/${name}`;
    const body =
      method === 'PUT'
        ? { length: load.bytes, sha256: load.sha256 }
        : { length: 0, sha256: createHash('sha256').digest('hex') };
    const answer = new S3Answer();
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(READ_BYTES),
        callback: (size, buffer) => {
          answer.take(Buffer.from(buffer.buffer, buffer.byteOffset, size));
          return true;
        },
      },
    });
    socket.on('error', (error) => answer.fail(error));
    socket.on('close', () => answer.fail(new Error('The connection ended')));
    try {
      await once(socket, 'connect');
      socket.write(signedHead({ method, path, host, key }, body));
      if (method === 'PUT') {
        for (const piece of piecesOf(load.bytes)) {
          if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), answer.ended]);
        }
      }
      return await answer.ended;
    } finally {
      socket.destroy();
    }
  };
  return {
    async put(name) {
      await ask('PUT', name);
    },
    async get(name) {
      checkLength(await ask('GET', name), load);
    },
  };
}

/** Resolves with the bytes of its body, each held against the load. */
class S3Answer {
  readonly #ended = Promise.withResolvers<number>();
  #head: Buffer | undefined = Buffer.alloc(0);
  #at = 0;
  #length = 0;

  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  fail(error: Error): void {
    this.#ended.reject(error);
  }

  take(bytes: Buffer): void {
    try {
      this.#take(bytes);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #take(bytes: Buffer): void {
    if (this.#head === undefined) {
      check(bytes, this.#at);
      this.#at += bytes.length;
    } else {
      this.#head = Buffer.concat([this.#head, bytes]);
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.#head.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 200')) throw new Error(this.#head.toString('latin1'));
      this.#length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
      const rest = this.#head.subarray(end + 4);
      this.#head = undefined;
      check(rest, 0);
      this.#at = rest.length;
    }
    if (this.#at >= this.#length) this.#ended.resolve(this.#at);
  }
}
