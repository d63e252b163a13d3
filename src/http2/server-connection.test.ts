/** What a client may get wrong, by the sections of RFC 9113: most are cases of h2spec, which is not packaged. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ask,
  block,
  data,
  frame,
  HEAD,
  LIMITS,
  open,
  open4,
  Probe,
  RESET,
  settings,
} from '../../testing/h2-probe.ts';
import { ERROR, FLAG, FRAME, PREFACE, SETTING } from './codes.ts';
import { Field } from './field.ts';
import { ServerConnection } from './server-connection.ts';

const GOAWAY = (code: number): readonly string[] => [`goaway ${code}`];
const head1 = 'head 1';

type Case = readonly [
  section: string,
  what: string,
  frames: readonly Buffer[],
  said: readonly string[],
];

/** Of one connection each. */
const CASES: readonly Case[] = [
  ['4.1', 'an unknown type is ignored', [frame(0xfa, 255, 0, HEAD), ask(1)], ['head 1 whole']],
  ['4.1', 'unknown flags are ignored', [frame(FRAME.ping, 0x16, 0, Buffer.alloc(8))], []],
  ['4.1', 'the reserved bit is ignored', [frame(FRAME.ping, 0, 2 ** 31, Buffer.alloc(8))], []],
  [
    '4.2',
    'DATA longer than allowed',
    [open(1), data(1, 16_385)],
    [head1, ...GOAWAY(6), 'closed 1'],
  ],
  [
    '4.2',
    'HEADERS longer than allowed',
    [frame(FRAME.headers, 4, 1, Buffer.alloc(16_385))],
    GOAWAY(6),
  ],
  ['4.3', 'a block that is no HPACK', [frame(FRAME.headers, 5, 1, Buffer.from([0x80]))], GOAWAY(9)],
  [
    '4.3',
    'a frame of another type within a head',
    [frame(FRAME.headers, 1, 1, HEAD), frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    GOAWAY(1),
  ],
  [
    '4.3',
    'a frame of another stream within a head',
    [frame(FRAME.headers, 1, 1, HEAD), frame(FRAME.continuation, 4, 3)],
    GOAWAY(1),
  ],
  [
    '4.3',
    'an unknown frame within a head',
    [frame(FRAME.headers, 1, 1, HEAD), frame(0xfa, 0, 1)],
    GOAWAY(1),
  ],
  ['5.1', 'idle: DATA', [data(1, 1)], GOAWAY(1)],
  ['5.1', 'idle: RST_STREAM', [RESET], GOAWAY(1)],
  ['5.1', 'idle: WINDOW_UPDATE', [open4(FRAME.windowUpdate, 1, 1)], GOAWAY(1)],
  ['5.1', 'idle: CONTINUATION', [frame(FRAME.continuation, 4, 1)], GOAWAY(1)],
  [
    '5.1',
    'idle: PRIORITY',
    [frame(FRAME.priority, 0, 1, Buffer.alloc(5)), ask(1)],
    ['head 1 whole'],
  ],
  ['5.1', 'half closed: DATA', [ask(1), data(1, 1)], ['head 1 whole', 'closed 1', 'reset 1 5']],
  ['5.1', 'half closed: HEADERS', [ask(1), ask(1)], ['head 1 whole', 'closed 1', 'reset 1 5']],
  [
    '5.1',
    'half closed: WINDOW_UPDATE',
    [ask(1), open4(FRAME.windowUpdate, 1, 1)],
    ['head 1 whole'],
  ],
  ['5.1', 'reset: DATA', [open(1), RESET, data(1, 1)], [head1, 'closed 1', 'reset 1 5']],
  ['5.1', 'reset: HEADERS', [open(1), RESET, ask(1)], [head1, 'closed 1', ...GOAWAY(5)]],
  [
    '5.1',
    'reset: RST_STREAM and WINDOW_UPDATE',
    [open(1), RESET, RESET, open4(FRAME.windowUpdate, 1, 1)],
    [head1, 'closed 1'],
  ],
  ['5.1.1', 'an even id', [ask(2)], GOAWAY(1)],
  [
    '5.1.1',
    'an id that was passed over',
    [ask(5), ask(3)],
    ['head 5 whole', ...GOAWAY(1), 'closed 5'],
  ],
  [
    '5.1.2',
    'too many at once',
    [1, 3, 5, 7, 9].map(ask),
    [1, 3, 5, 7].map((id) => `head ${id} whole`).concat('reset 9 7'),
  ],
  ['6.1', 'DATA without a stream', [data(0, 1)], GOAWAY(1)],
  [
    '6.1',
    'padding as long as its frame',
    [open(1), frame(FRAME.data, FLAG.padded, 1, Buffer.from([1]))],
    [head1, ...GOAWAY(1), 'closed 1'],
  ],
  [
    '6.1',
    'padding without a length',
    [open(1), frame(FRAME.data, FLAG.padded, 1)],
    [head1, ...GOAWAY(6), 'closed 1'],
  ],
  [
    '6.1',
    'padding is left out',
    [open(1), frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, Buffer.from([2, 7, 0, 0]))],
    [head1, 'data 1 1', 'end 1'],
  ],
  ['6.2', 'HEADERS without a stream', [frame(FRAME.headers, 5, 0, HEAD)], GOAWAY(1)],
  [
    '6.2',
    'padding longer than HEADERS',
    [frame(FRAME.headers, 5 | FLAG.padded, 1, Buffer.from([9, 0x82]))],
    GOAWAY(1),
  ],
  [
    '6.2',
    'a priority that is cut off',
    [frame(FRAME.headers, 5 | FLAG.priority, 1, Buffer.alloc(4))],
    GOAWAY(6),
  ],
  [
    '6.2',
    'priority and padding',
    [
      frame(
        FRAME.headers,
        5 | FLAG.priority | FLAG.padded,
        1,
        Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 1]), HEAD, Buffer.alloc(2)]),
      ),
    ],
    ['head 1 whole'],
  ],
  ['6.3', 'PRIORITY without a stream', [frame(FRAME.priority, 0, 0, Buffer.alloc(5))], GOAWAY(1)],
  [
    '6.3',
    'PRIORITY of another size',
    [ask(1), frame(FRAME.priority, 0, 1, Buffer.alloc(4))],
    ['head 1 whole', 'closed 1', 'reset 1 6'],
  ],
  ['6.4', 'RST_STREAM without a stream', [open4(FRAME.reset, 0, 8)], GOAWAY(1)],
  [
    '6.4',
    'RST_STREAM of another size',
    [open(1), frame(FRAME.reset, 0, 1, Buffer.alloc(3))],
    [head1, ...GOAWAY(6), 'closed 1'],
  ],
  [
    '6.5',
    'an acknowledgement that says something',
    [frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6))],
    GOAWAY(6),
  ],
  ['6.5', 'SETTINGS of a stream', [frame(FRAME.settings, 0, 1)], GOAWAY(1)],
  ['6.5', 'SETTINGS of another size', [frame(FRAME.settings, 0, 0, Buffer.alloc(7))], GOAWAY(6)],
  ['6.5.2', 'ENABLE_PUSH 2', [settings([SETTING.enablePush, 2])], GOAWAY(1)],
  ['6.5.2', 'a window beyond 2^31-1', [settings([SETTING.initialWindowSize, 2 ** 31])], GOAWAY(3)],
  ['6.5.2', 'frames below 2^14', [settings([SETTING.frameSizeMax, 16_383])], GOAWAY(1)],
  ['6.5.2', 'frames beyond 2^24-1', [settings([SETTING.frameSizeMax, 2 ** 24])], GOAWAY(1)],
  ['6.5.2', 'an unknown setting is ignored', [settings([0xff, 1]), ask(1)], ['head 1 whole']],
  ['6.6', 'PUSH_PROMISE', [frame(FRAME.pushPromise, 4, 1, Buffer.alloc(4))], GOAWAY(1)],
  ['6.7', 'PING of a stream', [frame(FRAME.ping, 0, 1, Buffer.alloc(8))], GOAWAY(1)],
  ['6.7', 'PING of another size', [frame(FRAME.ping, 0, 0, Buffer.alloc(6))], GOAWAY(6)],
  ['6.8', 'GOAWAY of a stream', [frame(FRAME.goaway, 0, 1, Buffer.alloc(8))], GOAWAY(1)],
  ['6.8', 'GOAWAY that is cut off', [frame(FRAME.goaway, 0, 0, Buffer.alloc(7))], GOAWAY(6)],
  ['6.9', 'WINDOW_UPDATE of nothing', [open4(FRAME.windowUpdate, 0, 0)], GOAWAY(1)],
  [
    '6.9',
    'the same of a stream',
    [open(1), open4(FRAME.windowUpdate, 1, 0)],
    [head1, 'closed 1', 'reset 1 1'],
  ],
  [
    '6.9',
    'WINDOW_UPDATE of another size',
    [frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(3))],
    GOAWAY(6),
  ],
  ['6.9.1', 'a window beyond 2^31-1', [open4(FRAME.windowUpdate, 0, 2 ** 31 - 1)], GOAWAY(3)],
  [
    '6.9.1',
    'the same of a stream',
    [open(1), open4(FRAME.windowUpdate, 1, 2 ** 31 - 1)],
    [head1, 'closed 1', 'reset 1 3'],
  ],
  [
    '6.9.2',
    'SETTINGS that widen it beyond',
    [open(1), open4(FRAME.windowUpdate, 1, 1), settings([SETTING.initialWindowSize, 2 ** 31 - 1])],
    [head1, ...GOAWAY(3), 'closed 1'],
  ],
  [
    '6.10',
    'CONTINUATION without a head',
    [ask(1), frame(FRAME.continuation, 4, 1)],
    ['head 1 whole', ...GOAWAY(1), 'closed 1'],
  ],
  [
    '6.10',
    'CONTINUATION without end',
    [
      frame(FRAME.headers, 1, 1, HEAD),
      ...Array.from({ length: 9 }, () => frame(FRAME.continuation, 0, 1)),
    ],
    GOAWAY(11),
  ],
  [
    '6.10',
    'a head in pieces',
    [
      frame(FRAME.headers, 1, 1, HEAD.subarray(0, 1)),
      frame(FRAME.continuation, 0, 1, HEAD.subarray(1, 3)),
      frame(FRAME.continuation, 4, 1, HEAD.subarray(3)),
    ],
    ['head 1 whole'],
  ],
  ['8.1', 'trailers', [open(1), data(1, 3), ask(1)], [head1, 'data 1 3', 'end 1 trailers']],
  [
    '8.1',
    'trailers that do not end the stream',
    [open(1), open(1)],
    [head1, 'closed 1', 'reset 1 1'],
  ],
];

