import assert from 'node:assert/strict';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../base/time.ts';
import { LOOK_EVERY_MS } from './limits.ts';
import { Room } from './room.ts';

test('a look that failed is none: who looks next is told so, too', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-room-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'disk');
  await rename(await mkdtemp(join(folder, 'new-')), path);
  let skippedMs = 0;
  const clock = { monotonicMs: () => systemClock.monotonicMs() + skippedMs };
  const room = new Room({ path, rules: { limitBytes: undefined, keepFree: 0 }, clock });
  await room.look();
  assert.ok(room.diskBytes > 0);
  await rename(path, `${path}-away`);
  skippedMs += 2 * LOOK_EVERY_MS;
  for (let times = 0; times < 2; times += 1) await assert.rejects(room.look(), { code: 'ENOENT' });
});
