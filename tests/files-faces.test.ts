/** The faces of the file store on a real node, by clients that are not ours: boto3, s3cmd, rclone, litmus. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../testing/free-ports.ts';
import { ask } from '../testing/http.ts';
import { runQuietly } from '../scripts/run.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

const CHECKS = join(import.meta.dirname, '..', 'testing', 's3-checks.py');
const TIMEOUT_MS = 120_000;

interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** AWS_CA_BUNDLE: a setting of some machines that rclone does not get on with. */
async function run(command: readonly string[]): Promise<string> {
  const { ok, output } = await runQuietly(['env', '-u', 'AWS_CA_BUNDLE', ...command], {
    timeoutMs: TIMEOUT_MS,
  });
  assert.ok(ok, `${command.join(' ')}\n${output.slice(-4000)}`);
  return output;
}

test('S3 and WebDAV of one node', async (t) => {
  const [s3 = 0, webdav = 0] = await freePorts('127.0.0.1', 2);
  await using node = await TestNode.start(t, {
    args: ['--s3-port', String(s3), '--webdav-port', String(webdav)],
  });
  const folder = mkdtempSync(join(tmpdir(), 'moln-faces-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const owners = ['ann', 'bob', 'cy'];
  const keys: Key[] = [];
  for (const owner of owners) {
    keys.push(await node.json<Key>('files', 'keys', 'create', '--owner', owner));
  }
  const { token } = await node.json<{ token: string }>(
    'token',
    'create',
    '--name',
    'dav',
    '--scope',
    'deploy',
  );
  const basic = `Basic ${Buffer.from(`x:${token}`).toString('base64')}`;
  const dav = async (method: string, path: string, authorization = basic): Promise<number> => {
    const host = `127.0.0.1:${webdav}`;
    return (
      await ask({
        address: '127.0.0.1',
        port: webdav,
        host,
        method,
        path,
        headers: { authorization },
      })
    ).status;
  };
  await until('both listen', async () => (await dav('OPTIONS', '/').catch(() => 0)) === 200);

  await t.test('boto3: what S3 does, by groups', async () => {
    const accounts = keys.map(
      (key, at) => `${key.accessKeyId}:${key.secretAccessKey}:${owners[at]}`,
    );
    await run(['/usr/bin/python3', CHECKS, `http://127.0.0.1:${s3}`, ...accounts]);
  });

  await t.test('litmus: all of it', async () => {
    assert.equal(await dav('PROPFIND', '/', 'Basic eDp5'), 401);
    assert.equal(await dav('MKCOL', '/litmus-here/'), 201);
    const output = await run([
      'sh',
      '-c',
      `cd ${folder} && litmus http://127.0.0.1:${webdav}/litmus-here/ x ${token}`,
    ]);
    assert.equal([...output.matchAll(/100\.0%/g)].length, 5, output.slice(-3000));
  });

  await t.test('s3cmd and rclone: the same folder over both faces', async () => {
    const [key] = keys;
    assert.ok(key !== undefined);
    const address = `127.0.0.1:${s3}`;
    writeFileSync(
      join(folder, 's3cfg'),
      `[default]\naccess_key = ${key.accessKeyId}\nsecret_key = ${key.secretAccessKey}\nhost_base = ${address}\nhost_bucket = ${address}\nuse_https = False\n`,
    );
    const s3cmd = (...words: readonly string[]) =>
      run(['s3cmd', '-c', join(folder, 's3cfg'), ...words]);
    const source = join(import.meta.dirname, '..', 'src', 'xml');
    await s3cmd('mb', 's3://shared');
    await s3cmd('sync', `${source}/`, 's3://shared/xml/');
    assert.match(await s3cmd('ls', 's3://shared/xml/'), /s3:\/\/shared\/xml\/parser\.ts/);
    const password = (await run(['rclone', 'obscure', token])).trim();
    writeFileSync(
      join(folder, 'rclone.conf'),
      `[s3]\ntype = s3\nprovider = Other\naccess_key_id = ${key.accessKeyId}\nsecret_access_key = ${key.secretAccessKey}\nendpoint = http://${address}\n` +
        `[dav]\ntype = webdav\nurl = http://127.0.0.1:${webdav}\nvendor = other\nuser = x\npass = ${password}\n`,
    );
    const rclone = (...words: readonly string[]) =>
      run(['rclone', '--config', join(folder, 'rclone.conf'), ...words]);
    await rclone('check', '--download', source, 's3:shared/xml');
    await rclone('check', '--download', source, 'dav:shared/xml');
    await rclone('moveto', 'dav:shared/xml', 'dav:shared/moved');
    await rclone('check', '--download', source, 's3:shared/moved');
  });

  await t.test('s3cmd: accesses are logged in another bucket', async () => {
    const [key] = keys;
    assert.ok(key !== undefined);
    const s3cmd = (...words: readonly string[]) =>
      run(['s3cmd', '-c', join(folder, 's3cfg'), ...words]);
    await s3cmd('mb', 's3://logs');
    await s3cmd('accesslog', '--access-logging-target-prefix=s3://logs/shared/', 's3://shared');
    await s3cmd('get', 's3://shared/moved/parser.ts', join(folder, 'parser.ts'));
    // What is gathered is put at the latest when the node stops.
    await node.stop();
    await node.restart();
    const log = join(folder, 'log');
    await until('the log is there', async () => {
      const found = /s3:\/\/logs\/shared\/\S+/.exec(await s3cmd('ls', 's3://logs/shared/'));
      return found !== null && (await s3cmd('get', '--force', found[0], log)) !== '';
    });
    assert.match(
      readFileSync(log, 'utf8'),
      /^\S+ shared \[.* REST\.GET\.OBJECT moved\/parser\.ts "GET /m,
    );
  });
});
