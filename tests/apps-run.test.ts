/** Apps as real processes: deploys under load, failures, crashes of instances and of the agent, and what people do. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { packFolder } from '../src/apps/apps.ts';
import { processId } from '../src/base/process-id.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import {
  collect,
  deployFiles,
  doneRelease,
  failure,
  type RunningApps,
  testApps,
} from '../testing/apps-kit.ts';
import { Load } from '../testing/load.ts';
import { until } from '../testing/until.ts';

const NEVER = new AbortController().signal;
const HELLO = 'hello.localhost';

/** As the best driver of this machine, and as the weakest. */
const DRIVERS = [undefined, 'plain'] as const;

function settings(files: Readonly<Record<string, string>>, moln: unknown): typeof files {
  return { ...files, 'moln.json': JSON.stringify(moln) };
}

function load(running: RunningApps, host: string = HELLO): Load {
  return new Load(async () => ({ headers: {}, ...(await running.router.get(host)) }));
}

async function pids(running: RunningApps, app: string): Promise<(number | undefined)[]> {
  return (await running.apps.show(app)).instances.map((each) => each.pid);
}

for (const driver of DRIVERS) {
  const how = driver ?? 'the best driver';

  test(`a second version takes over without a failed request (${how})`, async (t) => {
    const running = await testApps(t, driver);
    const first = doneRelease(await deployFiles(t, running, 'hello', nodeApp('"one"')));
    assert.equal((await running.router.get(HELLO)).body, 'one');
    const oldPids = await pids(running, 'hello');
    await using asking = load(running);
    await until('requests under way', () => asking.answers > 20);
    const second = doneRelease(await deployFiles(t, running, 'hello', nodeApp('"two"')));
    assert.notEqual(first, second);
    assert.equal((await running.router.get(HELLO)).body, 'two');
    const seen = await asking.stop();
    assert.deepEqual(seen.failures, []);
    assert.deepEqual([...seen.bodies.keys()].toSorted(), ['one', 'two']);
    for (const pid of oldPids) assert.equal(processId(pid ?? 0), undefined, 'the old one is gone');

    const back = await collect(running.apps.rollback('hello', undefined, 'test'));
    assert.equal(doneRelease(back), first);
    assert.equal((await running.router.get(HELLO)).body, 'one');
    const { app, state } = await running.apps.show('hello');
    assert.equal(state, 'healthy');
    assert.deepEqual(
      app.history.map((each) => [each.release, each.kind]),
      [
        [first, 'rollback'],
        [second, 'deploy'],
        [first, 'deploy'],
      ],
    );
  });

  test(`a version that fails changes nothing and says why (${how})`, async (t) => {
    const running = await testApps(t, driver);
    doneRelease(await deployFiles(t, running, 'hello', nodeApp('"good"')));
    const before = await pids(running, 'hello');
    const health = { health: { startTimeout: '900ms', path: '/up' } };
    const cases: readonly (readonly [Readonly<Record<string, string>>, RegExp, RegExp?])[] = [
      [
        { 'server.js': 'console.error("no database"); process.exit(3);' },
        /^Process "web" of "hello" exited with code 3 after .*, before it was ready$/,
        /^no database$/,
      ],
      [
        settings({ 'server.js': 'setInterval(() => {}, 1000);' }, health),
        /did not listen on port \d+ or on LISTEN_SOCKET within 900 ms$/,
      ],
      [
        settings(
          {
            'server.js':
              'require("http").createServer((q, r) => r.writeHead(500).end()).listen(process.env.PORT);',
          },
          health,
        ),
        /answered 500 on "\/up", want less than 500 within 900 ms$/,
      ],
      [
        settings({ 'server.js': '' }, { processes: { web: 'exec no-such-program' } }),
        /exited with code 127 \(the command was not found\)/,
      ],
      [
        settings({ 'server.js': '' }, { processes: { web: 'kill -9 $$' } }),
        /was killed by SIGKILL/,
      ],
    ];
    for (const [files, sentence, log] of cases) {
      const failed = failure(await deployFiles(t, running, 'hello', files));
      assert.equal(failed.error.code, 'APPS_INSTANCE_FAILED');
      assert.match(failed.error.message, sentence);
      if (log !== undefined) assert.ok(failed.logTail.some((line) => log.test(line)));
      assert.equal((await running.router.get(HELLO)).body, 'good');
      assert.deepEqual(await pids(running, 'hello'), before);
    }
    assert.equal((await running.apps.show('hello')).releases.length, 1);
  });

  test(`an instance that is killed comes back (${how})`, async (t) => {
    const running = await testApps(t, driver);
    doneRelease(await deployFiles(t, running, 'hello', nodeApp('process.pid')));
    for (let round = 1; round <= 2; round++) {
      const [pid] = await pids(running, 'hello');
      process.kill(pid ?? 0, 'SIGKILL');
      await until('a restart', async () => {
        const [instance] = (await running.apps.show('hello')).instances;
        return instance?.restarts === round && instance.state === 'healthy';
      });
    }
    assert.equal((await running.router.get(HELLO)).status, 200);
  });

  test(`removing leaves nothing (${how})`, async (t) => {
    const running = await testApps(t, driver);
    doneRelease(await deployFiles(t, running, 'hello', nodeApp('"x"')));
    const [pid] = await pids(running, 'hello');
    await collect(running.apps.changeEnv('hello', { setSecrets: { KEY: 'secret' } }));
    await running.apps.remove('hello');
    assert.equal(processId(pid ?? 0), undefined);
    assert.equal(existsSync(`${running.data}/apps/hello`), false);
    assert.deepEqual((await running.registry.list('/')).entries, []);
    assert.equal(running.router.routes.has('hello'), false);
    await assert.rejects(running.apps.show('hello'), { code: 'APPS_NOT_FOUND' });
  });
}

