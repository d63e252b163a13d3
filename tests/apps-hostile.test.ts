/** Apps that try to make an agent that runs as root work for them. Needs root; says so otherwise. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { nodeApp } from '../testing/app-folder.ts';
import { dataFolder, deployFiles, doneRelease, failure, testApps } from '../testing/apps-kit.ts';
import { until } from '../testing/until.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';
const SERVER = nodeApp('"own"')['server.js'] ?? '';

test('links that an app plants in its scratch folders lead nowhere', { skip }, async (t) => {
  const running = await testApps(t);
  const victim = join(dirname(running.data), 'victim');
  mkdirSync(victim, { mode: 0o755 });
  chmodSync(victim, 0o755);
  const plant = `
    const fs = require('node:fs');
    const { HOME, TMPDIR, LISTEN_SOCKET, MOLN_DATA_DIR } = process.env;
    const mark = MOLN_DATA_DIR + '/planted';
    if (!fs.existsSync(mark)) {
      fs.writeFileSync(mark, '');
      setTimeout(() => {
        for (const path of [HOME, TMPDIR]) {
          try { fs.renameSync(path, path + '.old'); fs.symlinkSync('${victim}', path); } catch {}
        }
        try { fs.unlinkSync(LISTEN_SOCKET); fs.mkdirSync(LISTEN_SOCKET + '/x', { recursive: true }); } catch {}
        process.exit(1);
      }, 1000);
    }\n`;
  doneRelease(await deployFiles(t, running, 'evil', { 'server.js': plant + SERVER }));
  await until('it runs again', async () => {
    const [instance] = (await running.apps.show('evil')).instances;
    return instance?.state === 'healthy' && instance.restarts > 0;
  });
  assert.equal(statSync(victim).uid, 0);
  assert.equal(statSync(victim).mode & 0o777, 0o755);
  assert.equal((await running.router.get('evil.localhost')).body, 'own');
});

test('a socket that an app puts in place of its own is not connected to', { skip }, async (t) => {
  const running = await testApps(t);
  const path = join(running.data, 'admin.sock');
  const admin = createServer((_request, answer) => answer.end('admin'));
  await new Promise<void>((resolve) => admin.listen(path, resolve));
  t.after(() => admin.close());
  const swap = `
    const fs = require('node:fs');
    const timer = setInterval(() => {
      if (!fs.existsSync(process.env.MOLN_DATA_DIR + '/go')) return;
      clearInterval(timer);
      fs.unlinkSync(process.env.LISTEN_SOCKET);
      fs.symlinkSync('${path}', process.env.LISTEN_SOCKET);
      fs.writeFileSync(process.env.MOLN_DATA_DIR + '/swapped', '');
    }, 20);\n`;
  const probes = `globalThis.probes = (globalThis.probes ?? 0) +
    (request.headers['user-agent'] === 'moln-health' ? 1 : 0)`;
  const server = nodeApp(probes)['server.js'] ?? '';
  doneRelease(await deployFiles(t, running, 'evil', { 'server.js': swap + server }));
  const folder = join(running.data, 'apps/evil/data');
  mkdirSync(join(folder, 'go'));
  await until('it is swapped', async () => existsSync(join(folder, 'swapped')));
  const first = Number((await running.router.get('evil.localhost')).body);
  // Not a number would be the answer of the other socket.
  await until('two more probes reached the app', async () => {
    const { body } = await running.router.get('evil.localhost');
    assert.match(body, /^\d+$/);
    return Number(body) >= first + 2;
  });
});

test('a site whose root leads out of its release is refused', { skip }, async (t) => {
  const running = await testApps(t);
  const files = {
    'package.json': JSON.stringify({ name: 'x', scripts: { build: 'ln -s / dist' } }),
    'moln.json': JSON.stringify({ static: { root: 'dist' } }),
  };
  const { error } = failure(await deployFiles(t, running, 'evil', files));
  assert.equal(error.code, 'APPS_TREE_STRANGE', error.message);
});

test('a folder that is deeper than a path may be long goes like any other', { skip }, async (t) => {
  const data = dataFolder(t);
  const running = await testApps(t, undefined, data);
  const dig = `
    const dir = process.cwd();
    process.chdir(process.env.HOME);
    const name = 'd'.repeat(200);
    for (let depth = 0; depth < 60; depth++) {
      require('node:fs').mkdirSync(name);
      process.chdir(name);
    }
    process.chdir(dir);\n`;
  doneRelease(await deployFiles(t, running, 'deep', { 'server.js': dig + SERVER }));
  await running.apps.stop('deep');
  await running.apps.remove('deep');
  assert.equal(existsSync(join(data, 'apps/deep')), false);
});

test('what a build leaves deep or strange goes with it', { skip }, async (t) => {
  const running = await testApps(t);
  for (const build of [
    `node -e "for (let i = 0; i < 60; i++) { const n = 'd'.repeat(200); fs.mkdirSync(n); process.chdir(n); }"`,
    `mkfifo pipe`,
    `node -e "fs.writeFileSync(Buffer.from([0x61, 0xff]), '')"`,
  ]) {
    const files = {
      'package.json': JSON.stringify({ name: 'x', scripts: { build, start: 'node server.js' } }),
      'server.js': SERVER,
    };
    const { error } = failure(await deployFiles(t, running, 'odd', files));
    assert.equal(error.code, 'APPS_TREE_STRANGE', `${build}: ${error.message}`);
    assert.ok(!error.message.includes('.tmp-'), error.message);
    assert.equal(existsSync(join(running.data, 'apps/odd')), false);
  }
});

test(
  'builds wait for their turn, and the next app of a name starts from nothing',
  { skip },
  async (t) => {
    const running = await testApps(t);
    const build = 'echo kept > $npm_config_cache/kept; pwd; sleep 1';
    const files = {
      'package.json': JSON.stringify({ name: 'x', scripts: { build, start: 'node server.js' } }),
      'server.js': SERVER,
    };
    const names = ['one', 'two', 'three'];
    const all = await Promise.all(names.map((name) => deployFiles(t, running, name, files)));
    const lines = all.flat().map((item) => JSON.stringify(item));
    for (const progress of all) doneRelease(progress);
    assert.equal(lines.filter((line) => line.includes('Waiting for its turn')).length, 1);
    assert.ok(!lines.some((line) => line.includes('.tmp-')), lines.join('\n'));
    const cache = join(running.data, 'cache/npm/one');
    assert.ok(existsSync(join(cache, 'kept')));
    await running.apps.remove('one');
    assert.equal(existsSync(cache), false);
  },
);
