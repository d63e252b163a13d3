/** Gateway processes that share their caches, as a person starts them: they are killed, stopped and reduced. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { CacheExplanation } from '../src/gateway/gateway.ts';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask } from '../testing/http.ts';
import { runMoln } from '../testing/moln.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';

const CROWD = 200;
const READERS = 30;
const BODY = Buffer.alloc(4 * 1024 * 1024, 'all of it, and never a byte of another one. ');
const SHOWN = BODY.length / 2;

/** An origin whose `/big…` stops in the middle until it may go on, and whose `/late…` is answered from the second time on. */
class Origin {
  readonly asked: IncomingMessage[] = [];
  readonly server = createServer((request, response) => this.#answer(request, response));
  #held: (() => void)[] = [];

  goOn(): void {
    for (const go of this.#held.splice(0)) go();
  }

  #times(path: string): number {
    return this.asked.filter(({ url }) => url === path).length;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(request);
    response.setHeader('Cache-Control', 'max-age=600');
    if (request.url?.startsWith('/late') === true && this.#times(request.url) === 1) return;
    if (request.url?.startsWith('/big') !== true) {
      response.end(`small ${request.url ?? ''}`);
      return;
    }
    response.setHeader('ETag', '"big"');
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = BODY.subarray(from);
    if (from > 0) {
      response.statusCode = 206;
      response.setHeader('Content-Range', `bytes ${from}-${BODY.length - 1}/${BODY.length}`);
    }
    response.setHeader('Content-Length', rest.length);
    if (from > 0) {
      response.end(rest);
      return;
    }
    response.write(rest.subarray(0, SHOWN));
    this.#held.push(() => response.end(rest.subarray(SHOWN)));
  }
}

class Reader {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  bytes = 0;
  isOver = false;

  constructor(port: number, path: string) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.bytes += chunk.length;
    });
    this.socket.on('close', () => (this.isOver = true));
    this.socket.on('error', () => (this.isOver = true));
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n`);
  }

  get body(): Buffer {
    const all = Buffer.concat(this.#chunks);
    return all.subarray(all.indexOf('\r\n\r\n') + 4);
  }
}

/** Ports of clients whose connections a process has. */
function clientsOf(pid: number, port: number): ReadonlySet<number> {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed in the meantime.
        return [];
      }
    }),
  );
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  return new Set(
    rows.flatMap((row) => {
      const [, local = '', remote = '', , , , , , , inode = ''] = row.trim().split(/\s+/);
      const isOwn = inodes.has(inode) && parseInt(local.split(':')[1] ?? '', 16) === port;
      return isOwn ? [parseInt(remote.split(':')[1] ?? '', 16)] : [];
    }),
  );
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface Place {
  readonly port: number;
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  readonly origin: Origin;
  write(workers: number, more?: string): void;
  /** What each process says of the path. */
  why(path: string): Promise<readonly CacheExplanation[]>;
  pids(): readonly number[];
}

async function placeFor(t: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-shared-'));
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const origin = new Origin();
  origin.server.listen(0, '127.0.0.1');
  await once(origin.server, 'listening');
  const upstream = `http://127.0.0.1:${(origin.server.address() as AddressInfo).port}`;
  t.after(() => {
    killProcesses(processesOf(folder));
    origin.server.closeAllConnections();
    origin.server.close();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'gateway.yml');
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  return {
    port,
    file,
    env,
    origin,
    write: (workers, more = '') =>
      writeFileSync(
        file,
        `workers: ${workers}\nlisteners: [{ address: 127.0.0.1, port: ${port} }]\n` +
          `routes:\n  - { path: /, upstreams: [{ url: "${upstream}" }], cache: true }\n${more}`,
      ),
    why: async (path) => {
      const words = ['gateway', 'why', file, `http://site.test${path}`, '--json'];
      return JSON.parse((await runMoln(words, { env })).stdout) as readonly CacheExplanation[];
    },
    pids: () =>
      processesOf(folder)
        .filter(({ command }) => command.includes('gateway-main'))
        .map(({ pid }) => pid),
  };
}

function ownerIn(said: readonly CacheExplanation[]): CacheExplanation {
  const owners = said.filter((one) => one.owners.some(({ isSelf }) => isSelf));
  assert.equal(owners.length, 1, 'one owns it');
  const [owner] = owners;
  assert.ok(owner !== undefined);
  for (const { owners: named } of said) assert.equal(named[0]?.worker, owner.worker, 'all agree');
  return owner;
}

test('processes share one cache, whatever becomes of one of them', async (t) => {
  const place = await placeFor(t);
  const { origin, port } = place;
  place.write(3);
  const get = async (path: string): Promise<string> => {
    const { body } = await ask({ address: '127.0.0.1', port, host: 'site.test', path });
    return body;
  };
  await using run = new FollowedCli(['gateway', 'run', place.file], place.env);
  await run.says(/Serving/);

  await step(t, 'a crowd is one request at the origin, and the owner has the answer', async () => {
    const answers = await Promise.all(Array.from({ length: CROWD }, () => get('/crowd')));
    assert.ok(answers.every((body) => body === 'small /crowd'));
    assert.equal(origin.asked.length, 1);
    assert.equal(ownerIn(await place.why('/crowd')).decision, 'hit');
    const words = ['gateway', 'why', place.file, 'http://site.test/crowd'];
    const { stdout } = await runMoln(words, { env: place.env });
    assert.match(stdout, /owned by this process/);
    assert.match(stdout, /owned by worker [123]\n/);
  });

  await step(t, 'a purge reaches owners and copies', async () => {
    const purged = await runMoln(['gateway', 'purge', place.file, 'http://site.test/crowd'], {
      env: place.env,
    });
    assert.equal(purged.code, 0);
    for (const { variants } of await place.why('/crowd')) assert.deepEqual(variants, []);
    await Promise.all(Array.from({ length: CROWD }, () => get('/crowd')));
    assert.equal(origin.asked.length, 2);
  });

  await step(
    t,
    'the owner is killed in the middle of a body: the others get all of it',
    async () => {
      const owner = ownerIn(await place.why('/big'));
      const readers = Array.from({ length: READERS }, () => new Reader(port, '/big'));
      await until('all to read', () => readers.every(({ bytes }) => bytes > SHOWN));
      const lost = clientsOf(owner.pid, port);
      assert.ok(lost.size < READERS, 'others have clients too');
      const isLost = ({ socket }: Reader): boolean => lost.has(socket.localPort ?? 0);
      const ofOwner = readers.filter(isLost);
      const others = readers.filter((reader) => !isLost(reader));
      process.kill(owner.pid, 'SIGKILL');
      await until('all to end', () => readers.every(({ isOver }) => isOver), { withinMs: 20_000 });
      for (const { body } of others) assert.equal(hash(body), hash(BODY));
      for (const { body } of ofOwner) assert.equal(hash(body), hash(BODY.subarray(0, body.length)));
      const rests = origin.asked.filter(({ headers }) => headers.range !== undefined);
      assert.ok(rests.length >= 1 && rests.length <= 2, `${rests.length} asked for the rest`);
      origin.goOn();
      await until('another one in its place', () => place.pids().length === 3);
    },
  );

  await step(t, 'a process that hangs costs others a moment, and no request', async () => {
    await until('three to answer', async () => (await place.why('/hang')).length === 3);
    const owner = ownerIn(await place.why('/hang'));
    process.kill(owner.pid, 'SIGSTOP');
    try {
      // The kernel gives the hanging process clients as well: those wait.
      const readers = Array.from({ length: READERS }, () => new Reader(port, '/hang'));
      const others = (): ReadonlySet<number> =>
        new Set(
          place.pids().flatMap((pid) => (pid === owner.pid ? [] : [...clientsOf(pid, port)])),
        );
      await until('the clients of the others to be answered', () => {
        const left = others();
        const isTheirs = ({ isOver, socket: { localPort } }: Reader): boolean =>
          !isOver && (localPort === undefined || left.has(localPort));
        return readers.some(({ isOver }) => isOver) && !readers.some(isTheirs);
      });
      const done = readers.filter(({ isOver }) => isOver);
      for (const { body } of done) assert.equal(body.toString(), 'small /hang');
      for (const { socket } of readers) socket.destroy();
    } finally {
      process.kill(owner.pid, 'SIGCONT');
    }
  });

  await step(t, 'fewer processes share among themselves, and one has nobody to ask', async () => {
    for (const workers of [2, 1]) {
      place.write(workers, `  - { path: /of${workers}, redirect: { to: / } }\n`);
      process.kill(run.pid, 'SIGHUP');
      await until(`${workers} processes`, () => place.pids().length === workers);
      let path = '';
      let tries = 0;
      // Who was away a moment ago may be passed over by one and asked by another.
      await until('one request at the origin', async () => {
        path = `/fewer${workers}-${tries++}`;
        const before = origin.asked.length;
        for (let time = 0; time < 20; time++) assert.equal(await get(path), `small ${path}`);
        return origin.asked.length === before + 1;
      });
      const said = await place.why(path);
      assert.equal(said.length, workers);
      if (workers > 1) ownerIn(said);
      else assert.deepEqual(said[0]?.owners, []);
    }
  });
});

test('a process that hangs with questions taken keeps nobody at the others', async (t) => {
  const place = await placeFor(t);
  const { origin, port } = place;
  const asked = (path: string): number => origin.asked.filter(({ url }) => url === path).length;
  place.write(3);
  await using run = new FollowedCli(['gateway', 'run', place.file], place.env);
  await run.says(/Serving/);
  for (const [path, shown, whole] of [
    ['/late', 0, Buffer.from('small /late')],
    ['/big', SHOWN, BODY],
  ] as const) {
    // Who was away a moment ago is passed over for another.
    const owner = await until('three that agree', async () => {
      const said = await place.why(path);
      return said.length === 3 && ownerIn(said);
    });
    const readers = Array.from({ length: READERS }, () => new Reader(port, path));
    await until('all to be there', () => {
      const there = new Set(place.pids().flatMap((pid) => [...clientsOf(pid, port)]));
      return readers.every(({ socket }) => there.has(socket.localPort ?? -1));
    });
    await until('what comes before the pause', () => readers.every(({ bytes }) => bytes >= shown));
    await until('the origin to be asked', () => asked(path) > 0);
    // Each process turns twice: whoever asks has asked, and the owner has taken it.
    for (let turn = 0; turn < 2; turn++) assert.equal((await place.why(path)).length, 3);
    assert.equal(asked(path), 1);
    const stuck = clientsOf(owner.pid, port);
    const others = readers.filter(({ socket }) => !stuck.has(socket.localPort ?? 0));
    assert.ok(others.length > 0, 'others have clients too');
    process.kill(owner.pid, 'SIGSTOP');
    try {
      await until('the others’ clients to be answered', () => others.every((one) => one.isOver), {
        withinMs: 25_000,
      });
      for (const { body } of others) assert.equal(hash(body), hash(whole));
      assert.ok(place.pids().includes(owner.pid), 'nobody has replaced it meanwhile');
      assert.ok(asked(path) <= 3, `once by each process, not ${asked(path)} times`);
    } finally {
      process.kill(owner.pid, 'SIGCONT');
    }
    for (const { socket } of readers) socket.destroy();
  }
});
