/**
 * Differential fuzz of the request codec against node:http: what both accept must mean the same. Requests are
 * made from a grammar and then damaged. Runs by seed; set MOLN_FUZZ_SEED to repeat a run.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { createRandom } from '../src/gateway/balance.ts';
import { RequestBody } from '../src/gateway/request-body.ts';
import { BODY, RequestFraming } from '../src/http/framing.ts';
import { RequestHead } from '../src/http/head.ts';
import { isHttpError } from '../src/http/http-error.ts';
import { DEFAULT_HEAD_LIMITS } from '../src/http/limits.ts';

const BUDGET_MS = 6000;

interface Message {
  readonly line: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
}

interface Verdict {
  readonly messages: readonly Message[];
  /** Something was refused after the messages. */
  readonly refused: boolean;
}

/** Reads a whole pipeline with our codec, cut into pieces of `step` bytes. */
function readOurs(bytes: Buffer, step: number): Verdict {
  const messages: Message[] = [];
  const framing = new RequestFraming();
  const head = new RequestHead(DEFAULT_HEAD_LIMITS);
  let at = 0;
  try {
    while (at < bytes.length) {
      head.reset(at);
      let end = at;
      let complete = false;
      while (!complete && end < bytes.length) {
        end = Math.min(bytes.length, end + step);
        complete = head.scan(bytes, end);
      }
      if (!complete) break;
      framing.read(head);
      const line = `${head.method} ${head.target} 1.${head.minor}`;
      const fields = Array.from({ length: head.count }, (_value, index): [string, string] => [
        head.nameAt(index),
        head.valueAt(index),
      ]);
      at = head.end;
      const body = new RequestBody();
      body.start(framing);
      let text = '';
      const sink = {
        bodyBytes: (buffer: Buffer, from: number, to: number): void => {
          text += buffer.toString('latin1', from, to);
        },
      };
      while (!body.done && at < bytes.length) {
        const piece = bytes.subarray(at, Math.min(bytes.length, at + step));
        at += body.feed(piece, 0, piece.length, sink);
      }
      if (!body.done && framing.kind !== BODY.none) break;
      messages.push({ line, fields, body: text });
      if (!framing.keepAlive) break;
    }
  } catch (error) {
    if (!isHttpError(error)) throw error;
    return { messages, refused: true };
  }
  return { messages, refused: false };
}

/** A socket without a network. */
class Pipe extends Duplex {
  output = '';
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.output += chunk.toString('latin1');
    done();
  }
  // node:http asks its sockets for these.
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
}

