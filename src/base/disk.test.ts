import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  diskError,
  ensureFolder,
  ensureFolderSync,
  requireSpace,
  sweepTemporary,
  writeFileAtomic,
} from './disk.ts';
import { isMolnError } from './errors.ts';

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-disk-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a file is replaced whole, private by default, without leftovers', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'state.json');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, 'two');
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['state.json']);
  });
});

test('what a crash left behind is swept, other files are not', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'a.tmp-0123456789ab'), '');
    await ensureFolder(join(folder, 'b.tmp-ba9876543210', 'deep'));
    await writeFile(join(folder, 'a.tmp-notours'), '');
    await sweepTemporary(folder);
    assert.deepEqual(await readdir(folder), ['a.tmp-notours']);
  });
});

test('a folder that cannot be made is a sentence, also below what takes no folders', async () => {
  await withFolder(async (folder) => {
    await ensureFolder(join(folder, 'a', 'b', 'c'));
    await ensureFolder(join(folder, 'a', 'b', 'c'));
    ensureFolderSync(join(folder, 'a', 'd', 'e'));
    assert.deepEqual(await readdir(join(folder, 'a')), ['b', 'd']);
    await writeFile(join(folder, 'file'), '');
    const isSaid = (error: unknown) => isMolnError(error, 'DISK_NOT_A_FOLDER');
    for (const bad of [join(folder, 'file'), join(folder, 'file', 'x'), '/proc/none/x']) {
      await assert.rejects(ensureFolder(bad), isSaid);
      assert.throws(() => ensureFolderSync(bad), isSaid);
    }
  });
});

test('a full disk and a closed folder are sentences', () => {
  const full = diskError(Object.assign(new Error('x'), { code: 'ENOSPC' }), '/srv');
  assert.ok(isMolnError(full, 'DISK_FULL'));
  assert.match(full.message, /disk of "\/srv" is full/);
  assert.ok(isMolnError(diskError(Object.assign(new Error('x'), { code: 'EACCES' }), '/srv')));
  const other = new Error('other');
  assert.equal(diskError(other, '/srv'), other);
});

test('space is checked before a large write', () => {
  requireSpace(tmpdir(), 1);
  assert.throws(() => requireSpace(tmpdir(), 2 ** 60), /are needed/);
});
