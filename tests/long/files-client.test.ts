/** Files as a user of the machine has them: a large put that is cut goes on where it was, and a bucket is a folder of the system (davfs2). */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runQuietly } from '../../scripts/run.ts';
import { step } from '../../testing/step.ts';
import { TestNode } from '../../testing/test-node.ts';
import { ask } from '../../testing/http.ts';
import { freePorts } from '../../testing/free-ports.ts';
import { until } from '../../testing/until.ts';

const MIB = 1024 * 1024;
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** From now on what is put there is encrypted by a key that the cluster derives for a name: entity tags are not MD5 then. */
async function encryptByName(
  node: TestNode,
  { bucket, port }: { readonly bucket: string; readonly port: number },
): Promise<void> {
  const key = await node.json<{ accessKeyId: string; secretAccessKey: string }>(
    'files',
    'keys',
    'create',
  );
  const rule = `{'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms', 'KMSMasterKeyID': 'films'}}`;
  const script =
    `import boto3; boto3.client('s3', endpoint_url='http://${node.address}:${port}', region_name='us-east-1', aws_access_key_id='${key.accessKeyId}', ` +
    `aws_secret_access_key='${key.secretAccessKey}').put_bucket_encryption(Bucket='${bucket}', ServerSideEncryptionConfiguration={'Rules': [${rule}]})`;
  const { ok, output } = await runQuietly(['/usr/bin/python3', '-c', script], {
    timeoutMs: 60_000,
  });
  assert.ok(ok, output);
}

interface Part {
  readonly number: number;
  readonly modifiedAt: number;
}

test('files of a machine: large ones, and a mount', async (t) => {
  const [webdav = 0, s3 = 0] = await freePorts('127.0.0.1', 2);
  await using node = await TestNode.start(t, {
    args: ['--webdav-port', String(webdav), '--s3-port', String(s3)],
  });
  const folder = mkdtempSync(join(tmpdir(), 'moln-client-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await node.json('files', 'create', 'data');

  await step(t, 'a put that is cut goes on where it was', async () => {
    const large = randomBytes(140 * MIB + 3);
    writeFileSync(join(folder, 'large'), large);
    const { token } = await node.json<{ token: string }>(
      'token',
      'create',
      '--name',
      't',
      '--scope',
      'read',
    );
    const get = async <T>(path: string): Promise<T> => {
      const headers = { authorization: `Bearer ${token}` };
      const where = { address: node.address, port: node.ports.api };
      const answer = await ask({ ...where, host: `localhost:${node.ports.api}`, path, headers });
      return JSON.parse(answer.body) as T;
    };
    const parts = async (bucket = 'data'): Promise<readonly Part[]> => {
      const path = `/files/${bucket}/large`;
      const { uploads } = await get<{ uploads: { upload: string }[] }>(`${path}?uploads`);
      const [first] = uploads;
      if (first === undefined) return [];
      return (await get<{ parts: Part[] }>(`${path}?upload=${first.upload}`)).parts;
    };
    await node.json('files', 'create', 'sealed');
    await encryptByName(node, { bucket: 'sealed', port: s3 });
    for (const bucket of ['data', 'sealed']) {
      const put = ['files', 'put', join(folder, 'large'), `${bucket}/large`] as const;
      await using cut = node.follow(...put);
      const before = await until('a part is there', async () => {
        const now = await parts(bucket);
        return now.length > 0 ? now : undefined;
      });
      process.kill(cut.pid, 'SIGKILL');
      await cut.ended();
      const left = await parts(bucket);
      assert.ok(left.length >= before.length && left.length < 5);
      await using again = node.follow(...put);
      await until('another part is there', async () => (await parts(bucket)).length > left.length);
      process.kill(again.pid, 'SIGKILL');
      await again.ended();
      const now = await parts(bucket);
      assert.deepEqual(now.slice(0, left.length), left, 'what was there is not sent again');
      await node.json(...put);
      await node.json('files', 'get', `${bucket}/large`, join(folder, 'back'));
      assert.equal(hashOf(readFileSync(join(folder, 'back'))), hashOf(large));
    }
    mkdirSync(join(folder, 'big'));
    renameSync(join(folder, 'large'), join(folder, 'big', 'large'));
    const same = await node.json<{ same: number }>('files', 'sync', join(folder, 'big'), 'data');
    assert.equal(same.same, 1, 'the tag of parts is known');
    await node.json('files', 'rm', 'data/large');
    const other = join(folder, 'other');
    writeFileSync(other, randomBytes(70 * MIB));
    await using foreign = node.follow('files', 'put', other, 'data/large');
    await until('a part of another file is there', async () => (await parts()).length > 0);
    process.kill(foreign.pid, 'SIGKILL');
    await foreign.ended();
    const foreignParts = await parts();
    await node.json('files', 'put', join(folder, 'big', 'large'), 'data/large');
    assert.deepEqual(await parts(), foreignParts, 'what is of another client is left alone');
    await node.json('files', 'get', 'data/large', join(folder, 'back'));
    assert.equal(hashOf(readFileSync(join(folder, 'back'))), hashOf(large));
    await node.json('files', 'rm', 'data/large');
  });

  await step(t, 'a bucket is a folder of the system', async () => {
    const dir = join(folder, 'mnt');
    await node.json('mount', 'data', dir);
    try {
      mkdirSync(join(dir, 'sub'));
      const bytes = randomBytes(3 * MIB + 1);
      writeFileSync(join(dir, 'sub', 'ü 1%.bin'), bytes);
      writeFileSync(join(dir, 'note'), 'hello');
      renameSync(join(dir, 'note'), join(dir, 'sub', 'note'));
      assert.deepEqual(readdirSync(join(dir, 'sub')).toSorted(), ['note', 'ü 1%.bin']);
      await until('what was written is in the bucket', async () => {
        const { objects } = await node.json<{ objects: { key: string; size: number }[] }>(
          'files',
          'ls',
          'data',
          '-r',
        );
        return objects.filter(({ size }) => size > 0).length === 2;
      });
      await node.json('files', 'get', 'data/sub/ü 1%.bin', join(folder, 'back'));
      assert.equal(hashOf(readFileSync(join(folder, 'back'))), hashOf(bytes));
      assert.match((await node.cli('mount', 'data', dir)).stderr, /mounted at .* already/);
    } finally {
      await node.json('unmount', dir);
    }
    assert.deepEqual(readdirSync(dir), []);
    const tokens = await node.json<{ name: string }[]>('token', 'list');
    assert.ok(!tokens.some(({ name }) => name.startsWith('mount ')), 'its token ended with it');
    await node.json('mount', 'data/sub', dir, '--read-only');
    try {
      assert.equal(readFileSync(join(dir, 'note'), 'utf8'), 'hello');
      assert.throws(() => writeFileSync(join(dir, 'new'), 'x'));
    } finally {
      await node.json('unmount', dir);
    }
    assert.match((await node.cli('mount', 'nothing', dir)).stderr, /There is no bucket/);
  });
});
