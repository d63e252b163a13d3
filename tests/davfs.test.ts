/** Mounts of davfs2 for users without a name, whatever becomes of the machine's list of users and of the process that serves them. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { test, type TestContext } from 'node:test';
import { runQuietly } from '../scripts/run.ts';
import {
  davLack,
  davMounts,
  davProcess,
  dropDav,
  mountDav,
  unmountDav,
} from '../src/base/davfs.ts';
import { systemClock } from '../src/base/time.ts';

const skip = process.geteuid?.() === 0 ? (davLack()?.message ?? false) : 'mounting needs root';
const UID = 61_234;
/** What davfs2 is waited for is a short time here. */
const CLOCK = { ...systemClock, monotonicMs: () => 20 * systemClock.monotonicMs() };
const EMPTY =
  '<D:multistatus xmlns:D="DAV:"><D:response><D:href>/b/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>' +
  '</D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>';

/** Of an empty folder, below a shared mount. */
async function mounted(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    if (request.method === 'PROPFIND')
      response.writeHead(207, { 'content-type': 'application/xml' }).end(EMPTY);
    else response.writeHead(200, { dav: '1' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const base = `/run/moln-davfs-test-${process.pid}-${address.port}`;
  const folder = `${base}/b`;
  mkdirSync(base);
  await runQuietly(['mount', '-t', 'tmpfs', 'moln', base], { timeoutMs: 10_000 });
  t.after(async () => {
    await dropDav(folder, CLOCK);
    await runQuietly(['umount', base], { timeoutMs: 10_000 });
    rmdirSync(base);
    const cache = `127.0.0.1-b+${folder.slice(1).replaceAll('/', '-')}+moln-${UID}`;
    rmSync(`/var/cache/davfs2/${cache}`, { recursive: true, force: true });
    server.closeAllConnections();
    server.close();
  });
  await runQuietly(['mount', '--make-shared', base], { timeoutMs: 10_000 });
  mkdirSync(folder);
  const url = `http://127.0.0.1:${address.port}/b/`;
  await mountDav({ url, folder, user: 'u', password: 'p', options: ['rw'], uid: UID });
  return folder;
}

test(
  'its process keeps its list of users when the machine gets another one',
  { skip },
  async (t) => {
    const pid = davProcess(await mounted(t))?.pid ?? 0;
    assert.match(readFileSync(`/proc/${pid}/root/etc/passwd`, 'utf8'), /^moln-61234:/m);
    // What covers the file alone would go with the file (mount_namespaces(7)).
    const places = (of: string): readonly string[] =>
      readFileSync(`/proc/${of}/mountinfo`, 'utf8')
        .split('\n')
        .flatMap((line) => line.split(' ')[4] ?? []);
    assert.ok(places(String(pid)).includes('/etc'));
    assert.ok(!places(String(pid)).includes('/etc/passwd'));
    assert.deepEqual(
      places('self').filter((at) => at === '/etc/passwd'),
      [],
    );
  },
);

test('a process that does not answer holds up nobody', { skip, timeout: 60_000 }, async (t) => {
  const folder = await mounted(t);
  const server = davProcess(folder);
  assert.ok(server !== undefined);
  process.kill(server.pid, 'SIGSTOP');
  t.after(() => {
    if (davProcess(folder)?.pid === server.pid) process.kill(server.pid, 'SIGCONT');
  });
  // What the kernel knows of the folder is no longer enough after a second.
  await systemClock.sleep(1500);
  await assert.rejects(unmountDav(folder, { clock: CLOCK, withinMs: 500 }), /does not answer/);
  await dropDav(folder, CLOCK);
  assert.ok(!davMounts().some((each) => each.folder === folder));
  assert.equal(davProcess(folder), undefined);
});
