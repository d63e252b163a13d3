/**
 * Invariant 1 of the design: a full disk loses nothing that was acknowledged. A small disk of its own is filled up; then
 * space is made and the same registry goes on.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { openSqliteRegistry, type Registry } from '../src/registry/registry.ts';
import { SmallDisk } from '../testing/small-disk.ts';

const DISK_BYTES = 4 * 1024 * 1024;
const BALLAST_BYTES = 2 * 1024 * 1024;

async function valuesOf(registry: Registry): Promise<ReadonlyMap<string, string>> {
  const { entries } = await registry.list('');
  return new Map(entries.map(({ key, value }) => [key, Buffer.from(value).toString('latin1')]));
}

test('a full disk loses nothing, and the registry goes on when there is room', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-full-'));
  const disk = SmallDisk.mount(context, folder, DISK_BYTES);
  if (disk === undefined) return context.skip('cannot mount a small disk here');
  const path = join(folder, 'registry.sqlite');
  const open = (): Promise<Registry> =>
    openSqliteRegistry({ path, clock: systemClock, log: silentLogger });
  const registry = await open();
  const wanted = new Map<string, string>();
  const put = async (key: string, value: string): Promise<void> => {
    await registry.commit([], [{ kind: 'put', key, value: Buffer.from(value, 'latin1') }]);
    wanted.set(key, value);
  };
  await put('/first', 'kept');
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(BALLAST_BYTES));

  const fill = async (): Promise<void> => {
    for (let count = 0; count < 1000; count++) await put(`/fill/${count}`, 'x'.repeat(20_000));
  };
  await assert.rejects(fill(), (error) => isMolnError(error, 'DISK_FULL'));
  await assert.rejects(put('/more', 'x'.repeat(100_000)), (error) =>
    isMolnError(error, 'DISK_FULL'),
  );
  assert.ok(wanted.size > 10);
  assert.deepEqual(await valuesOf(registry), wanted);

  rmSync(join(folder, 'ballast'));
  await put('/more', 'there is room again');
  assert.deepEqual(await valuesOf(registry), wanted);
  const { revision } = await registry.list('');
  assert.equal(revision, wanted.size, 'what failed left no revision behind');
  await registry[Symbol.asyncDispose]();

  const again = await open();
  assert.deepEqual(await valuesOf(again), wanted);
  await again[Symbol.asyncDispose]();
});
