/** Real worker processes: changes under load, crashes, an agent that dies, bad configs, taken ports, a quiet end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readTextIfAny } from '../src/base/disk.ts';
import { isMolnError } from '../src/base/errors.ts';
import { formatPrometheus, mergeFamilies } from '../src/base/metrics.ts';
import { systemClock } from '../src/base/time.ts';
import type { AccessEntry } from '../src/gateway/access-log.ts';
import type { GatewayConfig, RouteConfig } from '../src/gateway/config.ts';
import { GATEWAY_CONFIG_BEHIND } from '../src/gateway/errors.ts';
import { GATEWAY_PORT_TAKEN, GatewaySupervisor } from '../src/gateway/gateway.ts';
import { WorkerLink } from '../src/gateway/worker-link.ts';
import { workerPaths } from '../src/gateway/worker-record.ts';
import { Load } from '../testing/load.ts';
import { freePorts } from '../testing/free-ports.ts';
import { processesOf } from '../testing/processes.ts';
import { until } from '../testing/until.ts';
import { ADDRESS, Echo, Stage } from './gateway/stage.ts';

const AGENT = fileURLToPath(new URL('./gateway/agent-main.ts', import.meta.url));

const pids = (supervisor: GatewaySupervisor): (number | undefined)[] =>
  supervisor.workers().map((worker) => worker.pid);

test('a route change under load fails no request and closes no upgraded connection', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor();
  await gateway.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  const echoes = await Promise.all([1, 2, 3, 4].map(() => Echo.open(stage.port)));
  await using load = new Load(() => stage.ask());
  let version = 0;
  for (let change = 0; change < 30; change++) {
    const route = change % 2 === 0 ? stage.route(stage.a, stage.b) : stage.route(stage.b);
    const other = { ...stage.route(stage.a), id: `app/${change}`, hosts: [`${change}.test`] };
    const applied = await gateway.apply(stage.config([route, other]));
    assert.ok(applied > version);
    version = applied;
    assert.equal((await stage.ask('/', `${change}.test`)).body, 'a');
    const seen = load.answers;
    await until('a few answers', () => load.answers > seen + 3);
  }
  // The last change took the only route of the upgraded connections away from their upstream.
  assert.equal((await stage.ask()).body, 'b');
  for (const [index, echo] of echoes.entries()) await echo.says(`still here ${index}`);
  assert.deepEqual((await load.stop()).failures, []);
  const loads = await gateway.stats();
  assert.equal(loads.length, 2);
  assert.ok(loads.every((stats) => stats.version === version));
  for (const echo of echoes) echo.close();
  await gateway.stop({ drainMs: 5000 });
  assert.deepEqual(processesOf(stage.folder), []);
});

test('of a change goes over what has changed; what is known of all other routes stays', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor(1);
  await gateway.start();
  const gone = { id: 'gone', address: { kind: 'socket', path: `${stage.folder}/gone` } } as const;
  const alone = { ...stage.route(stage.a), id: 'app/alone', hosts: ['alone.test'] };
  assert.ok(alone.target.kind === 'upstreams');
  const eject = { failures: 1, shareMax: 0.5, timeMs: 600_000, timeMsMax: 600_000 };
  const other: RouteConfig = {
    ...alone,
    id: 'app/other',
    hosts: ['other.test'],
    target: { kind: 'upstreams', upstreams: [...alone.target.upstreams, gone] },
    balance: { algorithm: 'round-robin', eject },
  };
  await gateway.apply(stage.config([stage.route(stage.a), alone, other]));
  const seen = async (): Promise<readonly unknown[]> => {
    const [stats] = await gateway.stats();
    return [stats?.unfit?.['app/other'], stats?.routes['app/other']?.requests];
  };
  for (let count = 0; count < 4; count++) {
    assert.equal((await stage.ask('/', 'other.test')).body, 'a');
  }
  assert.deepEqual(await seen(), [['gone'], 4]);
  const version = await gateway.apply(stage.config([stage.route(stage.b), other]));
  assert.equal((await stage.ask()).body, 'b');
  assert.equal((await stage.ask('/', 'alone.test')).status, 404);
  assert.deepEqual(await seen(), [['gone'], 4]);
  // Who has another config than it is taken for says so, and goes on with that.
  const { socket } = workerPaths(stage.folders, 1);
  const { link } = await WorkerLink.connect(socket, systemClock);
  const change = { from: version - 1, version: version + 5, gone: ['app/x'] };
  const verdict = await link.change({ ...change, routes: [], set: {}, unset: [] });
  link.close();
  assert.ok(verdict.kind === 'refused');
  assert.equal(verdict.error.code, GATEWAY_CONFIG_BEHIND);
  assert.equal((await stage.ask()).body, 'b');
  // A process that is new has none, and gets all of it.
  const [pid] = pids(gateway);
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  await until('a new process that serves', () => {
    const [worker] = gateway.workers();
    return worker?.pid !== pid && worker?.state === 'serving';
  });
  await gateway.apply(stage.config([stage.route(stage.a), other]));
  for (const host of ['x.test', 'other.test']) {
    assert.equal((await stage.ask('/', host)).body, 'a');
  }
  await gateway.stop({ drainMs: 0 });
});

test('what an agent that died had on its way does not stay, though the next one gives the same version', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor(1);
  await gateway.start();
  const version = await gateway.apply(stage.config([stage.route(stage.a)]));
  const other = { ...stage.route(stage.a), id: 'app/other', hosts: ['other.test'] };
  const { link } = await WorkerLink.connect(workerPaths(stage.folders, 1).socket, systemClock);
  const late = { ...stage.config([stage.route(stage.a), other]), version: version + 1 };
  const verdict = await link.configure(late);
  link.close();
  assert.equal(verdict.kind, 'applied');
  assert.equal(await gateway.apply(stage.config([stage.route(stage.b)])), version + 1);
  assert.equal((await stage.ask()).body, 'b');
  // What is told of the next is what changes about the one that is in use.
  await gateway.apply(stage.config([stage.route(stage.a)]));
  assert.equal((await stage.ask()).body, 'a');
  assert.equal((await stage.ask('/', 'other.test')).status, 404);
  await gateway.stop({ drainMs: 0 });
});

test('load of an upstream counts requests and upgrades over all workers', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor();
  await gateway.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  const held = Promise.withResolvers<void>();
  stage.a.onLate = () => held.promise;
  const late = [1, 2, 3].map(() => stage.ask('/late'));
  const echoes = await Promise.all([1, 2].map(() => Echo.open(stage.port)));
  await until('three requests and two upgrades', async () => {
    const { requests, upgrades } = await gateway.upstreamLoad(stage.a.path);
    return requests === 3 && upgrades === 2;
  });
  held.resolve();
  for (const answer of await Promise.all(late)) assert.equal(answer.body, 'a');
  for (const echo of echoes) echo.close();
  await until('nothing under way', async () => {
    const { requests, upgrades } = await gateway.upstreamLoad(stage.a.path);
    return requests === 0 && upgrades === 0;
  });
  const totals = (await gateway.stats()).map((stats) => stats.routes['app/x']?.requests ?? 0);
  assert.ok(totals.reduce((sum, count) => sum + count, 0) >= 3);
  await gateway.stop({ drainMs: 0 });
});

test('metrics of the workers add up, and the access log knows the id of an error page', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor();
  await gateway.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  for (let count = 0; count < 10; count++) await stage.ask(`/?n=${count}`);
  const missing = await stage.ask('/', 'nobody.test');
  assert.equal(missing.status, 404);
  const id = String(missing.headers['moln-error-id']);
  assert.ok(missing.body.includes(id));
  await until('ten requests in the metrics', async () => {
    const families = mergeFamilies((await gateway.stats()).map((stats) => stats.metrics));
    const text = formatPrometheus(families);
    return (
      text.includes('moln_gateway_requests_total{route="app/x",status="2xx"} 10\n') &&
      text.includes('moln_gateway_request_seconds_count{route="app/x"} 10\n') &&
      text.includes('moln_gateway_workers 2\n')
    );
  });
  await gateway.stop({ drainMs: 0 });
  const lines = await accessLines(stage);
  const targets = lines.filter((line) => line.route === 'app/x').map((line) => line.target);
  assert.deepEqual(
    targets.toSorted(),
    Array.from({ length: 10 }, (_, index) => `/?n=${index}`),
  );
  assert.equal(lines.find((line) => line.errorId === id)?.status, 404);
});

async function accessLines(stage: Stage): Promise<readonly AccessEntry[]> {
  const texts = await Promise.all(
    [1, 2].map((slot) => readTextIfAny(workerPaths(stage.folders, slot).accessLog)),
  );
  return texts
    .flatMap((text) => (text ?? '').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AccessEntry);
}

test('a killed worker is replaced and serves again', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor();
  await gateway.start();
  const version = await gateway.apply(stage.config([stage.route(stage.a)]));
  const [victim] = pids(gateway);
  assert.ok(victim !== undefined);
  process.kill(victim, 'SIGKILL');
  await until('a new worker with the config', () => {
    const [worker] = gateway.workers();
    return worker?.pid !== victim && worker?.state === 'serving' && worker.version === version;
  });
  assert.equal(gateway.workers()[0]?.restarts, 1);
  for (let count = 0; count < 20; count++) assert.equal((await stage.ask()).body, 'a');
  await gateway.stop({ drainMs: 0 });
});

test('a worker that hangs is replaced', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor(1, 1000);
  await gateway.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  const [victim] = pids(gateway);
  assert.ok(victim !== undefined);
  process.kill(victim, 'SIGSTOP');
  await until('another worker that serves', () => {
    const [worker] = gateway.workers();
    return worker?.pid !== victim && worker?.state === 'serving';
  });
  assert.equal((await stage.ask()).body, 'a');
  await gateway.stop({ drainMs: 0 });
});

test('the gateway serves on without its agent, and the next agent adopts it', async () => {
  await using stage = await Stage.open();
  const content = stage.config([stage.route(stage.a)]);
  const { runFolder, logFolder } = stage.folders;
  const agent = spawn(process.execPath, [AGENT, runFolder, logFolder, JSON.stringify(content)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  agent.stdout.setEncoding('utf8');
  assert.deepEqual(await Promise.race([once(agent.stdout, 'data'), once(agent, 'exit')]), [
    'ready\n',
  ]);
  const before = await readPids(stage);
  await using load = new Load(() => stage.ask());
  agent.kill('SIGKILL');
  await once(agent, 'exit');
  const seen = load.answers;
  await until('answers without an agent', () => load.answers > seen + 50);

  await using gateway = stage.supervisor();
  await gateway.start();
  assert.deepEqual(pids(gateway), before);
  assert.ok(gateway.workers().every((worker) => worker.state === 'serving'));
  await gateway.apply(stage.config([stage.route(stage.b)]));
  assert.equal((await stage.ask()).body, 'b');
  assert.deepEqual((await load.stop()).failures, []);

  await gateway.detach();
  assert.equal((await stage.ask()).body, 'b');
  await using third = stage.supervisor(1);
  await third.start();
  assert.deepEqual(pids(third), before.slice(0, 1));
  await third.apply(stage.config([stage.route(stage.b)]));
  await until('the second worker is gone', () => processesOf(stage.folder).length === 1);
  assert.equal((await stage.ask()).body, 'b');
  await third.stop({ drainMs: 0 });
});

async function readPids(stage: Stage): Promise<number[]> {
  return await Promise.all(
    [1, 2].map(async (slot) => {
      const text = await readFile(workerPaths(stage.folders, slot).record, 'utf8');
      return (JSON.parse(text) as { process: { pid: number } }).process.pid;
    }),
  );
}

test('workers of another release are replaced without a failed request', async () => {
  await using stage = await Stage.open();
  const first = stage.supervisor();
  await first.start();
  await first.apply(stage.config([stage.route(stage.a)]));
  const before = await readPids(stage);
  await first.detach();
  for (const slot of [1, 2]) {
    const path = workerPaths(stage.folders, slot).record;
    const record = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...record, protocol: 99 }));
  }
  await using load = new Load(() => stage.ask());
  await using second = stage.supervisor();
  await second.start();
  assert.deepEqual(
    second.workers().map((worker) => worker.slot),
    [3, 4],
  );
  await second.apply(stage.config([stage.route(stage.b)]));
  await until('the old workers to be gone', () =>
    processesOf(stage.folder).every((seen) => !before.includes(seen.pid)),
  );
  assert.equal((await stage.ask()).body, 'b');
  assert.deepEqual((await load.stop()).failures, []);
  await second.stop({ drainMs: 0 });
  assert.deepEqual(processesOf(stage.folder), []);
});

test('workers on their way out are not adopted', async () => {
  await using stage = await Stage.open();
  const first = stage.supervisor();
  await first.start();
  await first.apply(stage.config([stage.route(stage.a)]));
  const before = await readPids(stage);
  const echoes = await Promise.all([1, 2, 3, 4].map(() => Echo.open(stage.port)));
  await first.detach();
  // As when the whole service is stopped: everybody gets it, and the upgraded connections hold the workers up.
  for (const pid of before) process.kill(pid, 'SIGTERM');
  await until('both to refuse connections', async () => {
    const asked = await Promise.allSettled([stage.ask(), stage.ask()]);
    return asked.every(({ status }) => status === 'rejected');
  });
  await using second = stage.supervisor();
  await second.start();
  await second.apply(stage.config([stage.route(stage.b)]));
  assert.equal((await stage.ask()).body, 'b');
  assert.equal(
    pids(second).some((pid) => before.includes(pid ?? 0)),
    false,
  );
  for (const [index, echo] of echoes.entries()) await echo.says(`still here ${index}`);
  for (const echo of echoes) echo.close();
  await second.stop({ drainMs: 0 });
  assert.deepEqual(processesOf(stage.folder), []);
});

test('two nodes of one user do not share a port without a word', async () => {
  await using stage = await Stage.open();
  await using other = await Stage.open();
  await using gateway = stage.supervisor(1);
  await using second = other.supervisor(1);
  await gateway.start();
  await second.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  const content = {
    ...other.config([other.route(other.b)]),
    listeners: stage.config([]).listeners,
  };
  await assert.rejects(second.apply(content), (error) => {
    assert.ok(isMolnError(error, GATEWAY_PORT_TAKEN));
    assert.match(error.message, /is taken by node gateway-main\.ts \(pid \d+\)$/);
    return true;
  });
  for (let count = 0; count < 10; count++) assert.equal((await stage.ask()).body, 'a');
  await gateway.stop({ drainMs: 0 });
  await second.stop({ drainMs: 0 });
});

test('a bad config is refused and the one before serves on', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor(1);
  await gateway.start();
  const good = stage.config([stage.route(stage.a)]);
  const version = await gateway.apply(good);
  const bad = { ...good, routes: [{ ...stage.route(stage.a), hosts: ['Not A Host'] }] };
  await assert.rejects(gateway.apply(bad), (error) => isMolnError(error, 'CONFIG_INVALID'));
  const [route] = good.routes;
  await assert.rejects(
    gateway.apply({ ...good, routes: [route, route] as readonly RouteConfig[] }),
    /repeats the id/,
  );
  // Past the agent: a worker trusts nobody.
  const { link } = await WorkerLink.connect(workerPaths(stage.folders, 1).socket, systemClock);
  const verdict = await link.configure({ ...bad, version: 99 } as GatewayConfig);
  assert.equal(verdict.kind, 'refused');
  const older = await link.configure({ ...good, version: 0 });
  assert.equal(older.kind, 'refused');
  link.close();
  assert.equal((await stage.ask()).body, 'a');
  assert.equal((await gateway.stats())[0]?.version, version);
  await gateway.apply(stage.config([stage.route(stage.b)]));
  assert.equal((await stage.ask()).body, 'b');
  await gateway.stop({ drainMs: 0 });
});

test('a config that no worker can bring about is taken back everywhere', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor();
  await gateway.start();
  const good = stage.config([stage.route(stage.a)]);
  await gateway.apply(good);
  const [port = 0] = await freePorts(ADDRESS, 1);
  const https = { id: 'https', address: ADDRESS, port, protocol: 'https' } as const;
  const broken = {
    ...stage.config([stage.route(stage.b)]),
    listeners: [...good.listeners, { ...https, tls: { cert: 'no certificate', key: 'no key' } }],
  };
  await assert.rejects(gateway.apply(broken), (error) =>
    isMolnError(error, 'GATEWAY_CONFIG_REFUSED'),
  );
  for (let count = 0; count < 10; count++) assert.equal((await stage.ask()).body, 'a');
  const [victim] = pids(gateway);
  assert.ok(victim !== undefined);
  process.kill(victim, 'SIGKILL');
  await until('a new worker with the config before', () => {
    const [worker] = gateway.workers();
    return worker?.pid !== victim && worker?.state === 'serving';
  });
  for (let count = 0; count < 10; count++) assert.equal((await stage.ask()).body, 'a');
  await gateway.stop({ drainMs: 0 });
});

test('a taken port is said with its holder, before anything starts to serve', async () => {
  await using stage = await Stage.open();
  const holder = createServer();
  holder.listen(stage.port, ADDRESS);
  await once(holder, 'listening');
  await using gateway = stage.supervisor(1);
  await gateway.start();
  const content = stage.config([stage.route(stage.a)]);
  await assert.rejects(gateway.apply(content), (error) => {
    assert.ok(isMolnError(error, GATEWAY_PORT_TAKEN));
    assert.match(
      error.message,
      new RegExp(`^Port ${stage.port} is taken by .+\\(pid ${process.pid}\\)$`),
    );
    return true;
  });
  holder.close();
  await once(holder, 'close');
  await gateway.apply(content);
  assert.equal((await stage.ask()).body, 'a');
  await gateway.stop({ drainMs: 0 });
});

test('a stop lets requests under way finish and takes no new ones', async () => {
  await using stage = await Stage.open();
  await using gateway = stage.supervisor();
  await gateway.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  const held = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  stage.a.onLate = () => {
    asked.resolve();
    return held.promise;
  };
  const late = stage.ask('/late');
  await asked.promise;
  const stopped = gateway.stop({ drainMs: 20_000 });
  await until('connections to be refused', async () => {
    try {
      await stage.ask();
      return false;
    } catch {
      return true;
    }
  });
  held.resolve();
  assert.equal((await late).body, 'a');
  await stopped;
  assert.deepEqual(processesOf(stage.folder), []);
});

test('workers whose data folder is gone do not stay', async () => {
  await using stage = await Stage.open();
  const gateway = stage.supervisor(1);
  await gateway.start();
  await gateway.apply(stage.config([stage.route(stage.a)]));
  const [pid] = pids(gateway);
  await gateway.detach();
  await rm(stage.folders.runFolder, { recursive: true });
  await until(
    'the worker to end',
    () => !processesOf(stage.folder).some((seen) => seen.pid === pid),
    {
      withinMs: 30_000,
    },
  );
});
