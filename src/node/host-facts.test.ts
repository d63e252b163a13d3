import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { diskFullMiB, HostMeter } from './host-facts.ts';

test('a disk that does not answer costs its own figures and no others', async () => {
  const dataFolder = await mkdtemp(join(tmpdir(), 'moln-facts-'));
  const clock = new ManualClock();
  const meter = new HostMeter({ dataFolder, clock });
  const before = meter.read();
  assert.ok(before.disk.totalBytes > 0);
  await rm(dataFolder, { recursive: true });
  clock.advance(1000);
  const after = meter.read();
  assert.deepEqual(after.disk, before.disk);
  assert.ok(after.memory.totalBytes > 0);
  const fresh = new HostMeter({ dataFolder, clock });
  assert.deepEqual(fresh.read().disk, { totalBytes: 0, freeBytes: 0 });
});

test('a disk is full when little is left of it, by size and by share', () => {
  const MIB = 1024 ** 2;
  const left = (freeMiB: number, totalMiB: number): number | undefined =>
    diskFullMiB({ totalBytes: totalMiB * MIB, freeBytes: freeMiB * MIB });
  assert.equal(left(400, 100_000), 400);
  assert.equal(left(600, 100_000), undefined);
  assert.equal(left(100, 256), undefined);
  assert.equal(left(10, 256), 10);
  assert.equal(left(0, 0), undefined);
});
