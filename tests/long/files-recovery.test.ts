/** A cloud is lost and only its disks are left: `moln recover` and `moln files salvage` on a new one, byte for byte. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runQuietly } from '../../scripts/run.ts';
import { freePorts } from '../../testing/free-ports.ts';
import { step } from '../../testing/step.ts';
import { TestNode } from '../../testing/test-node.ts';

interface Recovery {
  readonly catalogues: readonly string[];
  readonly buckets: readonly string[];
  readonly kept: readonly string[];
  readonly sealed: number;
  readonly missingBlocks: number;
  readonly missing: readonly string[];
  readonly salvaged: number;
  readonly incomplete: readonly string[];
}

interface Info {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly contentType: string;
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('files of a cloud that is lost come back from its disks', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-recovery-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files: Record<string, Buffer> = {
    'dir/large': randomBytes(17 * 1024 * 1024 + 5),
    'dir/ümlaut %': randomBytes(300_000),
    inline: Buffer.from('lies in the catalogue'),
    packed: randomBytes(5000),
  };
  const sealed = randomBytes(200_000);
  const keyFile = join(folder, 'files.key');
  const data = join(folder, 'data');
  const spare = join(folder, 'spare');
  const before = new Map<string, Info>();

  const list = async (node: TestNode): Promise<readonly Info[]> =>
    (await node.json<{ objects: readonly Info[] }>('files', 'ls', 'data', '-r')).objects;
  const read = async (node: TestNode, key: string): Promise<string> => {
    const path = join(folder, 'out');
    await node.json('files', 'get', `data/${key}`, path);
    return hashOf(readFileSync(path));
  };

  {
    const [s3 = 0] = await freePorts('127.0.0.1', 1);
    await using node = await TestNode.start(t, {
      dataFolder: data,
      args: ['--s3-port', String(s3)],
    });
    await node.json('files', 'create', 'data', '--policy', '2 copies');
    await node.json('storage', 'add', spare, '--limit', '1GB');
    for (const [key, bytes] of Object.entries(files)) {
      writeFileSync(join(folder, 'in'), bytes);
      await node.json('files', 'put', join(folder, 'in'), `data/${key}`);
    }
    const { accessKeyId, secretAccessKey } = await node.json<Record<string, string>>(
      'files',
      'keys',
      'create',
    );
    writeFileSync(join(folder, 'in'), sealed);
    const who = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '-u', `${accessKeyId}:${secretAccessKey}`];
    const how = ['x-amz-server-side-encryption: AES256', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
    const fields = how.flatMap((line) => ['-H', line]);
    const to = `http://127.0.0.1:${s3}/data/sealed`;
    const put = await runQuietly(
      ['curl', '-sS', '--fail-with-body', '-T', join(folder, 'in'), ...who, ...fields, to],
      { timeoutMs: 30_000 },
    );
    assert.ok(put.ok, put.output);
    await node.json('files', 'recovery-key', keyFile);
    assert.equal(statSync(keyFile).mode & 0o777, 0o600);
    await node.json('files', 'mv', 'data/packed', 'data/renamed');
    files['renamed'] = files['packed'] ?? Buffer.alloc(0);
    delete files['packed'];
    writeFileSync(join(folder, 'in'), 'gone');
    await node.json('files', 'put', join(folder, 'in'), 'data/removed');
    await node.json('files', 'rm', 'data/removed');
    await node.json('files', 'checkpoint');
    for (const info of await list(node)) before.set(info.key, info);
    await node.kill();
  }
  const same = async (node: TestNode, keys: readonly string[]): Promise<void> => {
    assert.equal(await read(node, 'sealed'), hashOf(sealed));
    for (const key of keys)
      assert.equal(await read(node, key), hashOf(files[key] ?? Buffer.alloc(0)), key);
  };

  await step(
    t,
    'without the recovery key what is encrypted stays so, until it is given',
    async () => {
      await using node = await TestNode.start(t);
      const without = await node.cli('recover', data, spare);
      assert.equal(without.code, 1);
      assert.match(without.stdout, /1 file encrypted by the lost cloud: .*--key FILE/);
      assert.match((await node.cli('files', 'cat', 'data/sealed')).stderr, /not the key/);
      const again = await node.json<Recovery>('recover', data, spare, '--key', keyFile);
      assert.deepEqual([again.kept, again.sealed], [['data'], 0]);
      await same(node, Object.keys(files));
    },
  );

  await step(t, 'with the key at once: every object, with its name, time and tag', async () => {
    await using node = await TestNode.start(t);
    const found = await node.json<Recovery>('recover', data, spare, '--key', keyFile);
    assert.deepEqual([found.buckets, found.missingBlocks, found.incomplete], [['data'], 0, []]);
    assert.match(found.catalogues.join(), /s0\.sqlite/);
    await same(node, Object.keys(files));
    assert.deepEqual(new Map((await list(node)).map((info) => [info.key, info])), before);
    assert.equal((await node.json<Recovery>('recover', data, spare)).buckets.length, 0, 'twice');
  });

  await step(t, 'one disk alone: the checkpoint tells the names', async () => {
    const disk = join(folder, 'disk');
    cpSync(spare, disk, { recursive: true });
    await using node = await TestNode.start(t);
    const found = await node.json<Recovery>('recover', disk, '--key', keyFile);
    assert.match(found.catalogues.join(), /checkpoint/);
    assert.deepEqual([found.buckets, found.missingBlocks], [['data'], 0]);
    await same(node, Object.keys(files));
    assert.deepEqual(new Map((await list(node)).map((info) => [info.key, info])), before);
  });

  await step(t, 'bare blocks alone: what is larger than the catalogue keeps itself', async () => {
    await using node = await TestNode.start(t);
    const found = await node.json<Recovery>('files', 'salvage', spare, '--key', keyFile);
    assert.deepEqual([found.catalogues, found.salvaged, found.incomplete], [[], 4, []]);
    files['packed'] = files['renamed'] ?? Buffer.alloc(0);
    await same(node, ['dir/large', 'dir/ümlaut %', 'packed']);
    const nothing = await node.cli('recover', join(folder, 'nowhere'));
    assert.match(nothing.stderr, /Nothing can be brought back from/);
  });
});
