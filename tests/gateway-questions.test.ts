/** A gateway that runs by itself is purged and asked from a second process. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CacheExplanation, TopReport } from '../src/gateway/gateway.ts';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask } from '../testing/http.ts';
import { runMoln } from '../testing/moln.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';

test('a second process purges, explains and counts', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-questions-'));
  const [port = 0] = await freePorts('127.0.0.1', 1);
  let asked = 0;
  const origin = createServer((_request, response) => {
    response.setHeader('Cache-Control', 'max-age=3600');
    response.setHeader('Cache-Tag', 'news');
    response.end(`answer ${++asked}`);
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  t.after(() => {
    killProcesses(processesOf(folder));
    origin.close();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'gateway.yml');
  const upstream = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  writeFileSync(
    file,
    `workers: 2\nlisteners: [{ address: 127.0.0.1, port: ${port} }]\n` +
      `routes: [{ path: /, upstreams: [{ url: "${upstream}" }], cache: true }]\n`,
  );
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  const get = (): ReturnType<typeof ask> =>
    ask({ address: '127.0.0.1', port, host: `localhost:${port}`, path: '/' });
  const url = `http://localhost:${port}/`;
  const moln = (...words: readonly string[]): ReturnType<typeof runMoln> =>
    runMoln(['gateway', ...words], { env });

  await step(t, 'nobody answers for a gateway that does not run', async () => {
    const { code, stderr } = await moln('purge', file, '--all');
    assert.equal(code, 1);
    assert.match(stderr, /No gateway runs with/);
  });

  await using run = new FollowedCli(['gateway', 'run', file], env);
  await run.says(/Serving/);

  await step(t, 'what is stored is explained, by every process', async () => {
    assert.match(String((await get()).headers['cache-status']), /stored/);
    const { stdout } = await moln('why', file, url, '--json');
    const said = JSON.parse(stdout) as readonly CacheExplanation[];
    assert.equal(said.length, 2);
    const owners = said.filter(({ owners: named }) => named.some(({ isSelf }) => isSelf));
    assert.equal(owners.length, 1);
    assert.equal(owners[0]?.decision, 'hit');
    assert.deepEqual(owners[0].variants[0]?.tags, ['news']);
    assert.match((await moln('why', file, url)).stdout, /hit \(fresh\).*\n.*tags news/);
  });

  await step(t, 'a purge reaches every process', async () => {
    assert.equal((await moln('purge', file, '--tag', 'news')).code, 0);
    const { stdout } = await moln('why', file, url, '--json');
    const said = JSON.parse(stdout) as readonly CacheExplanation[];
    assert.deepEqual(
      said.map(({ decision, variants }) => [decision, variants.length]),
      [
        ['miss', 0],
        ['miss', 0],
      ],
    );
    const { code, stderr } = await moln('purge', file);
    assert.equal(code, 2);
    assert.match(stderr, /Nothing is named/);
  });

  await step(t, 'a mistake that is being made in the file is no reason not to answer', async () => {
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, 'listeners: [');
    assert.equal((await moln('purge', file, '--all')).code, 0);
    writeFileSync(file, good);
    const { code, stderr } = await moln('purge', join(folder, 'none.yml'), '--all');
    assert.equal(code, 2);
    assert.match(stderr, /none\.yml" cannot be read: ENOENT/);
  });

  await step(t, 'top counts the requests of all processes', async () => {
    const counting = moln('top', file, '--seconds', '3', '--json');
    let isOver = false;
    void counting.then(() => (isOver = true));
    while (!isOver) await get();
    const report = JSON.parse((await counting).stdout) as TopReport;
    assert.equal(report.urls[0]?.name, `localhost:${port}/`);
    assert.ok(report.urls[0].hits > 0);
    assert.equal(report.routes[0]?.name, '*/');
  });
});
