/** Every kind of app goes online, is changed, and is looked after by the CLI. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import type { AppDetail } from '../src/api/model.ts';
import { appFolder, nodeApp, writeFiles } from '../testing/app-folder.ts';
import { ask } from '../testing/http.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

interface Deployed {
  readonly app: string;
  readonly release: string;
  readonly url: string;
}

const KINDS: readonly {
  readonly kind: AppDetail['kind'];
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly body: RegExp;
}[] = [
  {
    kind: 'static',
    name: 'static',
    files: { 'index.html': '<h1>Hej</h1>', 'a/style.css': 'b{}', '.env': 'SECRET=1' },
    body: /<h1>Hej<\/h1>/,
  },
  {
    kind: 'node',
    name: 'node-socket',
    files: nodeApp('"via " + process.env.MOLN_APP'),
    body: /^via node-socket$/,
  },
  {
    kind: 'node',
    name: 'node-port',
    files: {
      'server.js': `require('node:http').createServer((q, r) => r.end('port')).listen(process.env.PORT, '127.0.0.1');`,
    },
    body: /^port$/,
  },
  {
    kind: 'python',
    name: 'wsgi',
    files: {
      'app.py':
        'def app(environ, start_response):\n    start_response("200 OK", [("Content-Type", "text/plain")])\n    return [("wsgi " + environ["PATH_INFO"]).encode()]\n',
    },
    body: /^wsgi \/$/,
  },
  {
    kind: 'python',
    name: 'asgi',
    files: {
      'main.py':
        'async def app(scope, receive, send):\n    if scope["type"] != "http":\n        return\n    await send({"type": "http.response.start", "status": 200, "headers": []})\n    await send({"type": "http.response.body", "body": b"asgi " + scope["path"].encode()})\n',
    },
    body: /^asgi \/$/,
  },
  {
    kind: 'php',
    name: 'php',
    files: { 'index.php': '<?php echo "php ", 6 * 7, " ", $_GET["q"] ?? "-";' },
    body: /^php 42 -$/,
  },
  {
    kind: 'procfile',
    name: 'procfile',
    files: {
      Procfile: 'web: python3 -m http.server --bind 127.0.0.1 $PORT\nworker: sleep 1000\n',
      'hello.txt': 'from a Procfile',
    },
    body: /hello\.txt/,
  },
];

test('every kind of app goes online with one command', async (t) => {
  await using node = await TestNode.start(t);
  for (const { kind, name, files, body } of KINDS) {
    await t.test(name, async (sub) => {
      const folder = appFolder(sub, files);
      const deployed = await node.json<Deployed>('deploy', folder, '--name', name);
      assert.deepEqual(Object.keys(deployed), ['app', 'release', 'url']);
      assert.equal(deployed.app, name);
      assert.equal(deployed.url.replace(/\/$/, ''), node.url(name));
      const answer = await node.get(name);
      assert.equal(answer.status, 200, answer.body);
      assert.match(answer.body, body);
      const app = await node.json<AppDetail>('app', name);
      assert.equal(app.kind, kind);
      assert.equal(app.state, 'healthy');
      assert.equal(app.release, deployed.release);
    });
  }

  await t.test('a static site: types, unknown paths, hidden files', async () => {
    const css = await node.get('static', '/a/style.css');
    assert.match(css.headers['content-type'] ?? '', /^text\/css/);
    assert.equal((await node.get('static', '/none')).status, 404);
    assert.equal((await node.get('static', '/.env')).status, 404);
  });

  await t.test("the Procfile's worker runs beside its web process", async () => {
    const { instanceList } = await node.json<AppDetail>('app', 'procfile');
    assert.deepEqual(instanceList.map((one) => one.process).sort(), ['web', 'worker']);
  });

  await t.test('query, method and body reach the app', async () => {
    assert.equal((await node.get('php', '/?q=x')).body, 'php 42 x');
  });

  await t.test('an unknown host is told so', async () => {
    const answer = await node.get('nobody');
    assert.equal(answer.status, 404);
  });
});

test('a new version, a rollback and a restart under load fail no request', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, nodeApp('"v1"'));
  const first = await node.json<Deployed>('deploy', folder, '--name', 'app');
  await using load = node.load('app', '/', { parallel: 4 });

  writeFiles(folder, nodeApp('"v2"'));
  const second = await node.json<Deployed>('deploy', folder, '--name', 'app');
  assert.notEqual(second.release, first.release);
  assert.equal((await node.get('app')).body, 'v2', 'deploy returns when the new one is live');

  const back = await node.json<Deployed>('app', 'app', 'rollback');
  assert.equal(back.release, first.release);
  assert.equal((await node.get('app')).body, 'v1');
  await node.json('app', 'app', 'restart');
  await node.json('app', 'app', 'scale', '3');
  await node.json('app', 'app', 'scale', 'web=1');

  const { failures, bodies } = await load.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...bodies.keys()].sort(), ['v1', 'v2']);
  const releases = await node.json<AppDetail['releases']>('app', 'app', 'releases');
  assert.equal(releases.length, 2);
  assert.deepEqual(
    releases.filter(({ current }) => current).map(({ id }) => id),
    [first.release],
  );
});

test('scale, stop, start, domains and remove', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, nodeApp('process.env.MOLN_INSTANCE'));
  await node.json('deploy', folder, '--name', 'app', '--domain', 'shop.example.org');

  await node.json('app', 'app', 'scale', '3');
  const { instanceList } = await node.json<AppDetail>('app', 'app');
  assert.deepEqual(
    instanceList.map(({ state }) => state),
    ['healthy', 'healthy', 'healthy'],
  );
  const seen = new Set<string>();
  await until(
    'answers from all three',
    async () => seen.add((await node.get('app')).body).size === 3,
  );

  const { address, ports } = node;
  const byDomain = await ask({ address, port: ports.http, host: 'shop.example.org', path: '/' });
  assert.equal(byDomain.status, 200);
  await node.json('app', 'app', 'domains', '--none');
  assert.equal(
    (await ask({ address, port: ports.http, host: 'shop.example.org', path: '/' })).status,
    404,
  );

  await node.json('app', 'app', 'stop');
  await until('the stopped app to say so', async () => (await node.get('app')).status === 503);
  assert.equal((await node.json<AppDetail>('app', 'app')).state, 'stopped');
  await node.json('app', 'app', 'start');
  assert.equal((await node.get('app')).status, 200);

  const unasked = await node.cli('app', 'app', 'remove');
  assert.equal(unasked.code, 2, 'nobody is there to answer');
  await node.json('app', 'app', 'remove', '--yes');
  assert.equal((await node.get('app')).status, 404);
  assert.deepEqual((await node.status()).apps, []);
  const gone = await node.cli('app', 'app', 'restart');
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /No app "app"/);
});

test('settings are shown, secrets never are, and both reach the app', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, nodeApp('process.env.GREETING + " " + process.env.API_KEY'));
  await node.json('deploy', folder, '--name', 'app');
  await node.json('app', 'app', 'env', 'GREETING=Hej då', '--secret', 'API_KEY=first');
  assert.equal((await node.get('app')).body, 'Hej då first');

  const words = ['app', 'app', 'env', '--secret', 'API_KEY'];
  const changed = await node.cliWith({ input: 'geheim-42\n' }, ...words);
  assert.equal(changed.code, 0, changed.stderr);
  assert.equal((await node.get('app')).body, 'Hej då geheim-42');

  const shown = await node.json<{ env: unknown; secretNames: unknown }>('app', 'app', 'env');
  assert.deepEqual(shown.env, { GREETING: 'Hej då' });
  assert.deepEqual(shown.secretNames, ['API_KEY']);
  for (const line of [['app', 'app'], ['app', 'app', 'env'], ['status'], ['app', 'app', 'logs']]) {
    const { stdout, stderr } = await node.cli(...line, '--json');
    assert.ok(!(stdout + stderr).includes('geheim-42'), `"moln ${line.join(' ')}" shows a secret`);
  }
  for (const name of readdirSync(node.dataFolder, { recursive: true, encoding: 'utf8' })) {
    const path = `${node.dataFolder}/${name}`;
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    assert.ok(!readFileSync(path).includes('geheim-42'), `${name} holds a secret in clear`);
  }

  await node.json('app', 'app', 'env', '--unset', 'API_KEY', '--unset', 'GREETING');
  assert.equal((await node.get('app')).body, 'undefined undefined');
});

test('logs are followed live, commands run in the app and end with their exit code', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(
    t,
    nodeApp('(request.url !== "/" && console.log("asked " + request.url), "ok")'),
  );
  await node.json('deploy', folder, '--name', 'app');
  await node.get('app', '/before');
  await using logs = node.follow('app', 'app', 'logs', '-f');
  await logs.says(/asked \/before/);
  await node.get('app', '/live');
  await logs.says(/asked \/live/);
  assert.equal((await logs.interrupt()).code, 0);
  const { stdout } = await node.cli('app', 'app', 'logs', '--tail', '1');
  assert.match(stdout, /^\S+ \S+ asked \/live\n$/);

  const script = 'echo "$MOLN_APP: $(cat)"; ls; echo oops >&2; exit 3';
  const words = ['app', 'app', 'run', '--', 'sh', '-c', script];
  const run = await node.cliWith({ input: 'from stdin' }, ...words);
  assert.equal(run.code, 3);
  assert.match(run.stdout, /^app: from stdin\n[\s\S]*server\.js/);
  assert.match(run.stderr, /oops/);

  const exec = await node.cli('app', 'app', 'exec', '--', 'sh', '-c', 'echo $LISTEN_SOCKET');
  assert.equal(exec.code, 0, exec.stderr);
  const { instanceList } = await node.json<AppDetail>('app', 'app');
  const inside = instanceList[0]?.id ?? 'none';
  assert.ok(exec.stdout.includes(`/${inside}/`), `${exec.stdout} of ${inside}`);
});

test('tokens let other machines in, pinned, as far as their scope goes', async (t) => {
  await using node = await TestNode.start(t);
  const made = await node.json<{ token: string; id: string }>(
    'token',
    'create',
    '--name',
    'ci',
    '--scope',
    'read',
  );
  const url = `http://127.0.0.1:${node.ports.api}`;
  const remote = ['--url', url, '--token', made.token];
  const elsewhere = { MOLN_DATA: '/nonexistent' };
  const status = await node.cliWith({ env: elsewhere }, 'status', '--json', ...remote);
  assert.equal(status.code, 0, status.stderr);
  const refused = await node.cliWith({ env: elsewhere }, 'down', ...remote);
  assert.notEqual(refused.code, 0);
  const beyond = await node.cliWith({ env: elsewhere }, 'token', 'list', ...remote);
  assert.equal(beyond.code, 1);

  const secure = ['--url', `https://127.0.0.1:${node.ports.api}`, '--token', made.token];
  const unpinned = await node.cliWith({ env: elsewhere }, 'status', ...secure);
  assert.match(unpinned.stderr, /is not trusted/);
  const wrong = await node.cliWith(
    { env: elsewhere },
    'status',
    ...secure,
    '--pin',
    'ab'.repeat(32),
  );
  assert.match(wrong.stderr, /is not the pinned one/);
  const { fingerprint } = (await node.status()).cluster;
  const pinned = await node.cliWith({ env: elsewhere }, 'status', ...secure, '--pin', fingerprint);
  assert.equal(pinned.code, 0, pinned.stderr);

  await node.json('token', 'revoke', made.id);
  const revoked = await node.cliWith({ env: elsewhere }, 'status', ...remote);
  assert.equal(revoked.code, 1);
});
