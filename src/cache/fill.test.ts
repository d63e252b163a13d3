import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { bodyOf } from '../../testing/tier-conformance.ts';
import { BufferBody, isSmall, type Block, type BodyReader } from './body.ts';
import { Fill, isWorthFinishing, PIECE_BYTES, type FillOptions } from './fill.ts';

const fillOf = (options: Partial<FillOptions> = {}): Fill =>
  new Fill({ length: -1, memoryBytesMax: 1_000_000, bytesMax: 10_000_000, ...options });

const send = (fill: Fill, body: Buffer, from = 0, to = body.length): void =>
  fill.append(body, from, to);

/** Takes all that is there; tells what it stopped at. */
function drain(reader: BodyReader): { readonly bytes: Buffer; readonly at: string } {
  const chunks: Buffer[] = [];
  for (;;) {
    const read = reader.next();
    if (typeof read === 'string') return { bytes: Buffer.concat(chunks), at: read };
    chunks.push(read);
  }
}

/** A place for pieces that answers when it is told to, and counts what is pinned. */
class Elsewhere {
  readonly #held: (() => void)[] = [];
  bytes = 0;
  pins = 0;

  spill(bytes: Buffer): Promise<Block> {
    const copy = Buffer.from(bytes);
    this.bytes += copy.length;
    const pin = (): void => void this.pins++;
    const unpin = (): void => void this.pins--;
    const load = (): Promise<Buffer> => Promise.resolve(copy);
    return new Promise((resolve) => {
      this.#held.push(() => resolve({ length: copy.length, alive: true, load, pin, unpin }));
    });
  }

