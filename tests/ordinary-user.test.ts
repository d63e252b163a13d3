/** Without root: everything works, apps run as the user, and the weaker isolation is said. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { test } from 'node:test';
import type { AppDetail } from '../src/api/model.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { MOLN } from '../testing/moln.ts';
import { TestNode } from '../testing/test-node.ts';

/** Debian's `nobody`. */
const NOBODY = 65_534;

/** The user to test with; undefined when root's files are closed to others, as in a checkout below /root. */
function ordinaryUser(): { readonly uid?: number } | undefined {
  if (process.getuid?.() !== 0) return {};
  try {
    execFileSync(MOLN, ['version'], { uid: NOBODY, gid: NOBODY, stdio: 'pipe' });
    return { uid: NOBODY };
  } catch {
    return undefined;
  }
}

test('an ordinary user runs a node, and is told what that means', async (t) => {
  const user = ordinaryUser();
  if (user === undefined) {
    t.diagnostic('Other users may not enter this checkout: not shown');
    return;
  }
  await using node = await TestNode.start(t, user);
  assert.match(node.output, /Apps are not kept apart: /);

  const folder = appFolder(t, nodeApp('process.getuid() + " " + process.env.MOLN_APP'));
  chmodSync(folder, 0o755);
  await node.json('deploy', folder, '--name', 'app');
  const uid = user.uid ?? process.getuid?.();
  assert.equal((await node.get('app')).body, `${uid} app`);

  const { driver } = await node.status();
  assert.deepEqual([driver.name, driver.isolated], ['plain', false]);
  assert.equal(statSync(`${node.dataFolder}/keys`).mode & 0o077, 0, 'keys are for the owner only');

  const refused = await node.cli('address', 'add', '192.0.2.50');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /cannot hold 192\.0\.2\.50: its agent may not change network/);

  const sharing = appFolder(t, { ...nodeApp('1'), 'moln.json': '{"folders": {"up": "photos"}}' });
  chmodSync(sharing, 0o755);
  const mount = await node.cli('deploy', sharing, '--name', 'sharing');
  assert.equal(mount.code, 1);
  assert.match(mount.stderr, /App "sharing" asks for folders, and only root can mount/);

  const run = await node.cli('app', 'app', 'run', '--', 'sh', '-c', 'id -u');
  assert.equal(run.stdout.trim(), String(uid));
  const [before] = (await node.json<AppDetail>('app', 'app')).instanceList;
  await node.crash();
  assert.equal((await node.get('app')).status, 200);
  await node.restart();
  const [after] = (await node.json<AppDetail>('app', 'app')).instanceList;
  assert.equal(after?.pid, before?.pid, 'the instance is adopted');
});
