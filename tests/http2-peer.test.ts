/** Our side of HTTP/2 against Node's client, which is nghttp2: heads, bodies and trailers of any size, both ways, many at once. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import {
  Field,
  ServerConnection,
  type ServerHost,
  type StreamTaker,
  type WireStream,
} from '../src/http2/http2.ts';
import { randomSeed, type Seeded, seeded } from '../testing/seeded.ts';

const REQUESTS = 150;
const AT_ONCE = 20;
const LIMITS = {
  streamsMax: 100,
  streamWindowBytes: 70_000,
  connectionWindowBytes: 150_000,
  listBytesMax: 65_536,
  fieldsMax: 200,
  blockBytesMax: 65_536,
  continuationsMax: 16,
  unsentBytesMax: 100_000,
  queuedBytesMax: 30_000,
};

/** Answers each request with its own fields, body and trailers. */
class Echo implements ServerHost {
  readonly wire: ServerConnection;
  readonly #socket: Socket;

  constructor(socket: Socket, random: Seeded) {
    this.#socket = socket;
    this.wire = new ServerConnection(this, LIMITS);
    socket.on('data', (chunk: Buffer) => {
      // Cut anywhere.
      for (let at = 0; at < chunk.length;) {
        const to = at + 1 + random.below(random.chance(0.3) ? 20 : 30_000);
        this.wire.receive(chunk.subarray(at, to));
        at = to;
      }
    });
    socket.on('drain', () => this.wire.flush());
    socket.on('error', () => undefined);
    socket.on('close', () => this.wire.close());
    this.wire.start();
  }

  begin(stream: WireStream, fields: readonly Field[], isWhole: boolean): void {
    const own = fields.filter(({ name }) => name.startsWith('x-'));
    this.wire.head(stream, [new Field(':status', '200'), ...own], isWhole);
    const { wire } = this;
    let waiting: number[] = [];
    stream.taker = {
      data(bytes, from, to) {
        wire.data(stream, { bytes: Buffer.from(bytes.subarray(from, to)), from: 0, isLast: false });
        if (stream.needsDrain) waiting.push(to - from);
        else wire.consumed(stream, to - from);
      },
      drained() {
        const used = waiting;
        waiting = [];
        for (const size of used) wire.consumed(stream, size);
      },
      ended: (trailers) => wire.end(stream, trailers),
      sent: () => undefined,
      finished() {
        this.drained();
      },
      closed() {
        this.drained();
      },
    } satisfies StreamTaker;
  }

  readonly write = (bytes: Buffer, done: () => void): void => {
    this.#socket.write(bytes, done);
  };
  readonly unsentBytes = (): number => this.#socket.writableLength;
  wake(): void {
    setImmediate(() => this.wire.flush());
  }
  nuisance(): void {}
  failed(error: Error): void {
    this.#socket.destroy(error);
    throw error;
  }
}

function text(random: Seeded, most: number): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789-_~!$&\'()*+,;=:@/?%"<>{}|^`';
  return Array.from(
    { length: random.below(most) },
    () => letters[random.below(letters.length)] ?? '',
  ).join('');
}

function fieldsOf(random: Seeded, prefix: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = random.below(12); at > 0; at--) {
    const most = random.chance(0.05) ? 6000 : 80;
    const name = `${prefix}${random.chance(0.5) ? random.below(8) : text(random, 12).replace(/[^a-z]/g, 'q')}`;
    fields[name] = random.chance(0.5) ? 'same' : text(random, most);
  }
  return fields;
}

async function ask(session: ClientHttp2Session, random: Seeded): Promise<void> {
  const fields = fieldsOf(random, 'x-');
  const trailers = random.chance(0.3) ? fieldsOf(random, 'x-t') : undefined;
  const size = random.pick([0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, random.below(400_000)]);
  const body = Buffer.alloc(size, text(random, 50) || 'x');
  const isWhole = size === 0 && trailers === undefined && random.chance(0.5);
  const stream = session.request(
    { ':path': `/${random.below(20)}`, ':method': isWhole ? 'GET' : 'POST', ...fields },
    { endStream: isWhole, waitForTrailers: trailers !== undefined },
  );
  let head: IncomingHttpHeaders = {};
  let end: IncomingHttpHeaders = {};
  const seen: Buffer[] = [];
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  stream.on('response', (got) => {
    head = got;
  });
  stream.on('trailers', (got) => {
    end = got;
  });
  stream.on('data', (chunk: Buffer) => seen.push(chunk));
  if (!isWhole) {
    const middle = random.below(size + 1);
    stream.write(body.subarray(0, middle));
    stream.end(body.subarray(middle));
  }
  if (random.chance(0.05)) {
    stream.on('error', () => undefined);
    stream.close(8);
    return;
  }
  await once(stream, 'end');
  assert.equal(Buffer.compare(Buffer.concat(seen), body), 0);
  for (const [name, value] of Object.entries(fields)) assert.equal(head[name], value);
  for (const [name, value] of Object.entries(trailers ?? {})) assert.equal(end[name], value);
}

test('whatever a client of nghttp2 sends comes back the same', async () => {
  const seed = randomSeed();
  const random = seeded(seed);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    new Echo(socket, random);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`, {
    settings: {
      initialWindowSize: random.pick([5000, 65_535, 1_000_000]),
      headerTableSize: random.pick([0, 200, 4096, 65_536]),
    },
  });
  try {
    let begun = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (begun++ < REQUESTS) await ask(session, random);
      }),
    );
  } catch (error) {
    throw new Error(`Seed ${seed}`, { cause: error });
  } finally {
    session.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
