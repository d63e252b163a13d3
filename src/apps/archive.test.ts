import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { type RawEntry, rawTar } from '../../testing/raw-tar.ts';
import { isMolnError } from '../base/errors.ts';
import { packFolder, unpackArchive } from './archive.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'moln-archive-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A pax header that gives the next entry another path. */
function paxPath(path: string): RawEntry {
  const text = ` path=${path}\n`;
  let length = text.length + 2;
  length = text.length + String(length).length;
  return { name: 'pax', type: 'x', content: `${length}${text}` };
}

async function packed(path: string): Promise<Buffer> {
  return buffer(packFolder(path));
}

test('a folder survives packing and unpacking', async (t) => {
  const from = await folder(t);
  const to = await folder(t);
  await mkdir(join(from, 'deep/er'), { recursive: true });
  await mkdir(join(from, 'empty'));
  await writeFile(join(from, 'deep/er/å ö.txt'), 'hej');
  await writeFile(join(from, 'big'), Buffer.alloc(300_000, 7));
  await writeFile(join(from, 'nothing'), '');
  await writeFile(join(from, `${'long'.repeat(40)}.txt`), 'a name that ustar cannot hold');
  await writeFile(join(from, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('deep/er/å ö.txt', join(from, 'link'));

  const result = await unpackArchive(packFolder(from), to);

  assert.deepEqual(result, { files: 5, bytes: 3 + 300_000 + 29 + 10 });
  assert.deepEqual(
    (await readdir(to, { recursive: true })).sort(),
    (await readdir(from, { recursive: true })).sort(),
  );
  assert.equal(await readFile(join(to, 'link'), 'utf8'), 'hej');
  assert.equal((await lstat(join(to, 'link'))).isSymbolicLink(), true);
  assert.equal((await lstat(join(to, 'run.sh'))).mode & 0o777, 0o755);
  assert.equal((await lstat(join(to, 'big'))).mode & 0o777, 0o644);
});

test('packing is deterministic and leaves out what is rebuilt or private', async (t) => {
  const [a, b] = [await folder(t), await folder(t)];
  for (const [index, path] of [a, b].entries()) {
    const names = ['z.txt', 'a.txt', 'B.txt'];
    for (const name of index === 0 ? names : names.toReversed())
      await writeFile(join(path, name), name);
    await writeFile(join(path, '.molnignore'), '# notes\n*.log\n/only-top\nsecret/\n!keep.log\n');
    await writeFile(join(path, 'x.log'), String(index));
    await writeFile(join(path, 'keep.log'), 'kept');
    await writeFile(join(path, '.env'), 'KEY=1');
    for (const name of ['.git', 'node_modules', 'secret', 'sub', 'myvenv'])
      await mkdir(join(path, name));
    await writeFile(join(path, 'node_modules/x.js'), String(index));
    await writeFile(join(path, 'secret/key'), String(index));
    await writeFile(join(path, 'myvenv/pyvenv.cfg'), String(index));
    await writeFile(join(path, 'only-top'), String(index));
    await writeFile(join(path, 'sub/only-top'), 'kept');
    await chmod(join(path, 'a.txt'), index === 0 ? 0o600 : 0o666);
  }
  assert.ok((await packed(a)).equals(await packed(b)));

  const to = await folder(t);
  const skipped: string[] = [];
  await unpackArchive(packFolder(a, { onSkipped: (path) => skipped.push(path) }), to);
  assert.deepEqual((await readdir(to, { recursive: true })).sort(), [
    'B.txt',
    'a.txt',
    'keep.log',
    'sub',
    'sub/only-top',
    'z.txt',
  ]);
  assert.deepEqual(skipped.sort(), ['.env', 'myvenv']);
});

test('packing refuses links that lead out, and folders that are not there', async (t) => {
  const from = await folder(t);
  await symlink('/etc/passwd', join(from, 'passwd'));
  await assert.rejects(packed(from), { code: 'APPS_ARCHIVE_REFUSED', message: /passwd/ });
  await rm(join(from, 'passwd'));
  await symlink('../x', join(from, 'up'));
  await assert.rejects(packed(from), { code: 'APPS_ARCHIVE_REFUSED' });
  await assert.rejects(packed(join(from, 'nowhere')), { code: 'APPS_FOLDER_MISSING' });
  await writeFile(join(from, 'file'), '');
  await assert.rejects(packed(join(from, 'file')), { code: /APPS_FOLDER_MISSING|ENOTDIR/ });
});

test('packing says when the folder is too large', async (t) => {
  const from = await folder(t);
  await writeFile(join(from, 'a'), Buffer.alloc(2000));
  await writeFile(join(from, 'b'), '');
  const pack = (limits: { filesMax: number; bytesMax: number }): Promise<Buffer> =>
    buffer(packFolder(from, { limits }));
  await assert.rejects(pack({ filesMax: 1, bytesMax: 9999 }), { code: 'APPS_ARCHIVE_TOO_LARGE' });
  await assert.rejects(pack({ filesMax: 9, bytesMax: 1999 }), { code: 'APPS_ARCHIVE_TOO_LARGE' });
  await pack({ filesMax: 2, bytesMax: 2000 });
});

const HOSTILE: readonly (readonly [string, readonly RawEntry[]])[] = [
  ['an absolute path', [{ name: '/etc/cron.d/x' }]],
  ['a path that leads up', [{ name: 'a/../../x' }]],
  ['a path that leads up and back', [{ name: 'a/../b' }]],
  ['just two dots', [{ name: '..', type: '5' }]],
  ['a path that leads up, in a pax header', [paxPath('../x'), { name: 'innocent' }]],
  ['a name that is not UTF-8', [{ name: 'a\xff\xfe' }]],
  [
    'a file twice',
    [
      { name: 'a', content: '1' },
      { name: './a', content: '2' },
    ],
  ],
  [
    'a folder twice',
    [
      { name: 'd/', type: '5' },
      { name: 'd', type: '5' },
    ],
  ],
  ['a file where a folder is', [{ name: 'd/a' }, { name: 'd' }]],
  ['a file below a file', [{ name: 'a' }, { name: 'a/b' }]],
  ['an absolute link', [{ name: 'l', type: '2', link: '/etc' }]],
  ['a link that leads up', [{ name: 'd/l', type: '2', link: '../..' }]],
  ['an empty link', [{ name: 'l', type: '2', link: '' }]],
  [
    'a file through a link',
    [
      { name: 'l', type: '2', link: 'd' },
      { name: 'l/x', content: 'x' },
    ],
  ],
  [
    'a file over a link',
    [
      { name: 'l', type: '2', link: 'd' },
      { name: 'l', content: 'x' },
    ],
  ],
  [
    'a link that leads out through another one',
    [
      { name: 'd/e/top', type: '2', link: '../..' },
      { name: 'x', type: '2', link: 'd/e/top/../y' },
    ],
  ],
  [
    'links in a circle',
    [
      { name: 'a', type: '2', link: 'b/x' },
      { name: 'b', type: '2', link: 'a/x' },
    ],
  ],
  ['a hard link to outside', [{ name: 'h', type: '1', link: '/etc/passwd' }]],
  ['a hard link that leads up', [{ name: 'h', type: '1', link: '../x' }]],
  ['a hard link to what comes later', [{ name: 'h', type: '1', link: 'a' }, { name: 'a' }]],
  [
    'a hard link to a link',
    [
      { name: 'l', type: '2', link: 'a' },
      { name: 'h', type: '1', link: 'l' },
    ],
  ],
  ['a character device', [{ name: 'null', type: '3' }]],
  ['a block device', [{ name: 'sda', type: '4' }]],
  ['a fifo', [{ name: 'pipe', type: '6' }]],
  ['an unknown type', [{ name: 'what', type: 'Z' }]],
  ['a path that is too long', [paxPath(`${'a/'.repeat(600)}x`), { name: 'short' }]],
  ['a name that is too long', [paxPath('n'.repeat(256)), { name: 'short' }]],
];

for (const [what, entries] of HOSTILE) {
  test(`unpacking refuses ${what}`, async (t) => {
    const outer = await folder(t);
    const to = join(outer, 'in/side');
    await mkdir(to, { recursive: true });
    await assert.rejects(unpackArchive(Readable.from([rawTar(entries)]), to), {
      code: 'APPS_ARCHIVE_REFUSED',
    });
    assert.deepEqual(await readdir(outer), ['in'], 'nothing was written outside');
  });
}

test('unpacking takes links and hard links that stay inside', async (t) => {
  const to = await folder(t);
  const archive = rawTar([
    { name: './', type: '5' },
    { name: './d/a', content: 'one' },
    { name: './d/l', type: '2', link: '../d/./a' },
    { name: './h', type: '1', link: './d/a' },
    { name: './dangling', type: '2', link: 'node_modules/x' },
    { name: './d', type: '5' },
  ]);
  assert.deepEqual(await unpackArchive(Readable.from([archive]), to), { files: 2, bytes: 6 });
  assert.equal(await readFile(join(to, 'd/l'), 'utf8'), 'one');
  await writeFile(join(to, 'h'), 'two');
  assert.equal(await readFile(join(to, 'd/a'), 'utf8'), 'one', 'a hard link becomes a copy');
});

test('unpacking keeps to its limits, whatever the archive says about sizes', async (t) => {
  const many = rawTar([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  const limits = { filesMax: 2, bytesMax: 10 };
  const large = { code: 'APPS_ARCHIVE_TOO_LARGE' };
  await assert.rejects(unpackArchive(Readable.from([many]), await folder(t), limits), large);
  const huge = rawTar([{ name: 'a', content: 'x', size: 8 * 1024 ** 3 - 1 }]);
  await assert.rejects(unpackArchive(Readable.from([huge]), await folder(t), limits), large);
  const linked = rawTar([
    { name: 'a', content: '123456' },
    { name: 'b', type: '1', link: 'a' },
  ]);
  await assert.rejects(unpackArchive(Readable.from([linked]), await folder(t), limits), large);
});

test('folders that no entry names count as well', async (t) => {
  const deep = rawTar([{ name: `${'d/'.repeat(40)}a` }]);
  await assert.rejects(
    unpackArchive(Readable.from([deep]), await folder(t), { filesMax: 20, bytesMax: 1000 }),
    { code: 'APPS_ARCHIVE_TOO_LARGE' },
  );
});

test('unpacking names no folder that only the node knows', async (t) => {
  const target = `${'x'.repeat(90)}/`.repeat(60);
  const link = rawTar([
    { name: 'l', type: 'K', content: `${target}\0` },
    { name: 'l', type: '2' },
  ]);
  await assert.rejects(unpackArchive(Readable.from([link]), await folder(t)), {
    code: 'APPS_ARCHIVE_REFUSED',
  });
});

test('unpacking refuses what is cut off or no archive', async (t) => {
  const whole = rawTar([{ name: 'a', content: 'x'.repeat(1000) }, { name: 'b' }]);
  const broken = { code: 'APPS_ARCHIVE_BROKEN' };
  for (const length of [0, 100, 512, 700, 1536, 2048, whole.length - 513]) {
    const cut = Readable.from([whole.subarray(0, length)], { objectMode: false });
    await assert.rejects(unpackArchive(cut, await folder(t)), broken, `${length} bytes`);
  }
  await assert.rejects(
    unpackArchive(Readable.from([Buffer.alloc(4096, 'x')]), await folder(t)),
    broken,
  );
  for (let size = 1; size < 700; size += 97) {
    const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
      whole.subarray(index * size, (index + 1) * size),
    );
    const result = await unpackArchive(Readable.from(pieces), await folder(t));
    assert.deepEqual(result, { files: 2, bytes: 1000 }, `pieces of ${size} bytes`);
  }
});

test('unpacking ends when the sender fails or the caller gives up', async (t) => {
  const source = new PassThrough();
  source.write(rawTar([{ name: 'a', content: 'x'.repeat(5000) }]).subarray(0, 1000));
  const failing = unpackArchive(source, await folder(t));
  source.destroy(new Error('the connection was reset'));
  await assert.rejects(failing, { code: 'APPS_ARCHIVE_BROKEN', message: /reset/ });

  const endless = new PassThrough();
  const stop = new AbortController();
  const waiting = unpackArchive(endless, await folder(t), undefined, stop.signal);
  stop.abort(new Error('gave up'));
  await assert.rejects(waiting, /gave up/);
  if (!endless.closed) await once(endless, 'close');
  assert.equal(isMolnError(stop.signal.reason), false);
});
