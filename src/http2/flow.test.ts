/** Flow control of RFC 9113 5.2 and 6.9, both ways. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask, data, open, open4, Probe, RESET, settings } from '../../testing/h2-probe.ts';
import { ERROR, FRAME, SETTING } from './codes.ts';
import { Field } from './field.ts';

const GOAWAY = (code: number): readonly string[] => [`goaway ${code}`];

describe('flow control', () => {
  test('no more comes than the windows, and they are given back as bytes are used', () => {
    const probe = new Probe();
    probe.uses = false;
    const most = Array.from({ length: 4 }, () => data(1, 16_000));
    assert.equal(probe.tell(open(1), ...most).length, 5);
    const updates = (): readonly number[] =>
      probe.frames.filter(({ type }) => type === FRAME.windowUpdate).map(({ id }) => id);
    assert.deepEqual(updates(), []);
    probe.wire.consumed(probe.stream(1), 64_000);
    assert.deepEqual(updates(), [0, 1]);
    const code = `reset 1 ${ERROR.flowControl}`;
    const more = Array.from({ length: 5 }, () => data(1, 16_000));
    assert.deepEqual(probe.tell(...more).slice(-2), ['closed 1', code]);
  });

  test('more than the window of the connection ends it', () => {
    const probe = new Probe();
    probe.uses = false;
    const bodies = [1, 3].flatMap((id) => [
      open(id),
      ...Array.from({ length: 4 }, () => data(id, 16_000)),
    ]);
    assert.deepEqual(probe.tell(...bodies).slice(-3), [
      ...GOAWAY(ERROR.flowControl),
      'closed 1',
      'closed 3',
    ]);
  });

  test('no more goes than the windows, the socket and the frames allow; streams take turns', () => {
    const probe = new Probe({ queuedBytesMax: 10_000 });
    probe.tell(settings([SETTING.initialWindowSize, 40_000]), ask(1), ask(3));
    probe.answer(1, 50_000);
    probe.answer(3, 50_000);
    assert.deepEqual([probe.bodyBytes(1), probe.bodyBytes(3)], [40_000, 25_535]);
    assert.ok(probe.frames.every(({ payload }) => payload.length <= 16_384));
    probe.tell(open4(FRAME.windowUpdate, 0, 100_000));
    assert.deepEqual([probe.bodyBytes(1), probe.bodyBytes(3)], [40_000, 40_000]);
    probe.unsent = 2_000_000;
    probe.tell(open4(FRAME.windowUpdate, 3, 5000));
    assert.equal(probe.bodyBytes(3), 40_000);
    probe.unsent = 0;
    probe.wire.flush();
    assert.equal(probe.bodyBytes(3), 45_000);
    // Below zero: it has to be opened as far before anything goes.
    probe.tell(settings([SETTING.initialWindowSize, 39_000]), open4(FRAME.windowUpdate, 1, 1000));
    assert.equal(probe.bodyBytes(1), 40_000);
    assert.deepEqual(probe.tell(open4(FRAME.windowUpdate, 1, 20_000)), ['finished 1']);
    assert.equal(probe.bodyBytes(1), 50_000);
  });

  test('who writes faster than it goes is told to wait, and when to go on', () => {
    const probe = new Probe();
    probe.tell(ask(1));
    const stream = probe.stream(1);
    probe.wire.head(stream, [new Field(':status', '200')], false);
    let freed = 0;
    const write = (size: number): void =>
      probe.wire.data(stream, { bytes: Buffer.alloc(size), from: 0, isLast: false }, () => freed++);
    write(10_000);
    assert.deepEqual([freed, stream.needsDrain], [1, false]);
    for (let at = 0; at < 12; at++) write(10_000);
    assert.equal(stream.needsDrain, true);
    assert.deepEqual(probe.tell(open4(FRAME.windowUpdate, 1, 100_000)), []);
    assert.deepEqual(probe.tell(open4(FRAME.windowUpdate, 0, 100_000)), ['drained 1']);
    assert.deepEqual([freed, stream.needsDrain], [13, false]);
    // An end without bytes needs no window.
    probe.wire.end(stream);
    assert.deepEqual(probe.said, ['finished 1']);
  });

  test('who was told to wait hears of it, whatever he writes meanwhile', () => {
    const probe = new Probe();
    probe.tell(settings([SETTING.initialWindowSize, 0]), ask(1));
    const stream = probe.stream(1);
    const write = (size: number): void =>
      probe.wire.data(stream, { bytes: Buffer.alloc(size), from: 0, isLast: false });
    write(60_000);
    probe.tell(open4(FRAME.windowUpdate, 1, 55_000));
    write(10);
    assert.equal(stream.needsDrain, true);
    assert.deepEqual(probe.tell(open4(FRAME.windowUpdate, 1, 5010)), ['drained 1']);
  });

  test('what waits is let go with its stream', () => {
    const probe = new Probe();
    probe.tell(settings([SETTING.initialWindowSize, 0]), ask(1));
    let freed = 0;
    const piece = { bytes: Buffer.alloc(1000), from: 0, isLast: true };
    probe.wire.data(probe.stream(1), piece, () => freed++);
    assert.deepEqual([freed, probe.tell(RESET), freed], [0, ['closed 1'], 1]);
    probe.wire.data(probe.stream(1), piece, () => freed++);
    assert.equal(freed, 2);
  });
});
