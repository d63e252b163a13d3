import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import {
  blobBytes,
  blobConformance,
  blobId,
  inPieces,
  putOptions,
} from '../../testing/blob-conformance.ts';
import { BlobNode } from '../../testing/blob-kit.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { systemClock } from '../base/time.ts';
import { BACKGROUND_BYTES_PER_SECOND_MIN, CLIENT_GRACE_MS, TURN_LOOK_MS } from './limits.ts';
import type { BlobStore } from './model.ts';
import { Pace } from './pace.ts';

blobConformance('in the background', async () => {
  const node = await BlobNode.start();
  const store = new Pace(systemClock).background(node.store);
  return { store, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
});

const SECOND = 1000;

/** Bytes that the background was allowed in so many seconds, by a process that looks at its timers every `lateMs`. */
async function movedIn(
  pace: Pace,
  clock: ManualClock,
  seconds: number,
  lateMs = TURN_LOOK_MS,
): Promise<number> {
  let moved = 0;
  const piece = 64 * 1024;
  let isOver = false;
  const mover = (async () => {
    while (!isOver) {
      await pace.turn(piece);
      moved += piece;
      // As a disk that is fast, but not without end.
      if (moved > 40 * BACKGROUND_BYTES_PER_SECOND_MIN) return;
    }
  })();
  for (let ms = 0; ms < seconds * SECOND; ms += lateMs) {
    for (let at = 0; at < 8; at += 1) await turn();
    clock.advance(lateMs);
  }
  isOver = true;
  clock.advance(SECOND);
  await mover;
  return moved;
}

test('the background moves at will while no client waits, and a little while one does', async () => {
  await using node = await BlobNode.start();
  const clock = new ManualClock();
  const pace = new Pace(clock);
  clock.advance(SECOND);
  assert.ok((await movedIn(pace, clock, 1)) > 20 * BACKGROUND_BYTES_PER_SECOND_MIN);

  const { store } = node;
  const stuck = Promise.withResolvers<void>();
  const slow: Partial<BlobStore> = { get: () => stuck.promise.then(() => store.get(blobId(1))) };
  await store.put(blobId(1), inPieces(blobBytes(1, 1000)), putOptions());
  const waiting = pace.clients(slow as BlobStore).get(blobId(1));
  // Of what it gets in a second, also where its timers are late.
  const moved = (await movedIn(pace, clock, 4)) / BACKGROUND_BYTES_PER_SECOND_MIN;
  assert.ok(moved >= 3.9 && moved < 4.3, `${moved} times the least`);
  const late = (await movedIn(pace, clock, 4, 5 * TURN_LOOK_MS)) / BACKGROUND_BYTES_PER_SECOND_MIN;
  assert.ok(late >= 3.9 && late < 4.3, `${late} times the least`);

  stuck.resolve();
  await waiting;
  clock.advance(CLIENT_GRACE_MS);
  assert.ok((await movedIn(pace, clock, 1)) > 20 * BACKGROUND_BYTES_PER_SECOND_MIN);
});

test('a client that is slow to send holds up nobody', async () => {
  await using node = await BlobNode.start();
  const clock = new ManualClock();
  const pace = new Pace(clock);
  const sent = Promise.withResolvers<void>();
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(10);
    await sent.promise;
    yield Buffer.alloc(10);
  }
  const put = pace.clients(node.store).put(blobId(1), slowly(), putOptions());
  for (let at = 0; at < 10; at += 1) await turn();
  clock.advance(SECOND);
  assert.ok((await movedIn(pace, clock, 1)) > 20 * BACKGROUND_BYTES_PER_SECOND_MIN);
  sent.resolve();
  assert.equal((await put).length, 20);
});
