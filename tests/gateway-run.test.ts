/** `moln gateway run FILE`: the gateway alone, as a person starts it. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { once } from 'node:events';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask, type Answer } from '../testing/http.ts';
import { Load } from '../testing/load.ts';
import { runMoln } from '../testing/moln.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';
import { issue } from './gateway-h2-kit.ts';

const DAY_MS = 86_400_000;

interface Place {
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  write(lines: readonly string[]): void;
  get(path: string): Promise<Answer>;
  workers(): readonly number[];
}

async function placeFor(t: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-'));
  mkdirSync(join(folder, 'public'));
  writeFileSync(join(folder, 'public', 'a.txt'), 'a file');
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const origin = createServer((request, response) => response.end(`origin ${request.url}`));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const originPort = (origin.address() as AddressInfo).port;
  t.after(() => {
    killProcesses(processesOf(folder));
    origin.close();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'gateway.yml');
  return {
    file,
    env: { ...process.env, MOLN_DATA: join(folder, 'data') },
    write: (lines) =>
      writeFileSync(
        file,
        [
          `listeners: [{ address: 127.0.0.1, port: ${port} }]`,
          'routes:',
          `  - { path: /, upstreams: [{ url: "http://127.0.0.1:${originPort}" }] }`,
          ...lines,
          '',
        ].join('\n'),
      ),
    get: (path) => ask({ address: '127.0.0.1', port, host: 'localhost', path }),
    workers: () =>
      processesOf(folder)
        .filter(({ command }) => command.includes('gateway-main'))
        .map(({ pid }) => pid),
  };
}

test('the gateway runs by itself from a file', async (t) => {
  const place = await placeFor(t);
  const run = (): FollowedCli => new FollowedCli(['gateway', 'run', place.file], place.env);
  place.write(['  - { path: /files, static: { root: public } }', 'workers: 1']);
  const first = run();
  await using _first = first;
  await first.says(/Serving http:\/\/127\.0\.0\.1:\d+/);

  await step(t, 'it serves what the file says', async () => {
    assert.equal((await place.get('/x')).body, 'origin /x');
    assert.equal((await place.get('/files/a.txt')).body, 'a file');
    assert.equal(place.workers().length, 1);
  });

  await step(t, 'a second one for the same file is refused', async () => {
    const { code, stderr } = await runMoln(['gateway', 'run', place.file], { env: place.env });
    assert.equal(code, 1);
    assert.match(stderr, /A gateway already runs with ".*gateway\.yml"/);
  });

  await step(t, 'a changed file is used after SIGHUP, without a lost request', async () => {
    await using load = new Load(() => place.get('/x'));
    place.write(['  - { path: /new, redirect: { to: /x } }', 'workers: 2']);
    process.kill(first.pid, 'SIGHUP');
    await until('the new route', async () => (await place.get('/new')).status === 308);
    await until('the second worker', () => place.workers().length === 2);
    assert.equal((await place.get('/files/a.txt')).body, 'origin /files/a.txt');
    place.write(['  - { path: /other, redirect: { to: /x } }', 'workers: 2']);
    process.kill(first.pid, 'SIGHUP');
    await until('the other route', async () => (await place.get('/other')).status === 308);
    const { answers, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(answers > 0);
    // Under load: gateway-run-upgrade.test.ts.
    place.write(['  - { path: /newer, redirect: { to: /x } }', 'workers: 1']);
    process.kill(first.pid, 'SIGHUP');
    await until('the newer route', async () => (await place.get('/newer')).status === 308);
    await until('one worker', () => place.workers().length === 1);
  });

  await step(t, 'a file with a mistake changes nothing', async () => {
    place.write(['  - { path: /bad, redirekt: { to: /x } }']);
    process.kill(first.pid, 'SIGHUP');
    await until('the words', () => /:4: Unknown key "routes\[1\]\.redirekt"/.test(first.stderr));
    assert.equal((await place.get('/newer')).status, 308);
    const checked = await runMoln(['gateway', 'check', place.file], { env: place.env });
    assert.equal(checked.code, 2);
    assert.match(checked.stderr, /did you mean "redirect"\?/);
  });

  place.write(['workers: 1']);
  await step(t, 'it serves on when its parent is killed, and the next one takes over', async () => {
    const before = place.workers();
    await using load = new Load(() => place.get('/x'));
    process.kill(first.pid, 'SIGKILL');
    await first.ended();
    const second = run();
    await using _second = second;
    await second.says(/Serving/);
    assert.deepEqual(place.workers(), before);
    await until('the file of now', async () => (await place.get('/newer')).status === 200);
    const { failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.equal((await second.interrupt()).code, 0);
    await until('no process', () => place.workers().length === 0);
  });
});

test('check says what is in a good file', async (t) => {
  const place = await placeFor(t);
  place.write([]);
  const { code, stdout } = await runMoln(['gateway', 'check', place.file, '--json'], {
    env: place.env,
  });
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { listeners: 1, routes: 1, warnings: [] });
});

test('an edge module of the file, in TypeScript; one that is no program is refused with its key', async (t) => {
  const place = await placeFor(t);
  const module = join(dirname(place.file), 'guard.ts');
  const guard = (word: string): void =>
    writeFileSync(
      module,
      `export default (request: Request): Response | undefined =>
        request.url.endsWith('/edge') ? new Response('${word}') : undefined;`,
    );
  const run = (): FollowedCli => new FollowedCli(['gateway', 'run', place.file], place.env);
  place.write(['  - { path: /edge, respond: { status: 404 }, edge: ./guard.ts }', 'workers: 1']);
  writeFileSync(module, 'export default (request');
  const refused = await runMoln(['gateway', 'check', place.file], { env: place.env });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /gateway\.yml:\d+: Key "routes\[1\]\.edge" is no module/);
  guard('first');
  await using first = run();
  await first.says(/Serving http/);
  assert.equal((await place.get('/edge')).body, 'first');
  assert.equal((await place.get('/page')).body, 'origin /page');
  guard('second');
  process.kill(first.pid, 'SIGHUP');
  await until('the changed module', async () => (await place.get('/edge')).body === 'second');
});

test('a certificate that ends soon is named as long as the gateway runs, and in its metrics', async (t) => {
  const place = await placeFor(t);
  const folder = dirname(place.file);
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const now = Date.now();
  const pairs = [
    await issue(['good.example']),
    await issue(['short.example'], { notBefore: now - 80 * DAY_MS, notAfter: now + 10 * DAY_MS }),
    await issue(['nobody.example']),
  ];
  for (const [at, { cert, key }] of pairs.entries()) {
    writeFileSync(join(folder, `${at}.pem`), cert);
    writeFileSync(join(folder, `${at}.key`), key);
  }
  const tls = pairs.map((_pair, at) => `{ cert: ${at}.pem, key: ${at}.key }`).join(', ');
  const config = [
    'workers: 2',
    `listeners: [{ address: 127.0.0.1, port: ${port}, protocol: https, tls: [${tls}] }]`,
    'routes: [{ host: [good.example, short.example], respond: { status: 404 } }]',
  ];
  writeFileSync(place.file, config.join('\n'));
  await using run = new FollowedCli(['gateway', 'run', place.file], place.env);
  await run.says(/Serving https/);
  await until('both', () => run.stderr.includes('short.example') && run.stderr.includes('nobody'));
  assert.match(run.stderr, /The certificate for short\.example of listener "\S+" expires on 20/);
  assert.match(run.stderr, /The certificate for nobody\.example of .* fits no host of the routes/);
  const { stdout } = await runMoln(['gateway', 'metrics', place.file], { env: place.env });
  const seen = [...stdout.matchAll(/^moln_certificate_warning\{.*host="(.*)",kind="(.*)"\} 1$/gm)];
  assert.deepEqual(
    seen.map(([, host, kind]) => [host, kind]),
    [
      ['short.example', 'expires-soon'],
      ['nobody.example', 'mismatch'],
    ],
  );
  const ends = /^moln_certificate_expiry_timestamp_seconds\{.*host="short\.example"\} (\d+)$/m;
  assert.equal(Number(ends.exec(stdout)?.[1]), Math.floor((now + 10 * DAY_MS) / 1000));
});
