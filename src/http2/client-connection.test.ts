/** What a server may get wrong, by the sections of RFC 9113, and what becomes of the requests that are under way then. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { data, frame, open4, settings } from '../../testing/h2-probe.ts';
import {
  type AnswerStream,
  ClientConnection,
  type ClientHost,
  type ClientLimits,
} from './client-connection.ts';
import { ERROR, FLAG, FRAME, PREFACE, SETTING } from './codes.ts';
import { Field } from './field.ts';
import { HpackEncoder } from './hpack-encoder.ts';

const LIMITS: ClientLimits = {
  streamWindowBytes: 65_535,
  connectionWindowBytes: 100_000,
  listBytesMax: 1000,
  fieldsMax: 20,
  blockBytesMax: 16_384,
  continuationsMax: 4,
  unsentBytesMax: 1_000_000,
  queuedBytesMax: 50_000,
};
const ASKED = [new Field(':method', 'POST'), new Field(':path', '/')];

function block(...pairs: readonly (readonly [string, string])[]): Buffer {
  const fields = pairs.map(([name, value]) => new Field(name, value));
  const encoder = new HpackEncoder();
  // So that blocks stand for themselves.
  encoder.resize(0);
  const out = Buffer.alloc(encoder.bytesMax(fields));
  return out.subarray(0, encoder.encode(fields, out, 0));
}

const HEAD = block([':status', '200'], ['a', 'b']);
const head = (id: number, flags = 0, bytes = HEAD): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders | flags, id, bytes);
const goaway = (last: number, code: number): Buffer => {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(last, 0);
  payload.writeUInt32BE(code, 4);
  return frame(FRAME.goaway, 0, 0, payload);
};

/** Has asked twice: stream 1 is still being sent, 3 is whole. Keeps what is said to whom. */
class Probe implements ClientHost {
  readonly said: string[] = [];
  readonly frames: { type: number; flags: number; id: number; payload: Buffer }[] = [];
  readonly wire: ClientConnection;
  readonly first: AnswerStream;
  readonly second: AnswerStream;
  /** Gives windows back at once. */
  uses = true;

  constructor(limits: Partial<ClientLimits> = {}) {
    this.wire = new ClientConnection(this, { ...LIMITS, ...limits });
    this.wire.start();
    this.wire.receive(settings());
    this.first = this.ask();
    this.second = this.ask();
    this.wire.data(this.second, Buffer.from('?'), true);
    this.frames.length = 0;
    this.said.length = 0;
  }

  readonly write = (bytes: Buffer, done: () => void): void => {
    for (let at = bytes.equals(PREFACE) ? bytes.length : 0; at < bytes.length;) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
      const id = bytes.readUInt32BE(at + 5);
      const payload = Buffer.from(bytes.subarray(at + 9, end));
      this.frames.push({ type, flags, id, payload });
      if (type === FRAME.reset) this.said.push(`reset ${id} ${payload.readUInt32BE(0)}`);
      if (type === FRAME.goaway) this.said.push(`goaway ${payload.readUInt32BE(4)}`);
      at = end;
    }
    done();
  };
  readonly unsentBytes = (): number => 0;

  ask(): AnswerStream {
    const stream: AnswerStream = this.wire.ask(ASKED, {
      head: (fields, isWhole) => {
        const [status, a] = fields.map(({ value }) => value);
        this.said.push(`head ${stream.id} ${status} ${a}${isWhole ? ' whole' : ''}`);
      },
      data: (_bytes, from, to) => {
        this.said.push(`data ${stream.id} ${to - from}`);
        if (this.uses) this.wire.consumed(stream, to - from);
      },
      ended: (trailers) =>
        void this.said.push(`end ${stream.id}${trailers === undefined ? '' : ' trailers'}`),
      drained: () => void this.said.push(`drained ${stream.id}`),
      sent: () => void this.said.push(`sent ${stream.id}`),
      finished: () => void this.said.push(`finished ${stream.id}`),
      closed: () => void this.said.push(`closed ${stream.id} ${stream.resetCode}`),
    });
    return stream;
  }

  wake(): void {
    this.wire.flush();
  }

  ponged(): void {
    this.said.push('ponged');
  }

  left(): void {
    this.said.push('left');
  }

  failed(): void {
    this.said.push('failed');
  }

  tell(...frames: readonly Buffer[]): readonly string[] {
    this.wire.receive(Buffer.concat(frames));
    return this.said;
  }

  of(type: number): readonly number[] {
    return this.frames.filter((one) => one.type === type).map(({ id }) => id);
  }
}

const FAILED = (code: number): readonly string[] => [
  `goaway ${code}`,
  'closed 1 undefined',
  'closed 3 undefined',
  'failed',
];
const head1 = 'head 1 200 b';

type Case = readonly [
  section: string,
  what: string,
  frames: readonly Buffer[],
  said: readonly string[],
];

