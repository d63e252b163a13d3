/** A deploy that fails says why in one sentence, and the old version goes on under load. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppDetail } from '../src/api/model.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

const HASTE = { health: { startTimeout: '2s' } };
const withSettings = (
  files: Readonly<Record<string, string>>,
  settings: unknown,
): Readonly<Record<string, string>> => ({ ...files, 'moln.json': JSON.stringify(settings) });

const FAILURES: readonly {
  readonly title: string;
  readonly files: Readonly<Record<string, string>>;
  readonly code: RegExp;
  readonly sentence: RegExp;
  /** Among the log lines that are shown. */
  readonly shows?: RegExp;
}[] = [
  {
    title: 'an empty folder',
    files: {},
    code: /^CLI_NOTHING_TO_DEPLOY$/,
    sentence: /is empty: nothing to deploy/,
  },
  {
    title: 'a folder with nothing to run',
    files: { 'notes.txt': 'x' },
    code: /^APPS_NOTHING_TO_DEPLOY$/,
    sentence: /Found nothing to run or serve.*package\.json.*index\.html/,
  },
  {
    title: 'an app that exits at once',
    files: { 'server.js': 'console.error("no database, giving up"); process.exit(3);' },
    code: /^APPS_/,
    sentence: /exited with code 3/,
    shows: /no database, giving up/,
  },
  {
    title: 'an app that never listens',
    files: withSettings(
      { 'server.js': 'setInterval(() => {}, 1000); console.log("idle");' },
      HASTE,
    ),
    code: /^APPS_/,
    sentence: /2 s/,
    shows: /idle/,
  },
  {
    title: 'an app that answers only errors',
    files: withSettings(
      {
        'server.js':
          'require("node:http").createServer((q, r) => r.writeHead(500).end()).listen(process.env.PORT);',
      },
      HASTE,
    ),
    code: /^APPS_/,
    sentence: /500/,
  },
  {
    title: 'a build that fails',
    files: withSettings(nodeApp('1'), { build: 'echo building; exit 9' }),
    code: /^APPS_BUILD_FAILED$/,
    sentence: /9/,
    shows: /building/,
  },
  {
    title: 'an unknown key in moln.json',
    files: withSettings(nodeApp('1'), { domain: [] }),
    code: /^CONFIG_INVALID$/,
    sentence: /Unknown key "domain": did you mean "domains"\?/,
  },
  {
    title: 'moln.json that is not JSON',
    files: { ...nodeApp('1'), 'moln.json': '{' },
    code: /^CONFIG_INVALID$/,
    sentence: /moln\.json is not valid JSON/,
  },
];

test('failing deploys name the reason, and the old version serves on', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, nodeApp('"old"'));
  const old = await node.json<{ release: string }>('deploy', folder, '--name', 'app');
  await using load = node.load('app');
  for (const { title, files, code, sentence, shows } of FAILURES) {
    await t.test(title, async (sub) => {
      const broken = appFolder(sub, files);
      const failed = await node.cli('deploy', broken, '--name', 'app', '--json');
      assert.notEqual(failed.code, 0, failed.stdout);
      const { error } = JSON.parse(failed.stdout) as { error: { code: string; message: string } };
      assert.match(error.code, code);
      assert.match(error.message, sentence);
      assert.ok(failed.stderr.includes(error.message));
      if (shows === undefined) return;
      const plain = await node.cli('deploy', broken, '--name', 'app');
      assert.match(plain.stderr, shows, 'its last log lines are shown');
    });
  }
  const { failures, bodies } = await load.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...bodies.keys()], ['old']);
  const app = await node.json<AppDetail>('app', 'app');
  assert.equal(app.release, old.release);
  assert.equal(app.state, 'healthy');
});

test('an app that listens late is waited for', async (t) => {
  await using node = await TestNode.start(t);
  const late = `setTimeout(() => require('node:http').createServer((q, r) => r.end('late'))
    .listen(process.env.LISTEN_SOCKET), 1500);`;
  await node.json('deploy', appFolder(t, { 'server.js': late }), '--name', 'late');
  assert.equal((await node.get('late')).body, 'late');
});

test('an app that crashes later is started again, and says how often', async (t) => {
  await using node = await TestNode.start(t);
  const files = nodeApp('request.url === "/crash" ? process.exit(7) : "up"');
  await node.json('deploy', appFolder(t, files), '--name', 'app');
  await node.get('app', '/crash').catch(() => undefined);
  await until('one restart', async () => {
    const [instance] = (await node.json<AppDetail>('app', 'app')).instanceList;
    return instance?.state === 'healthy' && instance.restarts === 1;
  });
  assert.equal((await node.get('app')).body, 'up');
});

test('names: a wrong one is refused with what is right, an unknown one with the nearest', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, { 'index.html': 'x' });
  const wrong = await node.cli('deploy', folder, '--name', 'Über');
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stderr, /lower-case letters/);
  await node.json('deploy', folder, '--name', 'guestbook');
  const near = await node.cli('app', 'gestbook', 'logs');
  assert.equal(near.code, 1);
  assert.match(near.stderr, /No app "gestbook": did you mean "guestbook"\?/);
  const none = await node.cli('deploy', '/nonexistent/folder', '--name', 'x');
  assert.notEqual(none.code, 0);
  assert.match(none.stderr, /"\/nonexistent\/folder"/);
});
