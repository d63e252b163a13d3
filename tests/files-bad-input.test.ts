/** Mistakes of who uses `moln files` and `moln storage`: each has its sentence, its exit code, and changes nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask } from '../testing/http.ts';
import { TestNode } from '../testing/test-node.ts';

test('mistakes with files are said in one sentence', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-mistakes-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await using node = await TestNode.start(t);
  const says = async (code: number, pattern: RegExp, ...words: readonly string[]) => {
    const result = await node.cli(...words);
    assert.match(result.stderr, pattern, words.join(' '));
    assert.doesNotMatch(result.stderr, /\n +at /, 'no stack of ours');
    assert.equal(result.code, code, result.stderr);
  };
  const file = join(folder, 'file');
  const large = join(folder, 'large');
  writeFileSync(file, 'x');
  writeFileSync(large, Buffer.alloc(100_000, 'x'));
  mkdirSync(join(folder, 'site'));
  await node.json('files', 'create', 'photos');
  const { token } = await node.json<{ token: string }>(
    'token',
    'create',
    '--name',
    'app',
    '--scope',
    'deploy',
  );
  const host = `localhost:${node.ports.api}`;

  await t.test('what is here', async () => {
    const site = join(folder, 'site');
    await says(2, /"\S+" is a folder\n.*-r/, 'files', 'put', site, 'photos/');
    await says(2, /cannot be read\n.*ENOENT/, 'files', 'put', join(folder, 'no'), 'photos/');
    await says(2, /no folder that can be read/, 'files', 'put', '-r', file, 'photos/');
    await says(2, /cannot be read\n.*ENOENT/, 'files', 'append', 'photos/a', join(folder, 'no'));
    await says(2, /is a folder/, 'files', 'append', 'photos/a', site);
  });

  await t.test('what is there', async () => {
    for (const words of [['get'], ['cat'], ['undelete'], ['append']]) {
      await says(2, /names a bucket, not a file/, 'files', ...words, 'photos');
      await says(2, /names a bucket, not a file/, 'files', ...words, 'photos/');
    }
    await says(2, /names a bucket, not a file/, 'files', 'mv', 'photos', 'photos/x');
  });

  await t.test('an access key is for buckets that are there', async () => {
    for (const right of ['--read', '--write'])
      await says(1, /There is no bucket "fotos"/, 'files', 'keys', 'create', right, 'fotos');
    assert.deepEqual(await node.json('files', 'keys', 'list'), []);
  });

  await t.test('long heads are taken as the API takes them', async () => {
    const put = ['files', 'put', file, 'photos/plain'] as const;
    await node.json(...put);
    for (const [length, wanted] of [
      [20_000, 200],
      [40_000, 431],
    ] as const) {
      const headers = { authorization: `Bearer ${token}`, 'x-long': 'x'.repeat(length) };
      const to = { address: node.address, port: node.ports.api, host, headers };
      assert.equal((await ask({ ...to, path: '/files/photos/plain' })).status, wanted);
    }
  });

  await t.test('names that a folder cannot have are left out, and said', async () => {
    for (const key of ['d/a', 'd/a/b', 'd//c', 'd/e'])
      await node.json('files', 'put', file, `photos/${key}`);
    for (const [key, body] of [
      ['folder/', ''],
      ['full/', 'x'],
    ]) {
      const { status } = await ask({
        address: node.address,
        port: node.ports.api,
        host,
        method: 'PUT',
        path: `/files/photos/d/${key}`,
        headers: { authorization: `Bearer ${token}`, 'content-length': String(body?.length) },
        body: body ?? '',
      });
      assert.equal(status, 201);
    }
    await node.json('files', 'put', file, 'photos/d/folder/x');
    for (const words of [['get', '-r'], ['sync']]) {
      const to = join(folder, words[0] ?? '');
      const result = await node.cli('files', ...words, 'photos/d/', to);
      assert.equal(result.code, 1, result.stderr);
      assert.match(result.stderr, /Left out.*d\/a/);
      assert.match(result.stderr, /Left out.*d\/\/c/);
      assert.match(result.stderr, /Left out.*d\/full\//);
      assert.doesNotMatch(result.stderr, /Left out.*folder/);
      assert.equal(readFileSync(join(to, 'folder', 'x'), 'utf8'), 'x');
      assert.equal(readFileSync(join(to, 'e'), 'utf8'), 'x');
      assert.ok(readdirSync(to).every((name) => !name.includes('.tmp-')));
    }
  });

  await t.test('what is larger than all disks is refused before it is sent', async () => {
    const lines = [`Host: ${host}`, `Authorization: Bearer ${token}`, 'Expect: 100-continue'];
    const socket = connect(node.ports.api, node.address);
    socket.write(
      `PUT /files/photos/huge HTTP/1.1\r\n${lines.join('\r\n')}\r\nContent-Length: 99999999999999\r\n\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    assert.match(answer.toString(), /^HTTP\/1.1 507 /);
  });

  await t.test('what a quota has no room for is refused before its first part', async () => {
    const huge = join(folder, 'huge');
    writeFileSync(huge, '');
    truncateSync(huge, 70 * 1024 * 1024);
    await node.json('files', 'create', 'narrow');
    await node.json('files', 'quota', 'narrow', '40MB');
    await says(1, /may hold 38\.1 MiB/, 'files', 'put', huge, 'narrow/');
    const buckets = await node.json<readonly { name: string; bytes: number }[]>('files', 'buckets');
    assert.equal(buckets.find(({ name }) => name === 'narrow')?.bytes, 0);
  });

  await t.test('policies that nothing can meet say which copies lack', async () => {
    const { stderr } = await node.cli('files', 'policy', 'photos', '2 copies: east, west');
    assert.match(stderr, /No storage is there now for: east, west/);
    const put = ['files', 'put', large, 'photos/degraded'] as const;
    await says(1, /no storage is there for 2 of 2 copies \(east, west\)/, ...put);
    await node.cli('files', 'policy', 'photos', '2 copies: any, west; must');
    await says(1, /no storage is there for 1 of 2 copies \(west\)/, ...put);
    await node.cli('files', 'policy', 'photos', '2 copies: any, west');
    await node.json(...put);
    const why = await node.json<{ sentence: string }>('files', 'why', 'photos/degraded');
    assert.match(why.sentence, /west/);
  });

  await t.test('storages where there can be none', async () => {
    const none = /Folder "\/proc\/none\/x" cannot be made there/;
    await says(1, none, 'storage', 'add', '/proc/none/x');
    await says(1, /is not a folder/, 'storage', 'add', join(file, 'x'));
  });
});
