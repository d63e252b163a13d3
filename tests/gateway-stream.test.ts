/** Large bodies stream: memory of the gateway stays flat in both directions, and with readers that stop. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './gateway-kit.ts';

const GIB = 1024 ** 3;
const BYTES = 2 * GIB;
const GROWTH_MAX = 100 * 1024 * 1024;
const PIECE = Buffer.alloc(256 * 1024, 'moln');
const PLANE = fileURLToPath(new URL('gateway-stream-plane.ts', import.meta.url));

interface Report {
  readonly port: number;
  readonly rss: number;
  readonly peak: number;
}

/** Writes `bytes` bytes as fast as the other side takes them. */
function pour(socket: Socket, bytes: number, done: () => void): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const size = Math.min(left, PIECE.length);
      left -= size;
      if (!socket.write(size === PIECE.length ? PIECE : PIECE.subarray(0, size))) {
        socket.once('drain', more);
        return;
      }
    }
    done();
  };
  more();
}

describe('streaming', () => {
  let folder: string;
  let origin: Server;
  let child: ChildProcess;
  let port: number;
  /** Body bytes that the origin read in its last request. */
  let uploaded = 0;
  /** Connections over which the origin answers now. */
  const pouring = new Set<Socket>();

  async function report(): Promise<Report> {
    const answer = once(child, 'message');
    child.send('report');
    const [message] = (await answer) as [Report];
    return message;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'moln-stream-'));
    const file = await open(join(folder, 'static'), 'w');
    await file.close();
    origin = createServer((socket) => serve(socket));
    const path = join(folder, 'o.sock');
    await new Promise<void>((resolve) => origin.listen(path, () => resolve()));
    child = fork(PLANE, [path, folder], { execArgv: [] });
    [{ port }] = (await once(child, 'message')) as [Report];
  });

  after(async () => {
    child.disconnect();
    await once(child, 'exit');
    origin.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Uploads are counted and thrown away, downloads poured. */
  function serve(socket: Socket): void {
    let head = '';
    let inBody = false;
    uploaded = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      if (inBody) {
        uploaded += chunk.length;
      } else {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        inBody = true;
        uploaded = head.length - end - 4;
        if (head.startsWith('GET')) {
          const chunked = head.startsWith('GET /chunked');
          const framing = chunked ? 'Connection: close' : `Content-Length: ${BYTES}`;
          socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
          pour(socket, BYTES, () => socket.end());
          pouring.add(socket);
          socket.on('close', () => pouring.delete(socket));
        }
      }
      if (uploaded === BYTES) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  }

  /** Reads with one buffer; answers how many bytes came. */
  function client(onBytes: (size: number) => void): Socket {
    const socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.alloc(256 * 1024),
        callback: (size) => {
          onBytes(size);
          return true;
        },
      },
    });
    socket.on('error', () => socket.destroy());
    return socket;
  }

  async function grows(name: string, run: () => Promise<void>): Promise<void> {
    const start = await report();
    await run();
    const end = await report();
    const growth = Math.max(end.peak, end.rss) - start.rss;
    assert.ok(growth < GROWTH_MAX, `${name}: ${Math.round(growth / 1024 / 1024)} MiB more`);
  }

  test('2 GiB up', async () => {
    await grows('upload', async () => {
      let answer = 0;
      const socket = client((size) => (answer += size));
      socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BYTES}\r\n\r\n`);
      pour(socket, BYTES, () => {});
      await untilLong('the upload', () => answer > 0);
      assert.equal(uploaded, BYTES);
      socket.destroy();
    });
  });

  for (const path of ['/', '/chunked']) {
    test(`2 GiB down, ${path === '/' ? 'with a length' : 'chunked'}`, async () => {
      await grows('download', async () => {
        let bytes = 0;
        const socket = client((size) => (bytes += size));
        socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await untilLong('the download', () => bytes >= BYTES + 60);
        socket.destroy();
      });
    });
  }

  test('readers that stop cost no memory, and the app is held back', async () => {
    await grows('stopped readers', async () => {
      const sockets = Array.from({ length: 20 }, () => client(() => {}));
      for (const socket of sockets) {
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        socket.pause();
      }
      let before = -1;
      await untilLong('the app to stand still', () => {
        const taken = [...pouring].reduce((sum, socket) => sum + socket.bytesWritten, 0);
        const still = pouring.size === sockets.length && taken === before;
        before = taken;
        return still;
      });
      const most = Math.max(...[...pouring].map((socket) => socket.bytesWritten));
      assert.ok(most < 64 * 1024 * 1024, `${most} bytes were taken from the app for one reader`);
      for (const socket of sockets) socket.destroy();
    });
  });

  /** As `until`, for things that take seconds. */
  async function untilLong(what: string, holds: () => boolean): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await until(what, holds);
        return;
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }
});
