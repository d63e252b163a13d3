import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDataFolder, checkDisk, checkIsolation, checkRuntime, checkTools } from './checks.ts';
import { checkPort } from './ports.ts';

test('the runtime: too old is a failure with its fix', () => {
  assert.equal(checkRuntime('v24.21.0').verdict, 'ok');
  assert.equal(checkRuntime('v26.0.0').verdict, 'ok');
  const old = checkRuntime('v20.1.0');
  assert.equal(old.verdict, 'fail');
  assert.match(old.fix ?? '', /npm ci/);
});

test('a data folder that is still to be made is judged by the one above it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-checks-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const wanted = join(folder, 'a', 'b');
  assert.match(checkDataFolder(wanted).sentence, /will be created/);
  assert.match(checkDisk(wanted).sentence, /free for/);
  assert.equal(checkDataFolder(folder).verdict, 'ok');
  chmodSync(folder, 0o777);
  const open = checkDataFolder(folder);
  assert.equal(open.verdict, 'warn');
  assert.match(open.fix ?? '', /chmod go-w/);
});

test('isolation is told as the node would choose it', () => {
  assert.equal(checkIsolation({ name: 'unshare', why: 'it works' }).verdict, 'ok');
  const plain = checkIsolation({ name: 'plain', why: 'not root', ownUid: false });
  assert.equal(plain.verdict, 'warn');
  assert.match(plain.sentence, /not kept apart: not root/);
});

test('what is not installed is named with its package', () => {
  const php = { php: undefined, phpCgi: undefined, phpFpm: undefined, composer: undefined };
  const none = { npm: undefined, python: undefined, nice: undefined, ionice: undefined };
  const findings = checkTools({ ...none, ...php });
  assert.ok(findings.length > 3);
  for (const finding of findings) {
    assert.equal(finding.verdict, 'warn');
    assert.match(finding.fix ?? '', /apt-get install/);
  }
});

test('a taken port says who has it, and that is fine when it is our own node', async (t) => {
  const server = createServer();
  t.after(() => server.close());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const wanted = { port, use: 'gateway, HTTP', option: '--http' };
  const taken = checkPort(wanted, new Set());
  assert.equal(taken.verdict, 'warn');
  assert.match(taken.sentence, new RegExp(`process ${process.pid} `));
  assert.equal(checkPort(wanted, new Set([process.pid])).verdict, 'ok');
});

test("another user's data folder is no place to run", { skip: process.getuid?.() !== 0 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-checks-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.equal(checkDataFolder(folder).verdict, 'ok');
  chownSync(folder, 54_321, 54_321);
  assert.equal(checkDataFolder(folder).sentence, `"${folder}" belongs to another user (uid 54321)`);
});
