import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { spawnSync } from 'node:child_process';
import { answers, listenUnix } from './unix-socket.ts';

const folder = await mkdtemp(join(tmpdir(), 'moln-net-'));
after(() => rm(folder, { recursive: true, force: true }));

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

test('the socket is born with mode 0600 and the umask of the process stays', async () => {
  const path = join(folder, 'a.sock');
  const before = process.umask();
  const server = createServer();
  await listenUnix(server, path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(process.umask(), before);
  assert.equal(await answers(path), true);
  await close(server);
  assert.equal(await answers(path), false);
});

test('a living socket is not taken away', async () => {
  const path = join(folder, 'b.sock');
  const first = createServer();
  await listenUnix(first, path);
  await assert.rejects(listenUnix(createServer(), path), { code: 'NET_SOCKET_TAKEN' });
  assert.equal(await answers(path), true);
  await close(first);
});

test('a file left by a killed process is replaced', async () => {
  const path = join(folder, 'c.sock');
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.equal((await stat(path)).isSocket(), true);
  const server = createServer();
  await listenUnix(server, path);
  assert.equal(await answers(path), true);
  await close(server);
});

test('a file that is no socket is left alone', async () => {
  const path = join(folder, 'd.sock');
  await writeFile(path, 'precious');
  await assert.rejects(listenUnix(createServer(), path), { code: 'NET_SOCKET_TAKEN' });
});

test('a path that the kernel would cut short is refused', async () => {
  const path = join(folder, `${'x'.repeat(120)}.sock`);
  await assert.rejects(listenUnix(createServer(), path), {
    code: 'NET_SOCKET_PATH_TOO_LONG',
    message: /bytes long, at most 107/,
  });
});