/** The same with node:http's parser. */
async function readNodes(
  server: ReturnType<typeof createServer>,
  bytes: Buffer,
  expected: number,
): Promise<Verdict> {
  const messages: Message[] = [];
  const pipe = new Pipe();
  let refused = false;
  const open = new Set<IncomingMessage>();
  const onRequest = (request: IncomingMessage): void => {
    if (request.socket !== (pipe as unknown)) return;
    open.add(request);
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    request.on('end', () => {
      open.delete(request);
      const fields: [string, string][] = [];
      for (let index = 0; index < request.rawHeaders.length; index += 2) {
        fields.push([request.rawHeaders[index] ?? '', request.rawHeaders[index + 1] ?? '']);
      }
      const line = `${request.method} ${request.url} ${request.httpVersion}`;
      messages.push({ line, fields, body });
    });
    request.on('error', () => open.delete(request));
  };
  const onError = (_error: Error, socket: Duplex): void => {
    if (socket === pipe) refused = true;
  };
  server.on('seen', onRequest);
  server.on('clientError', onError);
  server.emit('connection', pipe);
  pipe.push(bytes);
  // The parser works within a few turns of the loop; nothing waits for a clock.
  const enough = (): boolean => refused || messages.length >= expected;
  for (let turn = 0; turn < (enough() ? 6 : 60); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  server.off('seen', onRequest);
  server.off('clientError', onError);
  pipe.destroy();
  return { messages, refused };
}

class Maker {
  private readonly random: () => number;
  constructor(seed: number) {
    this.random = createRandom(seed);
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new Error('Nothing to pick');
    return picked;
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  pipeline(): { readonly bytes: Buffer; readonly damaged: boolean } {
    const damaged = this.chance(0.6);
    let text = '';
    const count = 1 + this.below(3);
    for (let index = 0; index < count; index++) text += this.request(damaged);
    let bytes: Buffer = Buffer.from(text, 'latin1');
    if (damaged) {
      const times = 1 + this.below(2);
      for (let time = 0; time < times; time++) bytes = this.damage(bytes);
    }
    return { bytes, damaged };
  }

  private request(damaged: boolean): string {
    const method = this.pick(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH']);
    const target = this.pick(['/', '/a?b=c', '/%20', '/a/../b', '*', 'http://h/x', '/[]|{}"']);
    const version = this.chance(0.9) ? 'HTTP/1.1' : 'HTTP/1.0';
    let head = `${method} ${target} ${version}\r\n`;
    if (!damaged || this.chance(0.95)) head += 'Host: h\r\n';
    const extra = this.below(4);
    for (let index = 0; index < extra; index++) {
      head += `${this.pick(['Accept', 'X-A', 'Cookie', 'a', 'Connection'])}:${this.pick(['', ' ', '\t '])}`;
      head += `${this.pick(['', 'x', 'keep-alive', 'a, b', 'é', '  two  words  '])}${this.pick(['', ' '])}\r\n`;
    }
    const kind = this.below(4);
    if (kind === 0) return `${head}\r\n`;
    const body = this.pick([
      '',
      'x',
      'hello world',
      'GET / HTTP/1.1\r\nHost: z\r\n\r\n',
      '0\r\n\r\n',
    ]);
    if (kind === 1) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
    const extension = this.chance(0.2) ? ';a=b' : '';
    const size = body.length.toString(16);
    const chunk = body === '' ? '' : `${size}${extension}\r\n${body}\r\n`;
    const trailer = this.chance(0.2) ? 'X-T: 1\r\n' : '';
    return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n${trailer}\r\n`;
  }

  /** Changes, removes, doubles or inserts something that matters to framing. */
  private damage(bytes: Buffer): Buffer {
    const at = this.below(bytes.length);
    const insert = this.pick([
      '\r',
      '\n',
      '\r\n',
      ' ',
      '\t',
      '\0',
      ':',
      ',',
      ';',
      '0',
      'A',
      '\xff',
      '_',
      '#',
      '+',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: identity, chunked\r\n',
      'Host: g\r\n',
      'Connection: close\r\n',
    ]);
    const cut = this.pick([0, 0, 1, 2]);
    // Whole lines go where lines begin, half of the time.
    const line = bytes.indexOf('\r\n', at);
    const where = insert.length > 3 && line >= 0 ? line + 2 : at;
    return Buffer.concat([
      bytes.subarray(0, where),
      this.chance(0.8) ? Buffer.from(insert, 'latin1') : Buffer.alloc(0),
      bytes.subarray(Math.min(bytes.length, where + cut)),
    ]);
  }
}

/** What node:http leaves in, or reads otherwise, without it making a difference to anybody. */
function comparable(message: Message): Message {
  return {
    ...message,
    fields: message.fields.map(([name, value]) => [name.toLowerCase(), value.trim()] as const),
  };
}

function saysClose(message: Message | undefined): boolean {
  const fields = message?.fields ?? [];
  return fields.some(
    ([name, value]) => /^connection$/i.test(name) && /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value),
  );
}

test('what our codec and node:http both accept means the same', async (context) => {
  const seed = Number(process.env['MOLN_FUZZ_SEED'] ?? randomInt(1, 0x7fff_ffff));
  context.diagnostic(`seed ${seed}`);
  const maker = new Maker(seed);
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    server.emit('seen', request);
    request.on('end', () => response.end());
  });
  // A server that never listens: node:http must not answer these by itself.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  const end = performance.now() + BUDGET_MS;
  let runs = 0;
  let accepted = 0;
  while (performance.now() < end) {
    const { bytes, damaged } = maker.pipeline();
    const whole = readOurs(bytes, bytes.length);
    const cut = readOurs(bytes, 1 + maker.below(7));
    const what = `seed ${seed}, run ${runs}: ${JSON.stringify(bytes.toString('latin1'))}`;
    assert.deepEqual(cut, whole, `cut into pieces, ${what}`);
    const nodes = await readNodes(server, bytes, whole.messages.length);
    runs++;
    if (!whole.refused && !nodes.refused) {
      const [ours, theirs] = [whole.messages.length, nodes.messages.length];
      // RFC 9112 9.3: close decides, whatever else is said; node:http goes on after close and keep-alive on 1.0.
      if (saysClose(whole.messages.at(-1)))
        assert.ok(ours <= theirs, `number of messages, ${what}`);
      else assert.equal(ours, theirs, `number of messages, ${what}`);
    }
    // Stricter than node:http on purpose: chunked on HTTP/1.0.
    if (!damaged && !nodes.refused && !bytes.includes('HTTP/1.0')) {
      assert.equal(whole.refused, false, `refused by us alone, ${what}`);
    }
    const both = Math.min(whole.messages.length, nodes.messages.length);
    for (let index = 0; index < both; index++) {
      accepted++;
      assert.deepEqual(
        comparable(whole.messages[index] as Message),
        comparable(nodes.messages[index] as Message),
        `message ${index}, ${what}`,
      );
    }
  }
  server.close();
  context.diagnostic(`${runs} pipelines, ${accepted} messages accepted by both`);
  assert.ok(runs > 100 && accepted > 50, `only ${runs} runs and ${accepted} messages`);
});
