/** `npm run demo:cluster` as somebody who tries it: five nodes come up, one is killed by a key, and all ends with Ctrl-C. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { NodeDetail } from '../../src/api/model.ts';
import { ask } from '../../testing/http.ts';
import { runMoln } from '../../testing/moln.ts';
import { killProcesses, processesOf } from '../../testing/processes.ts';
import { freeNet } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';

const HTTP_PORT = 8080;
const UP_WITHIN_MS = 120_000;
const END_WITHIN_MS = 60_000;

test('the demo starts five nodes, kills one at the press of a key, and leaves nothing', async (t) => {
  const net = await freeNet(t);
  const demo: ChildProcess = spawn(
    process.execPath,
    ['scripts/demo-cluster.ts', '--address', `${net}.1`],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let output = '';
  const take = (chunk: Buffer): void => void (output += chunk.toString('utf8'));
  demo.stdout?.on('data', take);
  demo.stderr?.on('data', take);
  const says = (words: RegExp, withinMs = UP_WITHIN_MS): Promise<unknown> =>
    until(`${words}`, () => words.test(output) || Promise.reject(new Error(output)), { withinMs });
  let folder = '';
  t.after(() => {
    demo.kill('SIGKILL');
    if (folder !== '') killProcesses(processesOf(folder));
  });

  await says(/Ctrl-C stops all of them/);
  folder = /(\/\S*moln-demo-\w+)\/one/.exec(output)?.[1] ?? '';
  assert.ok(existsSync(folder), output);
  const statusAt = async (number: number, app: string): Promise<number> => {
    const host = `${app}.localhost`;
    return (await ask({ address: `${net}.${number}`, port: HTTP_PORT, host, path: '/' })).status;
  };
  for (const number of [1, 2, 3, 4, 5]) {
    for (const app of ['site', 'guestbook']) {
      await until(`${app} at node ${number}`, async () => (await statusAt(number, app)) === 200);
    }
  }
  const nodes = async (): Promise<readonly string[]> => {
    const { stdout } = await runMoln(['--data', `${folder}/one`, 'nodes', '--json'], {
      env: { PATH: process.env['PATH'] },
      input: '',
    });
    const all = JSON.parse(stdout) as readonly NodeDetail[];
    return all.map(({ name, region, state }) => `${name} ${region} ${state}`);
  };
  const ready = ['one north', 'two north', 'three north', 'four south', 'five south'];
  assert.deepEqual(
    await nodes(),
    ready.map((each) => `${each} ready`),
  );

  demo.stdin?.write('4\n');
  await until('four to be gone', async () => (await nodes()).includes('four south suspect'));
  for (const number of [1, 2, 3, 5]) {
    assert.equal(await statusAt(number, 'guestbook'), 200, `node ${number} serves on`);
  }
  demo.stdin?.write('4\n');
  await until('four to be back', async () => (await nodes()).includes('four south ready'), {
    withinMs: END_WITHIN_MS,
  });

  demo.kill('SIGINT');
  await until('the end', () => demo.exitCode !== null, { withinMs: END_WITHIN_MS });
  assert.equal(demo.exitCode, 0, output);
  assert.equal(existsSync(folder), false);
  assert.deepEqual(processesOf(folder), []);
});
