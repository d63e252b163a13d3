import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataFolder } from './data-folder.ts';

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-data-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('one agent at a time has the folder, and the refusal says who', async () => {
  await withFolder(async (folder) => {
    {
      await using first = await openDataFolder(folder);
      assert.equal(first.folder.registry, join(folder, 'registry.sqlite'));
      await assert.rejects(openDataFolder(folder), {
        code: 'NODE_RUNNING',
        message: new RegExp(`already runs on the data folder .* as process ${process.pid}$`),
      });
    }
    await using again = await openDataFolder(folder);
    assert.equal(again.folder.path, folder);
  });
});

test('what is private is closed to other users, apps may pass through', async () => {
  await withFolder(async (folder) => {
    await using lock = await openDataFolder(folder);
    const modes = [lock.folder.path, lock.folder.apps, lock.folder.keys, lock.folder.run].map(
      async (path) => ((await stat(path)).mode & 0o777).toString(8),
    );
    assert.deepEqual(await Promise.all(modes), ['711', '711', '700', '700']);
  });
});

test('a newer or damaged folder is refused and left as it was', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'format.json');
    await writeFile(path, '{"format":9}');
    await assert.rejects(openDataFolder(folder), {
      code: 'DATA_TOO_NEW',
      message: 'The data folder has format 9, this Moln knows up to 1',
    });
    assert.equal(await readFile(path, 'utf8'), '{"format":9}');
    await writeFile(path, 'garbage');
    await assert.rejects(openDataFolder(folder), { code: 'DATA_DAMAGED' });
    await writeFile(path, '{"format":1}');
    await using fixed = await openDataFolder(folder);
    assert.equal(fixed.folder.path, folder);
  });
});

test('a path that is a file is a sentence', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(openDataFolder(join(folder, 'file')), { code: 'DISK_NOT_A_FOLDER' });
  });
});
