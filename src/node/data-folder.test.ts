import assert from 'node:assert/strict';
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MolnError } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
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
      first.keep();
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

test('a start that fails leaves a new folder as it was', async () => {
  await withFolder(async (folder) => {
    await chmod(folder, 0o750);
    for (const path of [folder, join(folder, 'new')]) {
      const lock = await openDataFolder(path);
      await writeFile(lock.folder.registry, 'half a start');
      await lock[Symbol.asyncDispose]();
    }
    assert.deepEqual(await readdir(folder), []);
    assert.equal((await stat(folder)).mode & 0o777, 0o750);
  });
});

test('a folder with the files of others is refused and not touched', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'thesis.txt'), 'two years of work');
    await assert.rejects(openDataFolder(folder), { code: 'DATA_FOREIGN' });
    assert.deepEqual(await readdir(folder), ['thesis.txt']);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
  });
});

test('what a start left that was killed in its first write is swept away', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'format.json.tmp-0123456789ab'), '{"for');
    await using lock = await openDataFolder(folder);
    lock.keep();
    assert.deepEqual((await readdir(folder)).toSorted(), [
      'apps',
      'format.json',
      'keys',
      'logs',
      'run',
    ]);
  });
});

test(
  'a folder that another user owns is refused: he could put other keys into it',
  { skip: process.getuid?.() !== 0 },
  async () => {
    await withFolder(async (folder) => {
      await chown(folder, 54_321, 54_321);
      await assert.rejects(openDataFolder(folder), {
        code: 'DATA_FOREIGN',
        message: `"${folder}" belongs to another user (uid 54321)`,
      });
      assert.deepEqual(await readdir(folder), []);
    });
  },
);

test('a lock that somebody else took is not called a running node', async () => {
  await withFolder(async (folder) => {
    {
      await using lock = await openDataFolder(folder);
      lock.keep();
    }
    const gone = { pid: process.pid, startTicks: 1 };
    await writeFile(join(folder, 'run', 'agent.json'), JSON.stringify(gone));
    const squatter = createServer();
    const name = `moln-${sha256Hex(folder).slice(0, 32)}`;
    await new Promise<void>((done) => squatter.listen({ path: `\0${name}` }, done));
    await assert.rejects(openDataFolder(folder), (error: MolnError) => {
      assert.match(error.message, /held by a process that is not its last agent/);
      assert.ok(error.hint?.includes(name));
      return true;
    });
    await new Promise((done) => squatter.close(done));
  });
});
