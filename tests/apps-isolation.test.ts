/** What an app can see and touch under the driver `unshare`. Needs root; says so otherwise. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { processTable } from '../src/apps/process-table.ts';
import { nodeApp } from '../testing/app-folder.ts';
import {
  collect,
  dataFolder,
  deployFiles,
  doneRelease,
  type RunningApps,
  testApps,
} from '../testing/apps-kit.ts';

const NEVER = new AbortController().signal;
const skip = process.geteuid?.() === 0 ? false : 'needs root';

/** What a shell script prints, inside the app's running instance or in a fresh sandbox. */
async function shell(
  { apps }: RunningApps,
  app: string,
  script: string,
  where: 'inside' | 'fresh',
): Promise<string> {
  const [first] = (await apps.show(app)).instances;
  const instance = where === 'inside' ? first?.id : undefined;
  const command = ['sh', '-c', script];
  const output = await collect(apps.run({ app, command, instance, stdin: undefined }, NEVER));
  return output
    .map((item) => (item.kind === 'output' ? Buffer.from(item.base64, 'base64').toString() : ''))
    .join('');
}

test('an app sees itself and nothing of others', { skip }, async (t) => {
  const running = await testApps(t);
  assert.equal(running.apps.driver.name, 'unshare', running.apps.driver.why);
  writeFileSync(`${running.data}/secret`, 'open to everybody', { mode: 0o644 });
  doneRelease(await deployFiles(t, running, 'one', nodeApp('"one"')));
  doneRelease(await deployFiles(t, running, 'two', nodeApp('"two"')));
  const one = await running.apps.show('one');
  const two = await running.apps.show('two');
  assert.notEqual(one.app.uid, two.app.uid);
  const socket = two.instances[0]?.address;
  assert.ok(socket?.kind === 'socket');
  const otherRelease = `${running.data}/apps/two/releases/${two.app.release}/tree/server.js`;
  const ownRelease = `${running.data}/apps/one/releases/${one.app.release}/tree/server.js`;
  assert.ok(statSync(otherRelease).isFile());

  for (const where of ['inside', 'fresh'] as const) {
    const ask = (script: string): Promise<string> => shell(running, 'one', script, where);
    assert.equal(await ask('id -u; id -g; id -G'), `${one.app.uid}\n`.repeat(3));
    assert.match(await ask('cat /proc/self/status'), /CapBnd:\s+0{16}\n(?:.*\n)*NoNewPrivs:\s+1/);
    const processes = (await ask('cat /proc/[0-9]*/environ | tr "\\0" "\\n"')).split('\n');
    assert.ok(processes.includes('MOLN_APP=one'));
    assert.ok(!processes.includes('MOLN_APP=two'));
    assert.match(await ask(`cat ${ownRelease}`), /createServer/);
    for (const path of [
      otherRelease,
      `${running.data}/secret`,
      `${running.data}/registry.sqlite`,
    ]) {
      assert.match(await ask(`cat ${path}`), /No such file/);
    }
    assert.match(await ask(`ls ${socket.path}`), /No such file/);
    assert.match(
      await ask(`echo x >> ${ownRelease}`),
      /(?:Read-only|Permission denied|cannot create)/i,
    );
    assert.equal(await ask('echo kept > $MOLN_DATA_DIR/file && cat $MOLN_DATA_DIR/file'), 'kept\n');
    assert.equal(await ask('echo mine > /tmp/file && cat /tmp/file'), 'mine\n');
  }
  assert.equal(await shell(running, 'two', 'ls /tmp/file 2>/dev/null; true', 'inside'), '');
});

test(
  'what an app sets in its environment never reaches the tools that run as root',
  { skip },
  async (t) => {
    const running = await testApps(t);
    doneRelease(await deployFiles(t, running, 'one', nodeApp('"one"')));
    const data = `${running.data}/apps/one/data`;
    const tools = 'mount mkdir prlimit setpriv umask nsenter unshare sh';
    const lure = `cd "$MOLN_DATA_DIR" && for tool in ${tools}; do
    printf '#!/bin/sh\nid -u >> ${data}/uids\n' > $tool; chmod +x $tool; done`;
    await shell(running, 'one', lure, 'fresh');
    const set = { PATH: `${data}:/usr/bin:/bin`, ENV: `${data}/sh`, BASH_ENV: `${data}/sh` };
    await collect(running.apps.changeEnv('one', { set }));
    // The app itself falls for it, which shows that the lure is where it should be.
    await shell(running, 'one', 'setpriv', 'fresh');
    await shell(running, 'one', 'setpriv', 'inside');
    const { uid } = (await running.apps.show('one')).app;
    const uids = readFileSync(`${data}/uids`, 'utf8').trim().split('\n');
    assert.deepEqual([...new Set(uids)], [String(uid)]);
  },
);

test('a data folder that is closed to others, and deep, does not matter', { skip }, async (t) => {
  const data = dataFolder(t, 'x'.repeat(90), 0o700);
  const running = await testApps(t, undefined, data);
  doneRelease(await deployFiles(t, running, 'one', nodeApp('"one"')));
  const view = await running.apps.show('one');
  const address = view.instances[0]?.address;
  assert.ok(address?.kind === 'socket' && address.path.length <= 107, JSON.stringify(address));
  assert.equal((await running.router.get('one.localhost')).body, 'one');
  const listing = await shell(
    running,
    'one',
    `cd ${data}/.. && ls; ls ${data}; ls ${data}/apps`,
    'inside',
  );
  assert.equal(listing, `${basename(data)}\napps\ndoors\none\n`);
  await running.apps.remove('one');
  assert.equal(existsSync(address.path), false);
});

test('everything an app started ends with it', { skip }, async (t) => {
  const running = await testApps(t);
  const files = nodeApp('"x"');
  const daemon = `require('node:child_process').spawn('setsid', ['sleep', '98765'], { detached: true, stdio: 'ignore' }).unref();\n`;
  doneRelease(
    await deployFiles(t, running, 'one', { ...files, 'server.js': daemon + files['server.js'] }),
  );
  const before = await shell(running, 'one', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "', 'inside');
  assert.match(before, /sleep 98765/);
  await running.apps.stop('one');
  const left = processTable().filter(({ pid }) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('98765\0');
    } catch {
      return false;
    }
  });
  assert.deepEqual(left, []);
});