test('an app that listens late is waited for', async (t) => {
  const running = await testApps(t);
  const late = 'require("http").createServer((q, r) => r.end("late")).listen(process.env.PORT)';
  const files = { 'server.js': `setTimeout(() => ${late}, 700);` };
  doneRelease(await deployFiles(t, running, 'hello', files));
  const [instance] = (await running.apps.show('hello')).instances;
  assert.equal(instance?.address?.kind, 'tcp');
  assert.equal((await running.router.get(HELLO)).body, 'late');
});

test('an app that crashes again and again is restarted ever more slowly, and its route stays', async (t) => {
  const running = await testApps(t);
  const crashing = 'request.headers["user-agent"] === "moln-health" ? "ok" : process.exit(7)';
  doneRelease(await deployFiles(t, running, 'hello', nodeApp(crashing)));
  await running.router.get(HELLO).catch(() => {});
  const view = await until('a pause', async () => {
    const [instance] = (await running.apps.show('hello')).instances;
    return instance?.state === 'backoff' ? instance : undefined;
  });
  assert.match(view.reason, /exited with code 7 .*; restarts in \d/);
  assert.equal(running.router.routes.get('hello')?.target.kind, 'upstreams');
});

test('a failed first deploy leaves no app behind', async (t) => {
  const running = await testApps(t);
  failure(await deployFiles(t, running, 'hello', { 'server.js': 'process.exit(1)' }));
  assert.deepEqual(await running.apps.list(), []);
  assert.equal(existsSync(`${running.data}/apps/hello`), false);
  assert.deepEqual((await running.registry.list('/')).entries, []);
});

test('gateways that refuse the route bring the old release back', async (t) => {
  const running = await testApps(t);
  const first = doneRelease(await deployFiles(t, running, 'hello', nodeApp('"one"')));
  running.router.refuse();
  const failed = failure(await deployFiles(t, running, 'hello', nodeApp('"two"')));
  assert.match(failed.error.message, /The gateway refuses/);
  assert.equal((await running.router.get(HELLO)).body, 'one');
  const view = await until('one instance', async () => {
    const now = await running.apps.show('hello');
    return now.instances.length === 1 && now.state === 'healthy' ? now : undefined;
  });
  assert.equal(view.app.release, first);
});

