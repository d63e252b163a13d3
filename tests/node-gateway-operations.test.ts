/** The gateways of a node: its settings for logs, traces and agent-checks, why it is slow, and a release that replaces them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SlowReport } from '../src/gateway/gateway.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ProgramCopy } from '../testing/program-copy.ts';
import { step } from '../testing/step.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

const ENOUGH = 200;

test('settings of a node, and a new release of its gateways', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-release-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = new ProgramCopy(folder);
  const [agentPort = 0] = await freePorts('127.0.0.1', 1);
  let spans = 0;
  const collector = createServer((request, response) => {
    request.resume().on('end', () => {
      spans++;
      response.end('{}');
    });
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  t.after(() => {
    collector.closeAllConnections();
    collector.close();
  });
  const traces = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
  const settings = ['--agent-port', String(agentPort), '--access-log', 'combined'];
  const args = [...settings, '--trace', traces, '--trace-sample', '1'];
  await using node = await TestNode.start(t, { program: program.moln, args });
  const echo = 'request.headers.traceparent ?? ""';
  await node.json('deploy', appFolder(t, nodeApp(echo)), '--name', 'app');

  await step(t, 'requests are traced, logged and explained', async () => {
    assert.match((await node.get('app')).body, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    await until('spans', () => spans > 0);
    const log = join(node.dataFolder, 'logs', 'access-1.log');
    await until('a line', () => existsSync(log) && readFileSync(log, 'utf8').includes('"GET / '));
    const url = `http://app.localhost:${node.ports.http}/`;
    const report = await node.json<SlowReport>('why', 'slow', url);
    assert.equal(report.route, 'app/app');
    assert.ok(report.requests > 0);
    assert.match((await node.cli('why', 'slow', url)).stdout, /Route app\/app: \d+ request/);
  });

  await step(t, 'HAProxy would read what this machine can take', async () => {
    const socket = connect(agentPort, '127.0.0.1');
    const [line] = (await once(socket, 'data')) as [Buffer];
    assert.match(line.toString(), /^up ready \d{1,3}%\n$/);
    socket.destroy();
  });

  await step(t, 'an agent of a new release replaces the gateways, and nobody notices', async () => {
    const pids = async (): Promise<readonly (number | undefined)[]> =>
      (await node.status()).gateway.workers.map(({ pid }) => pid);
    const before = await pids();
    await using load = node.load('app', '/', { parallel: 4 });
    await until('some answers', () => load.answers > ENOUGH);
    await node.crash();
    program.add('src/gateway/limits.ts', '// Another release.');
    await node.restart();
    assert.notDeepEqual(await pids(), before);
    const from = load.answers;
    await until('further answers', () => load.answers > from + ENOUGH);
    assert.deepEqual((await load.stop()).failures, []);
    await until('the old one to go', () => !existsSync(`/proc/${before[0]}`));
  });
});
