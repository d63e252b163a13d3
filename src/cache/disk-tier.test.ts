import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { bodyOf, contents, storedOf, testTier } from '../../testing/tier-conformance.ts';
import { isMolnError } from '../base/errors.ts';
import { DiskTier } from './disk-tier.ts';

testTier('disk', async (bytesMax) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-cache-'));
  const tier = await DiskTier.open({
    folder,
    bytesMax,
    onTrouble: (error) => {
      throw error;
    },
  });
  return {
    tier,
    [Symbol.asyncDispose]: async () => {
      await tier[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
});

/** A folder of its own, in which a tier is opened again and again. */
async function folderOf(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-cache-'));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

const BYTES_MAX = 8 * 1024 * 1024;

/** Numbered bodies under numbered keys, of which every third was removed again. */
async function fill(folder: string, count = 60): Promise<void> {
  await using tier = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
  for (let index = 0; index < count; index++) {
    const key = `k${index}`;
    await tier.set(key, [storedOf(key, bodyOf(`old${index}`, 5000), { stamp: index })]);
    await tier.set(key, [storedOf(key, bodyOf(key, sizeOf(index)), { stamp: index })]);
    if (index % 3 === 0) await tier.set(key, []);
  }
}

const sizeOf = (index: number): number => (index % 10 === 1 ? 100_000 : 3000);

/** How many are there. What is there must be what was set last. */
async function countRight(folder: string, count = 60): Promise<number> {
  await using tier = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
  let right = 0;
  for (let index = 0; index < count; index++) {
    for (const [, stamp, body] of await contents(tier, `k${index}`)) {
      assert.equal(body, bodyOf(`k${index}`, sizeOf(index)).toString('latin1'));
      assert.equal(stamp, index);
      assert.notEqual(index % 3, 0, 'what was removed is there again');
      right++;
    }
  }
  return right;
}

test('everything is there after a restart, and what was removed is not', async (context) => {
  const folder = await folderOf(context);
  await fill(folder);
  assert.equal(await countRight(folder), 40);
  assert.equal(await countRight(folder), 40);
  await using tier = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
  assert.equal(tier.lastStamp, 59);
});

test('a smaller budget after a restart is kept to', async (context) => {
  const folder = await folderOf(context);
  await fill(folder, 600);
  await using tier = await DiskTier.open({ folder, bytesMax: 2 * 1024 * 1024 });
  assert(tier.stats.bytes <= 2 * 1024 * 1024);
  assert(tier.stats.keys > 0);
});

test('a folder is one process’s at a time', async (context) => {
  const folder = await folderOf(context);
  const first = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
  await assert.rejects(DiskTier.open({ folder, bytesMax: BYTES_MAX }), (error) =>
    isMolnError(error, 'CACHE_FOLDER_TAKEN'),
  );
  await first[Symbol.asyncDispose]();
  await using _second = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
});

test('files cut off anywhere lose their ends and nothing else', async (context) => {
  const random = seeded(7);
  const template = await folderOf(context);
  await fill(template);
  for (let round = 0; round < 30; round++) {
    const folder = await folderOf(context);
    await cp(template, folder, { recursive: true });
    const path = join(folder, random.pick(await readdir(folder)));
    await truncate(path, random.below((await readFile(path)).length));
    await using tier = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
    for (let index = 0; index < 60; index++) {
      for (const [, , body] of await contents(tier, `k${index}`)) {
        // Records that were cut off were not said yet, so what they replaced may be there.
        const written = [bodyOf(`k${index}`, sizeOf(index)), bodyOf(`old${index}`, 5000)];
        assert(written.some((one) => one.toString('latin1') === body));
      }
    }
  }
});

test('damaged bytes anywhere are a miss, and bring nothing back', async (context) => {
  const random = seeded(11);
  const template = await folderOf(context);
  await fill(template);
  let lost = 0;
  for (let round = 0; round < 60; round++) {
    const folder = await folderOf(context);
    await cp(template, folder, { recursive: true });
    const path = join(folder, random.pick(await readdir(folder)));
    const bytes = await readFile(path);
    for (let flips = random.below(6) + 1; flips > 0; flips--) {
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    }
    await writeFile(path, bytes);
    if ((await countRight(folder)) < 40) lost++;
  }
  assert(lost > 20, `only ${lost} damages did anything`);
});

test('files of another version, empty and foreign files harm nobody', async (context) => {
  const folder = await folderOf(context);
  await fill(folder, 10);
  await writeFile(join(folder, '0000000900.keys'), 'MOLNCK99 and more');
  await writeFile(join(folder, '0000000900.blocks'), 'bytes');
  await writeFile(join(folder, '0000000901.blocks'), '');
  await writeFile(join(folder, '0000000902.keys'), '');
  await writeFile(join(folder, 'notes.txt'), 'mine');
  assert.equal(await countRight(folder, 10), 0, 'nobody knows what the other version removed');
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('00000009')),
    [],
  );
  assert.equal(await readFile(join(folder, 'notes.txt'), 'utf8'), 'mine');
});

/** Two keys and one that was removed, written by the first version with this format. */
test('the golden files of format 1 are read', async (context) => {
  const folder = await folderOf(context);
  for (const name of ['disk-1.keys', 'disk-1.blocks']) {
    const golden = join(import.meta.dirname, 'golden', name);
    await cp(golden, join(folder, name.replace('disk-1', '0000000001')));
  }
  await using tier = await DiskTier.open({ folder, bytesMax: BYTES_MAX });
  assert.deepEqual(
    (await contents(tier, 'small')).map(([{ etag, tags }, stamp, body]) => [
      etag,
      tags,
      stamp,
      body,
    ]),
    [['"e"', ['t', 'u'], 7, 'golden body']],
  );
  const [part] = await contents(tier, 'part');
  assert.equal(part?.[2], bodyOf('part', 3000).toString('latin1'));
  assert.deepEqual(part[0].spans, [{ first: 5, last: 3004 }]);
  assert.deepEqual(await contents(tier, 'gone'), []);
  assert.equal(tier.lastStamp, 9);
});
