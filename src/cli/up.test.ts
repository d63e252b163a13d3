import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import type { Progress, Status } from '../api/model.ts';
import { runCli } from './cli.ts';
import { appNameOf, readPairs, type RunningNode } from './up.ts';

const STATUS: Status = {
  sentence: 'All good: 1 app on 1 node',
  version: '0.1.0',
  cluster: { id: 'c1', name: 'home', fingerprint: 'ab'.repeat(32) },
  self: 'attic',
  leader: 'attic',
  managers: 'One node',
  warnings: [],
  nodes: [
    {
      id: 'n1',
      name: 'attic',
      region: 'home',
      labels: {},
      state: 'ready',
      address: '127.0.0.1',
      port: 7420,
      dataFolder: '/data',
      version: '0.1.0',
      startedAt: 0,
      cpu: { cores: 2, usedRatio: 0.1 },
      memory: { totalBytes: 4e9, usedBytes: 1e9 },
      disk: { totalBytes: 1e11, freeBytes: 5e10 },
      etcd: 'none',
    },
  ],
  apps: [
    {
      name: 'blog',
      kind: 'static',
      state: 'healthy',
      release: 'abc',
      urls: ['http://blog.localhost:8080/'],
      instances: { healthy: 0, wanted: 0 },
      deployedAt: 0,
    },
  ],
  gateway: { url: 'http://127.0.0.1:8080', httpsUrl: 'https://127.0.0.1:8443', workers: [] },
  console: { url: 'http://127.0.0.1:7420' },
  registry: { engine: 'sqlite', revision: 7, isLive: true },
  driver: { name: 'plain', why: 'not root', isolated: false },
  workers: [],
};

/** A node that only says it is one; `stop` is what Ctrl-C calls. */
function quietNode(deploy: () => AsyncIterable<Progress>): RunningNode & { stops: number } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    stops: 0,
    status: () => Promise.resolve(STATUS),
    loginLink: () => Promise.resolve('http://127.0.0.1:7420/login?code=x'),
    waitsFor: () => undefined,
    deployFolder: deploy,
    stopped: promise,
    stop() {
      this.stops++;
      resolve();
      return Promise.resolve();
    },
  };
}

interface Up {
  readonly ended: Promise<number>;
  readonly text: () => string;
  readonly signals: EventEmitter;
}

function up(node: RunningNode | Promise<RunningNode>, ...words: readonly string[]): Up {
  const output = new PassThrough();
  let text = '';
  output.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const stdin = Readable.from([]);
  const signals = new EventEmitter();
  const streams = { stdout: output, stderr: output, stdin };
  const io = { ...streams, env: {}, isTerminal: false, cwd: tmpdir(), signals };
  const data = join(tmpdir(), 'moln-none');
  const startNode = (): Promise<RunningNode> => Promise.resolve(node);
  return {
    ended: runCli(['up', '--data', data, ...words], io, { startNode }),
    text: () => text,
    signals,
  };
}

const TURNS_MAX = 10_000;

/** Waits for words of the output by looking after every turn of the loop. */
async function says(run: Up, pattern: RegExp): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (pattern.test(run.text())) return;
    await new Promise(setImmediate);
  }
  assert.match(run.text(), pattern);
}

async function* deployed(): AsyncGenerator<Progress> {
  yield { kind: 'step', at: 0, message: 'Sealing the release' };
  yield { kind: 'done', app: 'blog', release: 'abc', url: 'http://blog.localhost:8080/' };
}

async function* broken(): AsyncGenerator<Progress> {
  const error = { code: 'APPS_EXITED', message: 'It exited', retryable: false, hint: 'Mend it' };
  yield { kind: 'failed', error, logTail: ['boom'] };
}

test('up deploys, says where everything is, and stops in order at Ctrl-C', async () => {
  const node = quietNode(deployed);
  const run = up(node, '--deploy', 'blog');
  await says(run, /Ctrl-C stops/);
  for (const words of [
    'Sealing the release',
    'Moln is up: node "attic"',
    'http://127.0.0.1:8080',
    'http://blog.localhost:8080/',
    'http://127.0.0.1:7420/login?code=x',
    'Apps are not kept apart: not root',
    `moln --data ${join(tmpdir(), 'moln-none')} deploy DIR --name NAME`,
  ]) {
    assert.ok(run.text().includes(words), `${words} in ${run.text()}`);
  }
  run.signals.emit('SIGINT');
  assert.equal(await run.ended, 0);
  assert.equal(node.stops, 1);
  assert.match(run.text(), /Ctrl-C: stopping the node[\s\S]*Everything is kept/);
  assert.equal(run.signals.listenerCount('SIGINT'), 0, 'no signal handler stays behind');
});

test('a folder that does not deploy is told, and the node stays up', async () => {
  const node = quietNode(broken);
  const run = up(node, '--deploy', 'blog');
  await says(run, /Ctrl-C stops/);
  assert.match(run.text(), / {2}\| boom\nApp "blog" was not deployed: It exited\n {2}Mend it\n/);
  run.signals.emit('SIGTERM');
  assert.equal(await run.ended, 0);
});

test('a node that falls over ends up with its error', async () => {
  const node = quietNode(deployed);
  const run = up({ ...node, stopped: Promise.reject(new Error('the registry is gone')) });
  assert.equal(await run.ended, 1);
  assert.match(run.text(), /the registry is gone/);
});

test('an app is named after its folder', () => {
  assert.equal(appNameOf('/x/My Blog.v2'), 'my-blog-v2');
  assert.equal(appNameOf('/x/2024-site/'), 'site');
  assert.equal(appNameOf(`/x/${'a'.repeat(39)}-b`), 'a'.repeat(39));
  assert.throws(() => appNameOf('/x/123'), /suggests no app name/);
});

test('pairs keep everything after the first equals sign', () => {
  assert.deepEqual(readPairs(['A=b=c', 'B='], 'env', /^[A-Z]$/), { A: 'b=c', B: '' });
  for (const word of ['A', '=x', 'ab=1']) assert.throws(() => readPairs([word], 'env', /^[A-Z]$/));
});

test('Ctrl-C during the start stops the node as soon as there is one', async () => {
  const node = quietNode(() => assert.fail('nothing is deployed any more'));
  const { promise, resolve } = Promise.withResolvers<RunningNode>();
  const run = up(promise, '--deploy', 'blog');
  run.signals.emit('SIGINT');
  await says(run, /Ctrl-C: stopping the node/);
  resolve(node);
  assert.equal(await run.ended, 0);
  assert.equal(node.stops, 1);
  assert.doesNotMatch(run.text(), /Moln is up/);
});

test('a stop that cuts a deploy off is no error', async () => {
  const gate = Promise.withResolvers<void>();
  const node = quietNode(async function* () {
    yield { kind: 'step', at: 0, message: 'Building' };
    await gate.promise;
    throw new Error('the node stops');
  });
  const run = up(node, '--deploy', 'blog');
  await says(run, /Building/);
  run.signals.emit('SIGINT');
  gate.resolve();
  assert.equal(await run.ended, 0);
  assert.doesNotMatch(run.text(), /Error/);
});