describe('frames and streams', () => {
  for (const [section, what, frames, said] of CASES) {
    test(`${section}: ${what}`, () => {
      assert.deepEqual(new Probe().tell(...frames), said);
      // The verdict does not depend on how the bytes were cut.
      const probe = new Probe();
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length; at++) probe.wire.receive(bytes.subarray(at, at + 1));
      assert.deepEqual(probe.said, said);
    });
  }
});

test('3.4: another preface, and a first frame that is not SETTINGS', () => {
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'),
    Buffer.concat([PREFACE, ask(1)]),
    Buffer.concat([PREFACE, frame(FRAME.settings, FLAG.ack, 0)]),
  ]) {
    const probe = new Probe();
    const wire = new ServerConnection(probe, LIMITS);
    wire.receive(bytes);
    assert.deepEqual(probe.said, GOAWAY(1));
  }
});

test('SETTINGS and PING are answered, and what is ignored counts', () => {
  const probe = new Probe();
  probe.tell(settings(), frame(FRAME.ping, 0, 0, Buffer.from('12345678')));
  const acks = probe.frames.filter(({ flags }) => flags === FLAG.ack);
  assert.deepEqual(
    acks.map(({ type, payload }) => [type, String(payload)]),
    [
      [FRAME.settings, ''],
      [FRAME.settings, ''],
      [FRAME.ping, '12345678'],
    ],
  );
  probe.tell(open(1), data(1, 0), data(1, 0));
  assert.equal(probe.nuisances.filter((what) => what === 'control').length, 5);
  probe.tell(RESET, data(1, 5));
  assert.deepEqual(probe.nuisances.slice(-2), ['reset', 'invalid']);
});