test('a client that goes away before the decision changes nothing', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"one"')));
  const folder = appFolder(t, { 'server.js': 'setInterval(() => {}, 1000)' });
  const client = new AbortController();
  const request = { app: 'hello', tar: packFolder(folder), domains: [], by: 'test' };
  const last: unknown[] = [];
  for await (const item of running.apps.deploy(request, client.signal)) {
    last.push(item);
    if (item.kind === 'step' && item.message.startsWith('Starting')) client.abort();
  }
  assert.equal((last.at(-1) as { error: { code: string } }).error.code, 'APPS_ABANDONED');
  assert.equal((await running.apps.show('hello')).instances.length, 1);
  assert.equal((await running.router.get(HELLO)).body, 'one');
});

test('one operation at a time: the second is told who is at work', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"one"')));
  const slow = running.apps.restart('hello');
  const second = failure(await collect(running.apps.restart('hello')));
  assert.equal(second.error.code, 'APPS_BUSY');
  assert.match(second.error.message, /^App "hello" is busy: a restart is under way since /);
  doneRelease(await collect(slow));
});

test('scaling up and down, and restarting, fail no request', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('process.env.MOLN_INSTANCE')));
  await using asking = load(running);
  doneRelease(await collect(running.apps.scale('hello', { web: 3 })));
  const three = await running.apps.show('hello');
  assert.deepEqual([three.healthy, three.wanted, three.state], [3, 3, 'healthy']);
  const answers = new Set<string>();
  await until('all three to answer', async () => {
    answers.add((await running.router.get(HELLO)).body);
    return answers.size === 3;
  });
  doneRelease(await collect(running.apps.restart('hello')));
  const again = await running.apps.show('hello');
  assert.equal(again.healthy, 3);
  for (const { id } of again.instances) assert.equal(answers.has(id), false, 'all are new');
  doneRelease(await collect(running.apps.scale('hello', { web: 1 })));
  assert.equal((await running.apps.show('hello')).instances.length, 1);
  assert.deepEqual((await asking.stop()).failures, []);
  const wrong = failure(await collect(running.apps.scale('hello', { wep: 2 })));
  assert.match(wrong.error.message, /has no process "wep": it has web/);
});

test('settings and secrets reach the app; a bad one is taken back', async (t) => {
  const running = await testApps(t);
  const body = '[process.env.COLOUR, process.env.KEY, process.env.FAIL].join()';
  const files = nodeApp(body);
  const server = `if (process.env.FAIL) process.exit(9);\n${files['server.js']}`;
  doneRelease(await deployFiles(t, running, 'hello', { ...files, 'server.js': server }));
  const change = { set: { COLOUR: 'blue' }, setSecrets: { KEY: 'sesame' } };
  doneRelease(await collect(running.apps.changeEnv('hello', change)));
  assert.equal((await running.router.get(HELLO)).body, 'blue,sesame,');
  failure(await collect(running.apps.changeEnv('hello', { set: { FAIL: '1' } })));
  assert.equal((await running.router.get(HELLO)).body, 'blue,sesame,');
  const { app } = await running.apps.show('hello');
  assert.deepEqual([app.env, app.secretNames], [{ COLOUR: 'blue' }, ['KEY']]);
  const stored = Buffer.from((await running.registry.get('/apps/hello'))?.value ?? '').toString();
  assert.doesNotMatch(stored, /sesame/);
  doneRelease(await collect(running.apps.changeEnv('hello', { unsetSecrets: ['KEY'] })));
  assert.equal((await running.router.get(HELLO)).body, 'blue,,');
});

test('stopping answers 503 with a sentence, starting serves again', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"up"')));
  await running.apps.stop('hello');
  const answer = await running.router.get(HELLO);
  assert.deepEqual([answer.status, answer.body], [503, 'App "hello" is stopped']);
  const stopped = await running.apps.show('hello');
  assert.deepEqual([stopped.state, stopped.instances], ['stopped', []]);
  doneRelease(await collect(running.apps.startApp('hello')));
  assert.equal((await running.router.get(HELLO)).body, 'up');
});

test('web and worker run side by side; domains lead to the web process', async (t) => {
  const running = await testApps(t);
  const files = settings(
    { ...nodeApp('"web"'), 'worker.js': 'console.log("working"); setInterval(() => {}, 1000);' },
    { processes: { web: 'node server.js', worker: 'node worker.js' }, scale: { worker: 2 } },
  );
  doneRelease(await deployFiles(t, running, 'hello', files));
  const view = await running.apps.show('hello');
  const processes = view.instances.map((each) => each.process).toSorted();
  assert.deepEqual(processes, ['web', 'worker', 'worker']);
  await running.apps.setDomains('hello', ['Www.Example.org']);
  assert.equal((await running.router.get('www.example.org')).body, 'web');
  doneRelease(await deployFiles(t, running, 'other', nodeApp('"other"')));
  await assert.rejects(running.apps.setDomains('other', ['www.example.org']), {
    code: 'APPS_DOMAIN_TAKEN',
  });
});

