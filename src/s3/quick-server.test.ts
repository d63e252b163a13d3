/** Plain requests are read and answered past node:http, and nobody can tell. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { proveHandles } from '../net/net.ts';
import type { Access } from './access-log.ts';
import { cannedAcl } from './acl.ts';
import { S3Face } from './s3-face.ts';

const LARGE: Buffer = Buffer.from(
  Uint8Array.from({ length: 12 * 1024 * 1024 }, (_, at) => (at * 7 + (at >> 12)) & 255),
);
/** For it a connection goes to node:http. */
const TWICE = 'X-A: 1\r\nX-A: 2\r\n';

/** One connection; answers in the order of its requests. */
class Client {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #more = Promise.withResolvers<void>();

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    for (const event of ['readable', 'close']) this.socket.on(event, () => this.#more.resolve());
  }

  send(text: string, body: string | Buffer = ''): void {
    this.socket.write(Buffer.concat([Buffer.from(text, 'latin1'), Buffer.from(body)]));
  }

  async answer(method = 'GET'): Promise<{ readonly head: string; readonly body: Buffer }> {
    let end = -1;
    for (let least = 1; end < 0; least = this.#bytes.length + 1) {
      await this.#fill(least);
      end = this.#bytes.indexOf('\r\n\r\n');
    }
    const head = this.#bytes.toString('latin1', 0, end);
    const length = method === 'HEAD' ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    await this.#fill(end + 4 + length);
    const body = this.#bytes.subarray(end + 4, end + 4 + length);
    this.#bytes = this.#bytes.subarray(end + 4 + length);
    return { head, body };
  }

  /** Nothing is read but when somebody asks for more. */
  async #fill(least: number): Promise<void> {
    const pieces = [this.#bytes];
    for (let length = this.#bytes.length; length < least;) {
      this.#more = Promise.withResolvers();
      const piece = this.socket.read() as Buffer | null;
      if (piece !== null) {
        pieces.push(piece);
        length += piece.length;
      } else if (this.socket.readableEnded || this.socket.destroyed)
        throw new Error(`The connection ended after ${length} bytes`);
      else await this.#more.promise;
    }
    this.#bytes = Buffer.concat(pieces);
  }
}

/** Without what differs from request to request; where the connection ends, that is said in another place. */
function said(head: string): readonly string[] {
  const without = head.replace(/^(x-amz-request-id|x-amz-id-2|date|last-modified): .*$/gim, '$1');
  const close = /^connection: close\r?\n?/im;
  return [without.replace(close, '').trimEnd(), String(close.test(without))];
}

function withoutId(document: Buffer): string {
  return document.toString().replace(/<(RequestId|HostId)>\w+/g, '<$1>');
}