test('what was on its way to a stream that we left is ignored', () => {
  const probe = new Probe();
  probe.tell(open(1));
  probe.wire.reset(probe.stream(1), ERROR.none);
  assert.deepEqual(probe.tell(data(1, 10), ask(1), RESET), ['reset 1 0', 'closed 1']);
  assert.deepEqual(probe.tell(ask(3)), ['head 3 whole']);
});

test('a list that is too long resets its stream, and the next is read with the same table', () => {
  const probe = new Probe();
  const long = block([['x-long', 'v'.repeat(9000)]]);
  // Who has not acknowledged our settings may not know.
  assert.deepEqual(probe.tell(frame(FRAME.headers, 5, 1, long)), ['head 1 whole']);
  probe.tell(frame(FRAME.settings, FLAG.ack, 0));
  assert.deepEqual(probe.tell(frame(FRAME.headers, 5, 3, long)), ['reset 3 11']);
  assert.deepEqual(probe.tell(ask(5)), ['head 5 whole']);
});

test('6.8: leaving in two steps', () => {
  const probe = new Probe();
  probe.tell(ask(1));
  probe.wire.leave();
  assert.deepEqual(probe.tell(ask(3)), ['goaway 0', 'head 3 whole']);
  probe.wire.leaveNow();
  assert.equal(probe.frames.at(-1)?.payload.readUInt32BE(0), 3);
  assert.deepEqual(probe.tell(ask(5)), ['goaway 0', 'reset 5 7']);
  probe.answer(1, 10);
  assert.deepEqual(probe.said, ['finished 1']);
});

test('a head longer than a frame goes in several', () => {
  const probe = new Probe();
  probe.tell(ask(1));
  const fields = [new Field(':status', '200'), new Field('x-long', 'ÿ'.repeat(40_000))];
  probe.wire.head(probe.stream(1), fields, true);
  const types = probe.frames.slice(-3).map(({ type, flags }) => [type, flags]);
  assert.deepEqual(types, [
    [FRAME.headers, FLAG.endStream],
    [FRAME.continuation, 0],
    [FRAME.continuation, FLAG.endHeaders],
  ]);
});