test('a static site needs no process', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'site', { 'index.html': '<h1>Hi</h1>' }));
  const target = running.router.routes.get('site')?.target;
  assert.equal(target?.kind, 'static');
  assert.ok(target?.kind === 'static' && existsSync(`${target.root}/index.html`));
  assert.equal((await running.apps.show('site')).state, 'healthy');
});

test('logs: the past, then what follows, also of the instance before', async (t) => {
  const running = await testApps(t);
  const files = nodeApp('(console.log("asked " + request.url), "ok")');
  doneRelease(await deployFiles(t, running, 'hello', files));
  await running.router.get(HELLO, '/first');
  const query = { app: 'hello', tail: 50, process: undefined, instance: undefined };
  await until('the line in the file', async () => {
    const lines = await collect(running.apps.logs({ ...query, follow: false }, NEVER));
    return lines.some((line) => line.text === 'asked /first');
  });
  const client = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const line of running.apps.logs({ ...query, follow: true }, client.signal)) {
      seen.push(line.text);
      assert.equal(line.process, 'web');
      if (line.text === 'asked /second') client.abort();
    }
  })();
  await until('the past', () => seen.includes('asked /first'));
  await running.router.get(HELLO, '/second');
  await reading;
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"silent"')));
  const after = await collect(running.apps.logs({ ...query, follow: false }, NEVER));
  assert.ok(after.some((line) => line.text === 'asked /second'));
});

test('run and exec: output, input, exit code, environment', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"x"')));
  await collect(running.apps.changeEnv('hello', { set: { COLOUR: 'red' } }));
  const [instance] = (await running.apps.show('hello')).instances;
  for (const inside of [undefined, instance?.id]) {
    const script =
      'read line; echo "$line $COLOUR $MOLN_APP"; echo $MOLN_INSTANCE >&2; echo oops >&2; exit 5';
    const output = await collect(
      running.apps.run(
        {
          app: 'hello',
          command: ['sh', '-c', script],
          instance: inside,
          stdin: Readable.from(['typed\n']),
        },
        NEVER,
      ),
    );
    const text = (stream: string): string =>
      output
        .map((item) =>
          item.kind === 'output' && item.stream === stream
            ? Buffer.from(item.base64, 'base64').toString()
            : '',
        )
        .join('');
    assert.equal(text('stdout'), 'typed red hello\n');
    const [id = '', ...rest] = text('stderr').split('\n');
    assert.deepEqual(rest, ['oops', '']);
    assert.ok(inside === undefined ? id.startsWith('hello-run-') : id === inside, id);
    assert.deepEqual(output.at(-1), { kind: 'exit', code: 5, signal: null });
  }
  const client = new AbortController();
  for await (const item of running.apps.run(
    {
      app: 'hello',
      command: ['sh', '-c', 'echo $$; sleep 1000'],
      instance: undefined,
      stdin: undefined,
    },
    client.signal,
  )) {
    if (item.kind === 'output') client.abort();
  }
  assert.equal((await running.apps.show('hello')).instances.length, 1);
});

test('an instance with open connections of its own stays until they end', async (t) => {
  const running = await testApps(t);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"one"')));
  const [old] = (await running.apps.show('hello')).instances;
  assert.ok(old?.pid !== undefined);
  running.router.holdUpgrades(old.id, 2);
  doneRelease(await deployFiles(t, running, 'hello', nodeApp('"two"')));
  const both = await running.apps.show('hello');
  assert.equal(both.instances.find(({ id }) => id === old.id)?.state, 'draining');
  assert.equal((await running.router.get(HELLO)).body, 'two');
  running.router.holdUpgrades(old.id, 0);
  await until('its end', async () => (await running.apps.show('hello')).instances.length === 1);
  assert.equal(processId(old.pid), undefined);
});
