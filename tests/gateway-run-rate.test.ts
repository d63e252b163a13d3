/** A rate limit of a gateway with several processes, as a person starts it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask } from '../testing/http.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { until } from '../testing/until.ts';

const WORKERS = 3;
const BURST = 10;

test('workers count together, without a cache too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-rate-'));
  const [port = 0] = await freePorts('127.0.0.1', 1);
  t.after(() => {
    killProcesses(processesOf(folder));
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'gateway.yml');
  writeFileSync(
    file,
    `workers: ${WORKERS}\nlisteners: [{ address: 127.0.0.1, port: ${port} }]\n` +
      `routes: [{ path: /, respond: { status: 418, message: in }, rate: { requests: ${BURST}, per: 1h } }]\n`,
  );
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  await using run = new FollowedCli(['gateway', 'run', file], env);
  await until('it to serve', () => /Serving/.test(run.stdout), { withinMs: 60_000 });
  const statuses: number[] = [];
  // Each request is a connection of its own: the kernel gives them to all.
  for (let time = 0; time < 5 * BURST; time++) {
    const { status } = await ask({ address: '127.0.0.1', port, host: 'site.test', path: '/' });
    statuses.push(status);
  }
  const letIn = statuses.filter((status) => status === 418).length;
  // How far they go on account depends on how soon they are heard; each for itself, they would let in three bursts.
  assert.ok(letIn >= BURST && letIn <= 2 * BURST, statuses.join(' '));
  assert.ok(statuses.slice(-BURST).every((status) => status === 429));
});