test('plain requests', async (t) => {
  await using kit = await FileKit.start();
  await proveHandles();
  const { store } = kit;
  await store.createBucket('photos', {
    owner: 'ann',
    settings: { acl: cannedAcl('public-read-write', 'ann', 'ann'), logging: { bucket: 'logs' } },
  });
  const noted: string[] = [];
  const note = ({ call }: Access): void => void noted.push(call.key);
  const face = new S3Face({ store, clock: systemClock, log: silentLogger, note });
  const server = face.server().listen(0, '127.0.0.1');
  const requests: (string | undefined)[] = [];
  for (const event of ['request', 'checkContinue'])
    server.on(event, (request: IncomingMessage) => requests.push(request.url));
  kit.stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = (): Client => {
    const client = new Client(port);
    kit.stack.defer(() => void client.socket.destroy());
    return client;
  };

  await t.test('are answered as node:http answers them', async () => {
    const acl = cannedAcl('public-read', 'ann', 'ann');
    const small = Buffer.alloc(4096, 'y');
    for (const [key, bytes] of [
      ['small', small],
      ['large', LARGE],
      ['empty', Buffer.alloc(0)],
    ] as const)
      await store.put('photos', key, pieces(bytes), { size: bytes.length, acl });
    const asked: readonly (readonly [method: string, target: string, more?: string])[] = [
      ['GET', '/photos/small'],
      ['GET', '/photos/large'],
      ['GET', '/photos/large', 'Range: bytes=70000-9000000\r\n'],
      ['GET', '/photos/empty'],
      ['HEAD', '/photos/small'],
      ['GET', '/photos/missing'],
      ['HEAD', '/photos/missing'],
      ['GET', '/photos?list-type=2&prefix=s'],
      ['GET', '/photos/small', 'If-None-Match: *\r\n'],
      ['GET', '/photos/small', 'Origin: http://a\r\n'],
      ['PUT', '/photos/put', 'Content-Length: 0\r\n'],
      ['PUT', '/photos/put', 'Content-MD5: x\r\nContent-Length: 0\r\n'],
      ['PUT', '/none/put', 'Expect: 100-continue\r\nContent-Length: 0\r\n'],
      ['PUT', '/photos/put', 'Expect: 100-continue\r\nContent-Length: 0\r\n'],
      ['PUT', '/photos/%ff', 'Expect: 100-continue\r\nContent-Length: 5\r\n'],
      ['PUT', '/none/put', 'Expect: 100-continue\r\nContent-Length: 5000000\r\n'],
      ['POST', '/photos?delete', 'Content-Length: 0\r\n'],
      ['POST', '/photos/put?uploads', 'Content-Length: 0\r\n'],
      ['GET', '/photos/small', 'Authorization: AWS4-HMAC-SHA256 nonsense\r\n'],
      ['GET', '/photos/%ff'],
      ['DELETE', '/photos/put'],
    ];
    for (const [method, target, more = ''] of asked) {
      const request = `${method} ${target} HTTP/1.1\r\nHost: x\r\n${more}`;
      const quick = open();
      const usual = open();
      quick.send(`${request}\r\n`);
      const { head, body } = await quick.answer(method);
      const before = requests.length;
      usual.send(`${request}${TWICE}\r\n`);
      const other = await usual.answer(method);
      assert.equal(requests.length, before + 1);
      assert.deepEqual(said(head), said(other.head), `${method} ${target}`);
      if (head.includes('application/xml') && head.startsWith('HTTP/1.1 200')) {
        const [mine, others] = [body, other.body].map((document) =>
          document.toString().replace(/<UploadId>\w+/, ''),
        );
        assert.equal(mine, others);
      } else if (!head.includes('application/xml')) assert.ok(body.equals(other.body), target);
      else assert.equal(withoutId(body), withoutId(other.body));
    }
  });

  await t.test(
    'of one connection, bytes and order, also where nobody waits for answers',
    async () => {
      const client = open();
      const before = requests.length;
      const bodies = [Buffer.alloc(4096, 'a'), Buffer.alloc(50_000, 'b'), Buffer.alloc(1, 'c')];
      for (const [at, body] of bodies.entries())
        client.send(
          `PUT /photos/k${at} HTTP/1.1\r\nHost: x\r\nX-Amz-Acl: public-read\r\nContent-Length: ${body.length}\r\n\r\n`,
          body,
        );
      for (const at of bodies.keys()) client.send(`GET /photos/k${at} HTTP/1.1\r\nHost: x\r\n\r\n`);
      for (const _ of bodies) assert.match((await client.answer()).head, /^HTTP\/1\.1 200 /);
      for (const body of bodies) assert.ok((await client.answer()).body.equals(body));
      client.send(
        `PUT /photos/k HTTP/1.1\r\nHost: x\r\nX-Amz-Acl: public-read\r\nContent-Length: ${LARGE.length}\r\n\r\n`,
        LARGE,
      );
      assert.match((await client.answer()).head, /^HTTP\/1\.1 200 /);
      client.send('GET /photos/k HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.ok((await client.answer()).body.equals(LARGE));
      assert.equal(requests.length, before);
    },
  );

  await t.test('with large bodies side by side have each their own bytes', async () => {
    const before = requests.length;
    const put = async (at: number): Promise<void> => {
      const bytes = LARGE.map((byte, index) => byte ^ (at + (index >> 20)));
      const sum = createHash('sha256').update(bytes).digest();
      const client = open();
      const waits = at % 2 === 1 ? 'Expect: 100-continue\r\n' : '';
      for (let again = 0; again < 2; again++) {
        client.send(
          `PUT /photos/side-${at} HTTP/1.1\r\nHost: x\r\n${waits}X-Amz-Acl: public-read\r\nContent-Length: ${bytes.length}\r\n\r\n`,
        );
        if (waits !== '') assert.equal((await client.answer()).head, 'HTTP/1.1 100 Continue');
        client.send('', Buffer.from(bytes));
        const { head } = await client.answer();
        assert.match(head, /^HTTP\/1\.1 200 /);
        assert.ok(head.includes(createHash('md5').update(bytes).digest('hex')));
      }
      client.send(`GET /photos/side-${at} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const { body } = await client.answer();
      assert.ok(createHash('sha256').update(body).digest().equals(sum));
    };
    await Promise.all(Array.from({ length: 6 }, (_, at) => put(at)));
    assert.equal(requests.length, before);
  });

  await t.test('whose head comes in pieces are followed by others', async () => {
    const client = open();
    const [socket] = (await once(server, 'connection')) as [Socket];
    for (let at = 0; at < 2; at++) {
      const before = socket.bytesRead;
      client.send('PUT /photos/pieces HTTP/1.1\r\nHost: x\r\nX-Amz-');
      await until('the beginning is there', () => socket.bytesRead > before);
      client.send(`Acl: public-read\r\nContent-Length: ${LARGE.length}\r\n\r\n`, LARGE);
      assert.match((await client.answer()).head, /^HTTP\/1\.1 200 /);
    }
    client.send('GET /photos/pieces HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.ok((await client.answer()).body.equals(LARGE));
  });

  await t.test('that are refused before their body has come lose no answer', async () => {
    for (const more of ['', TWICE]) {
      const client = open();
      const put = `PUT /none/large HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${LARGE.length}\r\n`;
      // Who does not wait sends all of it, and the next request behind it.
      client.send(`${put}\r\n`, LARGE.subarray(0, 100_000));
      const { head, body } = await client.answer();
      assert.match(head, /^HTTP\/1\.1 404 .*connection: keep-alive/is);
      assert.match(body.toString(), /<Code>NoSuchBucket</);
      client.send('', LARGE.subarray(100_000));
      client.send('GET /photos/small HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match((await client.answer()).head, /^HTTP\/1\.1 200 /);
      // Who waits is told that the connection ends, and not to begin.
      client.send(`${put}Expect: 100-continue\r\n\r\n`);
      const refused = await client.answer();
      assert.match(refused.head, /^HTTP\/1\.1 404 .*connection: close/is);
      await once(client.socket.resume(), 'end');
      client.socket.end();
    }
  });

  await t.test('of which nobody sees the end leave nothing', async () => {
    const client = open();
    const gone = t.mock.method(store, 'put');
    client.send(
      `PUT /photos/half HTTP/1.1\r\nHost: x\r\nContent-Length: ${LARGE.length}\r\n\r\n`,
      LARGE.subarray(0, LARGE.length - 1),
    );
    await until('it is being put', () => gone.mock.callCount() === 1);
    client.socket.end();
    await assert.rejects(gone.mock.calls[0]?.result as Promise<unknown>, { code: 'ECONNRESET' });
    gone.mock.restore();
    assert.equal(await store.head('photos', 'half'), undefined);
  });

  await t.test('slow readers get the bytes of their object and no others', async () => {
    const other = LARGE.map((byte) => byte ^ 0x55);
    await store.put('photos', 'other', pieces(Buffer.from(other)), {
      size: other.length,
      acl: cannedAcl('public-read', 'ann', 'ann'),
    });
    const read = async (reader: number): Promise<void> => {
      const client = open();
      const isOther = reader % 2 === 1;
      client.send(`GET /photos/${isOther ? 'other' : 'large'} HTTP/1.1\r\nHost: x\r\n\r\n`);
      // Nothing is taken before all have asked.
      await once(client.socket, 'readable');
      if (reader % 4 === 3) client.socket.destroy();
      else assert.ok((await client.answer()).body.equals(isOther ? other : LARGE));
    };
    await Promise.all(Array.from({ length: 12 }, (_, reader) => read(reader)));
  });

  await t.test(
    'who asks again and again and reads nothing waits with its next request',
    async () => {
      const bytes = Buffer.alloc(200_000, 'z');
      const acl = cannedAcl('public-read', 'ann', 'ann');
      await store.put('photos', 'middle', pieces(bytes), { size: bytes.length, acl });
      const client = open();
      const [socket] = (await once(server, 'connection')) as [Socket];
      const waiting = (): number => handleOf(socket)?.writeQueueSize ?? 0;
      let waitingMax = 0;
      const head = store.head.bind(store);
      const { mock } = t.mock.method(store, 'head', (async (...asked) => {
        waitingMax = Math.max(waitingMax, waiting());
        return await head(...asked);
      }) satisfies typeof store.head);
      const asked = 200;
      client.send('GET /photos/middle HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(asked));
      await until('the kernel takes no more', () => waiting() > 0);
      for (let at = 0; at < asked; at++) assert.ok((await client.answer()).body.equals(bytes));
      mock.restore();
      assert.equal(waitingMax, 0);
    },
  );

  await t.test('a name of metadata that is none of a field does not begin a line', async () => {
    const acl = cannedAcl('public-read', 'ann', 'ann');
    // Their low bytes are CR and LF.
    const meta = { 'a\u010d\u030aset-cookie': 'b' };
    await store.put('photos', 'split', pieces(Buffer.from('x')), { size: 1, acl, meta });
    const client = open();
    client.send('GET /photos/split HTTP/1.1\r\nHost: x\r\n\r\n');
    await assert.rejects(client.answer(), /ended after 0 bytes/);
    const form = Buffer.from(
      ['key"\r\n\r\nsplit', `x-amz-meta-${Object.keys(meta)[0]}"\r\n\r\nb`, 'file"\r\n\r\nx']
        .map((field) => `--y\r\nContent-Disposition: form-data; name="${field}\r\n`)
        .join('') + '--y--\r\n',
    );
    const poster = open();
    poster.send(
      `POST /photos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=y\r\nContent-Length: ${form.length}\r\n\r\n`,
      form,
    );
    const answer = await poster.answer();
    assert.match(answer.body.toString(), /<Code>InvalidArgument<\/Code>/);
  });

  await t.test(
    'an answer that broke off is not noted as one, and its source is let go of',
    async () => {
      let begun = 0;
      let ended = 0;
      const read = store.read.bind(store);
      const { mock } = t.mock.method(
        store,
        'read',
        async function* (...asked: Parameters<typeof store.read>) {
          begun++;
          try {
            yield* read(...asked);
          } finally {
            ended++;
          }
        },
      );
      noted.length = 0;
      for (const more of ['', TWICE]) {
        const leaving = open();
        leaving.send(`GET /photos/large HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
        await once(leaving.socket, 'readable');
        leaving.socket.destroy();
      }
      await until('nobody reads any more', () => begun === 2 && ended === 2);
      mock.restore();
      const other = open();
      other.send('GET /photos/small HTTP/1.1\r\nHost: x\r\n\r\n');
      await other.answer();
      await until('the other one is noted', () => noted.includes('small'));
      assert.ok(!noted.includes('large'));
    },
  );

  await t.test('no HTTP is refused when the answer before it is out', async () => {
    const client = open();
    client.send('GET /photos/large HTTP/1.1\r\nHost: x\r\n\r\nno HTTP\r\n\r\n');
    assert.ok((await client.answer()).body.equals(LARGE));
    assert.match((await client.answer()).head, /^HTTP\/1\.1 400 /);
    await once(client.socket.resume(), 'close');
  });

  await t.test('a client that wants it closed, one that leaves, a server that closes', async () => {
    const client = open();
    client.send('GET /photos/small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match((await client.answer()).head, /^connection: close$/im);
    await once(client.socket.resume(), 'close');
    const leaving = open();
    leaving.send('GET /photos/large HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(leaving.socket, 'readable');
    leaving.socket.destroy();
    const idle = open();
    idle.send('GET /photos/small HTTP/1.1\r\nHost: x\r\n\r\n');
    await idle.answer();
    const closed = once(server, 'close');
    server.close();
    await once(idle.socket.resume(), 'close');
    server.closeAllConnections();
    await closed;
  });
});

function handleOf(socket: Socket): { readonly writeQueueSize: number } | null {
  const { _handle: handle } = socket as unknown as {
    readonly _handle: { readonly writeQueueSize: number } | null;
  };
  return handle;
}

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield await Promise.resolve(bytes);
}
