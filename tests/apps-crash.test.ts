/** What is left when an agent is killed, and how the next one takes over. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { readRecords, writeRecord } from '../src/apps/instance-record.ts';
import { taggedProcesses } from '../src/apps/process-table.ts';
import { isRunning, processId, signalProcess } from '../src/base/process-id.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { dataFolder, type RunningApps, testApps } from '../testing/apps-kit.ts';
import { until } from '../testing/until.ts';

const HELLO = 'hello.localhost';

async function pids(running: RunningApps, app: string): Promise<(number | undefined)[]> {
  return (await running.apps.show(app)).instances.map((each) => each.pid);
}

interface Agent {
  readonly port: number;
  /** Sends a line, and returns what it prints until `done` or `failed`. */
  deploy(app: string, folder: string): Promise<string>;
  kill(): Promise<void>;
}

/** An agent in its own process, on a new data folder. What it leaves running ends with the test. */
async function startAgent(
  t: TestContext,
): Promise<{ readonly data: string; readonly agent: Agent }> {
  let end = async (): Promise<void> => {};
  t.after(() => end());
  const data = dataFolder(t);
  const child = spawn(process.execPath, [`${import.meta.dirname}/apps-crash-agent.ts`, data], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  end = async () => {
    await kill();
    for (const row of taggedProcesses(`${data}/apps`)) signalProcess(row, 'SIGKILL');
  };
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: first } = await lines.next();
  const agent: Agent = {
    port: Number(String(first).split(' ').at(-1)),
    kill,
    async deploy(app, folder) {
      child.stdin.write(`${app} ${folder}\n`);
      for (;;) {
        const { value } = await lines.next();
        const text = String(value);
        if (value === undefined || /"kind":"(done|failed)"/.test(text)) return text;
      }
    },
  };
  return { data, agent };
}

test('instances survive a killed agent and are adopted with the same pids', async (t) => {
  const { data, agent } = await startAgent(t);
  assert.match(await agent.deploy('hello', appFolder(t, nodeApp('process.pid'))), /"done"/);
  await agent.kill();
  const running = await testApps(t, undefined, data);
  const view = await until('the route', async () => {
    const now = await running.apps.show('hello');
    return running.router.routes.has('hello') && now.state === 'healthy' ? now : undefined;
  });
  const [adopted] = view.instances;
  assert.equal(view.instances.length, 1);
  assert.equal(adopted?.restarts, 0);
  const started = processId(adopted?.pid ?? 0);
  assert.ok(started !== undefined && isRunning(started));
  const inside = (await running.router.get(HELLO)).body;
  // The adopted one is watched although it is nobody's child here.
  process.kill(started.pid, 'SIGKILL');
  await until('a restart', async () => {
    const [instance] = (await running.apps.show('hello')).instances;
    return instance?.restarts === 1 && instance.state === 'healthy';
  });
  const [restarted] = await pids(running, 'hello');
  assert.notEqual(restarted, started.pid);
  assert.match(inside, /^\d+$/);
});

test('an agent killed in the middle of a deploy leaves no stray process', async (t) => {
  const { data, agent } = await startAgent(t);
  await agent.deploy('hello', appFolder(t, nodeApp('"one"')));
  // Never healthy: the deploy is under way when the agent dies.
  const marker = `marker-${process.pid}`;
  const stuck = appFolder(t, { 'server.js': `setInterval(() => {}, 1000) // ${marker}` });
  const deploying = agent.deploy('hello', stuck);
  await until('the new instance', () => instanceProcesses(data).size === 2);
  await agent.kill();
  await deploying;
  assert.equal(instanceProcesses(data).size, 2);
  const running = await testApps(t, undefined, data);
  await until('the old one alone', async () => {
    const view = await running.apps.show('hello');
    return view.instances.length === 1 && view.state === 'healthy';
  });
  assert.equal((await running.router.get(HELLO)).body, 'one');
  assert.equal(instanceProcesses(data).size, 1);
});

test('a process without its record, or with half of it, is found by its environment', async (t) => {
  const { data, agent } = await startAgent(t);
  assert.match(await agent.deploy('half', appFolder(t, nodeApp('"half"'))), /"done"/);
  assert.match(await agent.deploy('none', appFolder(t, nodeApp('"none"'))), /"done"/);
  await agent.kill();
  const before = taggedProcesses(`${data}/apps`).filter((row) => row.session === row.pid);
  const pidOf = (app: string): number =>
    before.find((row) => row.instance.startsWith(`${app}-`))?.pid ?? 0;
  // As if the agent had been killed after the start of the process and before it wrote that down.
  const [half] = readRecords(`${data}/apps/half/run`);
  assert.ok(half !== undefined);
  await writeRecord(`${data}/apps/half/run/${half.id}.json`, { ...half, processId: undefined });
  const [none] = readRecords(`${data}/apps/none/run`);
  rmSync(`${data}/apps/none/run/${none?.id}.json`);
  const running = await testApps(t, undefined, data);
  for (const app of ['half', 'none']) {
    await until(`${app} to answer`, async () => {
      const { status, body } = await running.router.get(`${app}.localhost`);
      return status === 200 && body === app;
    });
  }
  assert.deepEqual(await pids(running, 'half'), [pidOf('half')], 'adopted');
  assert.notDeepEqual(await pids(running, 'none'), [pidOf('none')], 'ended, and started anew');
  assert.equal(processId(pidOf('none')), undefined);
});

/** Ids of the instances that have processes, by their environment. */
function instanceProcesses(data: string): Set<string> {
  return new Set(taggedProcesses(`${data}/apps`).map((row) => row.instance));
}