/** Each of one connection. */
const CASES: readonly Case[] = [
  ['4.1', 'an unknown type is ignored', [frame(0xfa, 255, 0, HEAD), head(1)], [head1]],
  ['4.2', 'a frame longer than allowed', [head(1), data(1, 16_385)], [head1, ...FAILED(6)]],
  [
    '4.3',
    'a block that is no HPACK',
    [frame(FRAME.headers, 5, 1, Buffer.from([0x80]))],
    FAILED(ERROR.compression),
  ],
  [
    '4.3',
    'a frame of another stream within a head',
    [frame(FRAME.headers, 1, 1, HEAD), frame(FRAME.continuation, 4, 3)],
    FAILED(ERROR.protocol),
  ],
  ['5.1', 'a head for a stream that was not asked', [head(5)], FAILED(ERROR.protocol)],
  ['5.1.1', 'a stream of the server', [head(2)], FAILED(ERROR.protocol)],
  [
    '5.1',
    'DATA behind the end',
    [head(1, 1), data(1, 1)],
    [`${head1} whole`, 'closed 1 1', 'reset 1 1'],
  ],
  ['6.1', 'DATA without a stream', [data(0, 1)], FAILED(ERROR.protocol)],
  ['8.1', 'DATA before the head', [data(1, 1)], ['closed 1 1', 'reset 1 1']],
  [
    '6.1',
    'padding is left out',
    [head(1), frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, Buffer.from([2, 7, 0, 0]))],
    [head1, 'data 1 1', 'end 1'],
  ],
  ['6.4', 'RST_STREAM', [open4(FRAME.reset, 1, 8)], ['closed 1 8']],
  ['6.4', 'RST_STREAM of another size', [frame(FRAME.reset, 0, 1)], FAILED(ERROR.frameSize)],
  ['6.5', 'SETTINGS of a stream', [frame(FRAME.settings, 0, 1)], FAILED(ERROR.protocol)],
  [
    '6.5',
    'an acknowledgement that says something',
    [frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6))],
    FAILED(ERROR.frameSize),
  ],
  [
    '6.5.2',
    'a window beyond 2^31-1',
    [settings([SETTING.initialWindowSize, 2 ** 31])],
    FAILED(ERROR.flowControl),
  ],
  [
    '6.6',
    'PUSH_PROMISE',
    [frame(FRAME.pushPromise, 4, 1, Buffer.alloc(4))],
    FAILED(ERROR.protocol),
  ],
  ['6.7', 'PING of another size', [frame(FRAME.ping, 0, 0, Buffer.alloc(6))], FAILED(6)],
  ['6.7', 'the answer to a PING', [frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8))], ['ponged']],
  ['6.8', 'GOAWAY of a stream', [frame(FRAME.goaway, 0, 1, Buffer.alloc(8))], FAILED(1)],
  ['6.8', 'GOAWAY that is cut off', [frame(FRAME.goaway, 0, 0, Buffer.alloc(7))], FAILED(6)],
  ['6.8', 'GOAWAY names what is answered', [goaway(1, 0), head(1)], ['closed 3 7', head1]],
  [
    '6.8',
    'GOAWAY, and nothing is under way any more',
    [goaway(3, 11), open4(FRAME.reset, 1, 8), head(3, 1)],
    ['closed 1 8', 'head 3 200 b whole', 'finished 3', 'left'],
  ],
  ['6.9', 'WINDOW_UPDATE of nothing', [open4(FRAME.windowUpdate, 0, 0)], FAILED(1)],
  ['6.9', 'the same of a stream', [open4(FRAME.windowUpdate, 1, 0)], ['closed 1 1', 'reset 1 1']],
  ['6.9.1', 'a window beyond 2^31-1', [open4(FRAME.windowUpdate, 0, 2 ** 31 - 1)], FAILED(3)],
  [
    '6.9.1',
    'the same of a stream',
    [open4(FRAME.windowUpdate, 1, 2 ** 31 - 1)],
    ['closed 1 3', 'reset 1 3'],
  ],
  ['6.10', 'CONTINUATION without a head', [frame(FRAME.continuation, 4, 1)], FAILED(1)],
  [
    '6.10',
    'CONTINUATION without end',
    [
      frame(FRAME.headers, 0, 1, HEAD),
      ...Array.from({ length: 9 }, () => frame(FRAME.continuation, 0, 1)),
    ],
    FAILED(ERROR.enhanceYourCalm),
  ],
  [
    '6.10',
    'a head in pieces',
    [
      frame(FRAME.headers, 0, 1, HEAD.subarray(0, 1)),
      frame(FRAME.continuation, 0, 1, HEAD.subarray(1, 2)),
      frame(FRAME.continuation, 4, 1, HEAD.subarray(2)),
    ],
    [head1],
  ],
  ['8.1', 'a head is all there is', [head(3, 1)], ['head 3 200 b whole', 'finished 3']],
  [
    '8.1',
    'trailers',
    [head(3), data(3, 3), head(3, 1)],
    ['head 3 200 b', 'data 3 3', 'end 3 trailers', 'finished 3'],
  ],
  ['8.1', 'trailers that end nothing', [head(1), head(1)], [head1, 'closed 1 1', 'reset 1 1']],
  ['8.1', 'an interim answer', [head(1, 0, block([':status', '103'])), head(1)], [head1]],
  [
    '10.5.1',
    'a list that is too long',
    [head(1, 0, block([':status', '200'], ['a', 'x'.repeat(1000)])), head(3)],
    ['closed 1 11', 'reset 1 11', 'head 3 200 b'],
  ],
];

