/** Rests that end early, on the embedded registry, with a clock by hand. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { putOf } from '../../testing/registry-kit.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import { Attention } from './attention.ts';

const LONG_MS = 60_000;

test('a rest ends when something has changed, and when its time is over', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-attention-'));
  const clock = new ManualClock();
  const log = silentLogger;
  const registry = await openSqliteRegistry({ path: join(folder, 'r.sqlite'), clock, log });
  const attention = new Attention({ registry, prefixes: ['/a/', '/b/'], clock, log });
  context.after(async () => {
    attention[Symbol.dispose]();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const { signal } = new AbortController();
  attention.start();
  // The clock stands still: whatever ends was ended by a change. Each prefix is news when it is first read.
  await attention.rest(LONG_MS, signal);
  await registry.commit([], [putOf('/a/x', '1')]);
  await attention.rest(LONG_MS, signal);
  await registry.commit([], [putOf('/b/x', '1')]);
  await attention.rest(LONG_MS, signal);
  attention.notice();
  await attention.rest(LONG_MS, signal);

  const stop = new AbortController();
  const stopped = attention.rest(LONG_MS, stop.signal);
  stop.abort();
  await stopped;

  let isOver = false;
  const resting = attention.rest(LONG_MS, signal).then(() => (isOver = true));
  await registry.commit([], [putOf('/c/x', '1')]);
  assert.equal(isOver, false, 'what is elsewhere is no news');
  clock.advance(LONG_MS);
  await resting;
});
