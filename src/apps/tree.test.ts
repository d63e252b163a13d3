import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { hashTree, listTree, verifyTree } from './tree.ts';

async function goldenTree(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'moln-tree-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  await mkdir(join(path, 'a/empty'), { recursive: true });
  await writeFile(join(path, 'a/b.txt'), 'hello\n');
  await writeFile(join(path, 'a-b'), '');
  await writeFile(join(path, 'run'), '#!/bin/sh\n');
  await chmod(join(path, 'run'), 0o755);
  await symlink('a/b.txt', join(path, 'link'));
  return path;
}

/** Release ids are made of it: another value makes every source a new release. */
const GOLDEN = '01d1a858a74d31db610663bf53a132488ffc9297efa7dd19ad3a7b7d7ae5e559';

test('the hash of a tree is what it always was', async (t) => {
  const path = await goldenTree(t);
  assert.deepEqual(await hashTree(path), { hash: GOLDEN, files: 4, bytes: 16 });
  assert.deepEqual(
    (await listTree(path)).map(({ path: name, kind }) => `${kind} ${name}`),
    ['d a', 'f a-b', 'f a/b.txt', 'd a/empty', 'l link', 'x run'],
  );
});

test('times and permissions of others do not count', async (t) => {
  const path = await goldenTree(t);
  await utimes(join(path, 'a/b.txt'), 1, 1);
  await chmod(join(path, 'a/b.txt'), 0o600);
  await chmod(join(path, 'run'), 0o700);
  assert.equal((await hashTree(path)).hash, GOLDEN);
});

const CHANGES: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ['content', (path) => writeFile(join(path, 'a/b.txt'), 'hello!')],
  ['the executable bit', (path) => chmod(join(path, 'run'), 0o644)],
  ['one more empty folder', (path) => mkdir(join(path, 'a/empty2')).then(() => undefined)],
  ['a missing file', (path) => rm(join(path, 'a-b'))],
  [
    'the target of a link',
    async (path) => {
      await rm(join(path, 'link'));
      await symlink('a-b', join(path, 'link'));
    },
  ],
  [
    'a file instead of a link',
    async (path) => {
      await rm(join(path, 'link'));
      await writeFile(join(path, 'link'), 'a/b.txt');
    },
  ],
  [
    'a large file',
    async (path) => {
      await writeFile(join(path, 'a-b'), Buffer.alloc(1024 * 1024 + 1));
    },
  ],
];

for (const [what, change] of CHANGES) {
  test(`${what} makes another hash`, async (t) => {
    const path = await goldenTree(t);
    await verifyTree(path, GOLDEN);
    await change(path);
    await assert.rejects(verifyTree(path, GOLDEN), { code: 'APPS_TREE_CHANGED' });
  });
}