  /** Lets everything be written, and what is then spilled too. */
  async answer(): Promise<void> {
    while (this.#held.length > 0) {
      this.#held.shift()?.();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }
}

async function drainAll(body: Fill['body']): Promise<Buffer> {
  let waking = Promise.withResolvers<void>();
  const reader = body.read({ from: 0, to: Infinity }, () => waking.resolve());
  const chunks: Buffer[] = [];
  for (;;) {
    const { bytes, at } = drain(reader);
    chunks.push(bytes);
    if (at !== 'wait') break;
    await waking.promise;
    waking = Promise.withResolvers();
  }
  reader.close();
  return Buffer.concat(chunks);
}

test('readers get what is there, wait, are woken once, and get the end', async () => {
  const fill = fillOf();
  const body = bodyOf('shared', 300_000);
  let wakes = 0;
  send(fill, body, 0, 10);
  const early = fill.body.read({ from: 0, to: Infinity }, () => wakes++);
  assert.deepEqual(drain(early), { bytes: body.subarray(0, 10), at: 'wait' });
  send(fill, body, 10, 100_000);
  send(fill, body, 100_000, 200_000);
  assert.equal(wakes, 1);
  const late = fill.body.read({ from: 150_000, to: 250_000 }, () => undefined);
  assert.deepEqual(drain(late), { bytes: body.subarray(150_000, 200_000), at: 'wait' });
  send(fill, body, 200_000, 300_000);
  const ended = fill.end();
  assert.deepEqual(drain(early), { bytes: body.subarray(10), at: 'end' });
  assert.deepEqual(drain(late), { bytes: body.subarray(200_000, 250_000), at: 'end' });
  assert.equal((await ended)?.bytes, 300_000);
});

test('a body that breaks off is broken for readers, and the rest of it is kept', async () => {
  const fill = fillOf({ length: 1000 });
  const reader = fill.body.read({ from: 0, to: Infinity }, () => undefined);
  const body = bodyOf('broken', 600);
  send(fill, body);
  const kept = await fill.fail();
  assert.deepEqual(drain(reader), { bytes: body, at: 'broken' });
  assert(kept !== undefined && isSmall(kept));
  assert.deepEqual(drain(kept.read({ from: 0, to: 600 })), { bytes: body, at: 'end' });
});

test('a small body ends in one buffer of its size, however it came', async () => {
  const random = seeded(3);
  for (let round = 0; round < 100; round++) {
    const body = bodyOf(`round ${round}`, random.below(PIECE_BYTES + 1));
    const fill = fillOf({ length: random.chance(0.5) ? body.length : -1 });
    for (let at = 0; at < body.length;) {
      const to = Math.min(body.length, at + 1 + random.below(20_000));
      send(fill, body, at, to);
      at = to;
    }
    const kept = await fill.end();
    assert(kept !== undefined && isSmall(kept));
    assert.deepEqual(drain(kept.read({ from: 0, to: Infinity })), { bytes: body, at: 'end' });
    if (kept instanceof BufferBody) assert.equal(kept.buffer.buffer.byteLength, body.length);
  }
});

test('what does not fit into memory goes elsewhere, and slow readers read it there', async () => {
  const place = new Elsewhere();
  const memoryBytesMax = 4 * PIECE_BYTES;
  const fill = fillOf({ memoryBytesMax, spill: (bytes) => place.spill(bytes) });
  const body = bodyOf('large', 40 * PIECE_BYTES + 5);
  const slow = fill.body.read({ from: 0, to: Infinity }, () => undefined);
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    send(fill, body, at, Math.min(body.length, at + PIECE_BYTES));
    await place.answer();
    assert(!fill.full);
    assert(fill.body.memoryBytes <= memoryBytesMax + PIECE_BYTES);
  }
  assert(place.pins > 0);
  const ended = fill.end();
  await place.answer();
  const kept = await ended;
  assert.equal(kept?.bytes, body.length);
  assert.deepEqual(await drainAll(fill.body), body);
  slow.close();
  assert.equal(place.pins, 0);
});

test('a place that is slow, or has no room, holds the upstream up', async () => {
  const place = new Elsewhere();
  let rooms = 0;
  const fill = fillOf({
    memoryBytesMax: 2 * PIECE_BYTES,
    spill: (bytes) => place.spill(bytes),
    onRoom: () => rooms++,
  });
  const body = bodyOf('held up', 6 * PIECE_BYTES);
  send(fill, body);
  assert(fill.full);
  await place.answer();
  assert.equal(rooms, 1);
  assert(!fill.full);
});

test('a body too long to be stored goes through at the pace of its readers', async () => {
  let tooLong = 0;
  let rooms = 0;
  const fill = fillOf({
    memoryBytesMax: 2 * PIECE_BYTES,
    onTooLong: () => tooLong++,
    onRoom: () => rooms++,
  });
  const body = bodyOf('too long', 10 * PIECE_BYTES);
  const readers = [1, 2].map(() => fill.body.read({ from: 0, to: Infinity }, () => undefined));
  const got = readers.map((): Buffer[] => []);
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    send(fill, body, at, at + PIECE_BYTES);
    readers.forEach((reader, index) => {
      // The second one rests for a while.
      if (index === 0 || at % (3 * PIECE_BYTES) === 0) got[index]?.push(drain(reader).bytes);
    });
    if (!fill.full) continue;
    const before = rooms;
    readers.forEach((reader, index) => got[index]?.push(drain(reader).bytes));
    assert.equal(rooms, before + 1);
  }
  assert.equal(tooLong, 1);
  assert.equal(await fill.end(), undefined);
  readers.forEach((reader, index) => {
    const last = drain(reader);
    got[index]?.push(last.bytes);
    assert.equal(last.at, 'end');
    assert.deepEqual(Buffer.concat(got[index] ?? []), body);
    reader.close();
  });
  assert(fill.body.memoryBytes <= PIECE_BYTES);
});

test('a fill for which there is no memory at all goes on as it is read', async () => {
  const fill = fillOf({ memoryBytesMax: 0 });
  const reading = drainAll(fill.body);
  const body = bodyOf('no memory', 8 * PIECE_BYTES);
  for (let at = 0; at < body.length; at += 1000) {
    send(fill, body, at, Math.min(body.length, at + 1000));
    await Promise.resolve();
    await Promise.resolve();
    assert(!fill.full);
  }
  assert.equal(await fill.end(), undefined);
  assert.deepEqual(await reading, body);
});

test('a disk that fills up in the middle takes nothing from those who read', async () => {
  let spilled = 0;
  const place = new Elsewhere();
  const fill = fillOf({
    memoryBytesMax: 2 * PIECE_BYTES,
    spill: (bytes) => (++spilled > 3 ? Promise.resolve(undefined) : place.spill(bytes)),
  });
  const body = bodyOf('full disk', 12 * PIECE_BYTES);
  const reading = drainAll(fill.body);
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    send(fill, body, at, at + PIECE_BYTES);
    await place.answer();
  }
  assert.equal(await fill.end(), undefined);
  assert.deepEqual(await reading, body);
});

test('a fill without readers goes on when little is missing', () => {
  assert.equal(isWorthFinishing(10_000_000, 6_000_000), true);
  assert.equal(isWorthFinishing(10_000_000, 4_000_000), false);
  assert.equal(isWorthFinishing(500_000, 0), true);
  assert.equal(isWorthFinishing(-1, 6_000_000), false);
});