/** Order within what one call says to server and asker is not told. */
const sorted = (said: readonly string[]): readonly string[] => said.toSorted();

describe('answers', () => {
  for (const [section, what, frames, said] of CASES) {
    test(`${section}: ${what}`, () => {
      assert.deepEqual(sorted(new Probe().tell(...frames)), sorted(said));
      // The verdict does not depend on how the bytes were cut.
      const probe = new Probe();
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length; at++) probe.wire.receive(bytes.subarray(at, at + 1));
      assert.deepEqual(sorted(probe.said), sorted(said));
    });
  }
});

test('3.4: a server that does not begin with SETTINGS', () => {
  for (const bytes of [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), head(1)]) {
    const probe = new Probe();
    const wire = new ClientConnection(probe, LIMITS);
    wire.receive(bytes);
    assert.match(probe.said.join(), /^goaway [16],failed$/);
  }
});

test('5.2: no more comes than the windows; one who does not use his answer stops himself and nobody else', () => {
  const probe = new Probe();
  probe.uses = false;
  const pieces = (id: number): Buffer[] => Array.from({ length: 4 }, () => data(id, 16_000));
  probe.tell(head(1), ...pieces(1), head(3), ...pieces(3));
  assert.deepEqual(probe.of(FRAME.windowUpdate), [0, 0]);
  probe.wire.consumed(probe.second, 64_000);
  assert.deepEqual(probe.of(FRAME.windowUpdate), [0, 0, 3]);
  probe.said.length = 0;
  assert.deepEqual(probe.tell(data(3, 16_000), data(1, 16_000)), [
    'data 3 16000',
    'closed 1 3',
    'reset 1 3',
  ]);
});

test('5.2, 6.9.2: no more goes than the windows allow', () => {
  const probe = new Probe();
  const sent = (): number =>
    probe.frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
  probe.wire.data(probe.first, Buffer.alloc(100_000), true);
  // One byte of the connection's window went before.
  assert.equal(sent(), 65_534);
  probe.tell(open4(FRAME.windowUpdate, 0, 50_000));
  assert.equal(sent(), 65_535);
  probe.tell(settings([SETTING.initialWindowSize, 70_000]));
  assert.equal(sent(), 70_000);
  probe.tell(open4(FRAME.windowUpdate, 1, 30_000));
  assert.equal(sent(), 100_000);
  assert.equal(probe.frames.at(-1)?.flags, FLAG.endStream);
});

test('room for a request: as many as the server takes at once, none once it says good-bye, or we do', () => {
  const probe = new Probe();
  assert.ok(probe.wire.hasRoom);
  probe.tell(settings([SETTING.concurrentStreamsMax, 2]));
  assert.ok(!probe.wire.hasRoom);
  probe.wire.reset(probe.first, ERROR.cancel);
  assert.ok(probe.wire.hasRoom);
  probe.tell(goaway(3, 0));
  assert.ok(!probe.wire.hasRoom);
  const other = new Probe();
  other.wire.leave();
  assert.ok(!other.wire.hasRoom);
  assert.deepEqual(other.said, ['goaway 0']);
  other.wire.reset(other.first, ERROR.cancel);
  other.tell(head(3, 1));
  assert.equal(other.said.at(-1), 'left');
});

test('what was broken off may still be answered, and its block still belongs to the tables', () => {
  const probe = new Probe();
  const encoder = new HpackEncoder();
  const fields = [new Field(':status', '200'), new Field('a', 'kept')];
  const out = Buffer.alloc(200);
  const first = Buffer.from(out.subarray(0, encoder.encode(fields, out, 0)));
  const again = Buffer.from(out.subarray(0, encoder.encode(fields, out, 0)));
  assert.ok(again.length < first.length);
  probe.wire.reset(probe.first, ERROR.cancel);
  probe.said.length = 0;
  assert.deepEqual(probe.tell(head(1, 0, first), data(1, 10), head(3, 0, again)), [
    'head 3 200 kept',
  ]);
});

test('PING is answered, and SETTINGS are acknowledged', () => {
  const probe = new Probe();
  probe.tell(frame(FRAME.ping, 0, 0, Buffer.from('12345678')), settings());
  assert.deepEqual(
    probe.frames.map(({ type, flags }) => [type, flags]),
    [
      [FRAME.ping, FLAG.ack],
      [FRAME.settings, FLAG.ack],
    ],
  );
  assert.equal(String(probe.frames[0]?.payload), '12345678');
});
