/**
 * `npm run bench -- cluster`: five real nodes on this machine under a steady load: how long joins take, what the loss of a
 * worker and of the leading manager costs, what an idle agent needs, and how fast a change of a route reaches all gateways.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { EventDetail, ManagerStatus } from '../src/api/model.ts';
import { nodeApp, writeFiles } from '../testing/app-folder.ts';
import { ask, type Answer } from '../testing/http.ts';
import { failuresOf, PacedLoad, type Asked } from '../testing/paced-load.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import type { TestLife, TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { BenchLife } from './bench-life.ts';
import { clusterTable, type Figure } from './cluster-report.ts';
import { deployApps, routeChanges } from './cluster-routes.ts';
import { cpuSeconds, hurry, hurryProcess, memoryOf, median } from './tools.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
const WORKER = 'e';
const RESULTS = join(import.meta.dirname, 'results');
const IDLE_S = 30;
/** What the load before has left is collected meanwhile, and what is run now and then is compiled no further. */
const SETTLE_MS = 120_000;
const MIB = 1024 * 1024;
const LOST_AFTER_S = 5;
const WITHIN = { withinMs: 120_000 } as const;

export async function benchCluster(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rate: { type: 'string', default: '1000' },
      apps: { type: 'string', default: '100' },
    },
  });
  using _hurry = hurry();
  await using life = new BenchLife();
  const bench = new ClusterBench(life, { rate: Number(values.rate), apps: Number(values.apps) });
  await bench.run();
  life.passed = true;
}

class ClusterBench {
  readonly #life: TestLife;
  readonly #rate: number;
  readonly #apps: number;
  readonly #figures: Figure[] = [];
  readonly #loadAverage = loadavg()[0] ?? 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(life: TestLife, options: { readonly rate: number; readonly apps: number }) {
    this.#life = life;
    this.#rate = options.rate;
    this.#apps = options.apps;
  }

  async run(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
    writeFiles(folder, APP);
    await using cluster = await TestCluster.form(this.#life, NAMES.slice(0, 1));
    await cluster.node('a').json('deploy', folder, '--name', 'app');
    await this.#joins(cluster);
    await cluster.node('b').json('app', 'app', 'scale', String(NAMES.length));
    await cluster.runsOn('app', NAMES, WITHIN);
    hurryNodes(cluster);
    await this.#idle(cluster);
    await this.#killWorker(cluster);
    await this.#killLeader(cluster);
    await deployApps(cluster.nodes, this.#apps);
    hurryNodes(cluster);
    const routes = await routeChanges(cluster.nodes, this.#apps);
    const slowest = `, slowest of ${routes.length} ${Math.max(...routes).toFixed(0)} ms`;
    this.#add(
      `${this.#apps} apps (a fifth of them processes, the others sites) on ${NAMES.length} nodes: a change of a route is live on all gateways`,
      `${median(routes).toFixed(0)} ms${slowest}`,
      '< 500 ms',
    );
    this.#agent.destroy();
    await rm(folder, { recursive: true });
    await this.#write();
  }

  async #joins(cluster: TestCluster): Promise<void> {
    const a = cluster.node('a');
    for (const [at, name] of NAMES.entries()) {
      if (at === 0) continue;
      const load = this.#load([a]);
      const node = await cluster.add(this.#life, name, a.address.replace(/\d+$/, String(at + 1)));
      const line = await cluster.invite();
      const begunMs = performance.now();
      await node.join(line);
      await until(`${name} to serve`, async () => (await node.get('app')).status === 200, WITHIN);
      const tookMs = performance.now() - begunMs;
      const what =
        name === 'b' ? 'join of the second node, etcd included' : `join of node ${at + 1}`;
      const asked = await load.stop();
      this.#add(what, seconds(tookMs), at < 3 ? '< 15 s' : '', asked);
      if (name === 'c') {
        await cluster.isManagedBy(3, 'a');
        this.#add(
          'three managers, counted from the third join',
          seconds(performance.now() - begunMs),
        );
      }
    }
  }

  async #idle(cluster: TestCluster): Promise<void> {
    await pause(SETTLE_MS);
    const before = cluster.nodes.map(({ agentPid }) => cpuSeconds(agentPid));
    await pause(IDLE_S * 1000);
    const shares = cluster.nodes.map(
      ({ agentPid }, at) => (cpuSeconds(agentPid) - (before[at] ?? 0)) / IDLE_S,
    );
    const sizes = cluster.nodes.map(({ agentPid }) => memoryOf(agentPid).rssBytes / MIB);
    const list = (numbers: readonly number[], digits: number): string =>
      `${median(numbers).toFixed(digits)}, most ${Math.max(...numbers).toFixed(digits)}`;
    this.#add('idle agent, resident memory (MiB)', list(sizes, 0), '< 120');
    this.#add(
      'idle agent, CPU (% of a core)',
      list(
        shares.map((each) => each * 100),
        1,
      ),
      '< 2',
    );
  }

  async #killWorker(cluster: TestCluster): Promise<void> {
    const others = cluster.nodes.filter(({ name }) => name !== WORKER);
    const seer = cluster.node('a');
    const load = this.#load(others);
    await until('answers', () => load.answered > this.#rate);
    const killedMs = performance.now();
    const killedAt = Date.now();
    await cluster.node(WORKER).kill();
    await until(
      'its instance to run elsewhere',
      async () =>
        (await cluster.placesOf('app', 'a')).filter((name) => name !== WORKER).length ===
        NAMES.length,
      WITHIN,
    );
    const backMs = performance.now() - killedMs;
    const asked = await load.stop();
    this.#add('kill -9 of a worker: failed requests', '', 'only those in flight there', asked);
    this.#add(
      'kill -9 of a worker: last request that it slowed',
      seconds(disturbedMs(asked, killedMs)),
      '< 2 s',
    );
    const lost = (await events(seer)).find(
      ({ at, node, text }) => at >= killedAt && node === WORKER && /lost/.test(text),
    );
    const lostMs = lost === undefined ? LOST_AFTER_S * 1000 : lost.at - killedAt;
    this.#add('kill -9 of a worker: lost after', seconds(lostMs));
    this.#add(
      'kill -9 of a worker: instances back, counted from lost',
      seconds(backMs - lostMs),
      '< 5 s',
    );
    await cluster.node(WORKER).restart();
    await cluster.sees('a', allReady(), WITHIN.withinMs);
  }

  async #killLeader(cluster: TestCluster): Promise<void> {
    const { leader = 'a' } = await manager(cluster.node('b'));
    const others = cluster.nodes.filter(({ name }) => name !== leader);
    const [seer] = others;
    if (seer === undefined) throw new Error('Nobody else is there');
    const load = this.#load(others);
    await until('answers', () => load.answered > this.#rate);
    const killedMs = performance.now();
    const killedAt = Date.now();
    await cluster.node(leader).kill();
    await until(
      'another leader',
      async () => {
        const now = await manager(seer);
        return now.isLive && now.leader !== undefined && now.leader !== leader;
      },
      WITHIN,
    );
    const seenMs = performance.now() - killedMs;
    const led = (await events(seer)).find(({ at, kind }) => at >= killedAt && kind === 'leader');
    const tookMs = led === undefined ? seenMs : led.at - killedAt;
    await pause(3000);
    const asked = await load.stop();
    this.#add(
      'kill -9 of everything on the leading manager: a new leader',
      seconds(tookMs),
      '< 5 s',
    );
    this.#add('kill -9 of the leading manager: failed requests', '', '0', asked);
    await cluster.node(leader).restart();
    await cluster.sees(seer.name, allReady(), WITHIN.withinMs);
  }

  /** The full rate, over kept-alive connections, through these nodes in turn. */
  #load(nodes: readonly TestNode[]): PacedLoad {
    return new PacedLoad(this.#rate, (count): Promise<Answer> => {
      const node = nodes[count % nodes.length];
      if (node === undefined) throw new Error('No node to ask');
      const { address, ports } = node;
      const host = `app.localhost:${ports.http}`;
      return ask({ address, port: ports.http, host, path: '/', agent: this.#agent });
    });
  }

  #add(what: string, value: string, goal = '', asked?: readonly Asked[]): void {
    const failures = asked === undefined ? [] : failuresOf(asked);
    const words =
      asked === undefined ? [] : [`${failures.length} of ${asked.length} requests failed`];
    const figure = {
      what,
      value: [value, ...words].filter((word) => word !== '').join('; '),
      goal,
    };
    this.#figures.push(figure);
    console.log(`${what}: ${figure.value}`);
    for (const failure of failures.slice(0, 5)) console.log(`   ${failure}`);
  }

  async #write(): Promise<void> {
    const date = new Date().toISOString().slice(0, 10);
    const full = {
      date,
      node: process.version.slice(1),
      rate: this.#rate,
      loadAverage: this.#loadAverage,
      cores: availableParallelism(),
      figures: this.#figures,
    };
    const markdown = clusterTable(full);
    console.log(`\n${markdown}`);
    await mkdir(RESULTS, { recursive: true });
    await writeFile(join(RESULTS, 'cluster.json'), `${JSON.stringify(full, undefined, 2)}\n`);
    await writeFile(join(RESULTS, 'cluster.md'), markdown);
  }
}

const APP: Readonly<Record<string, string>> = {
  ...nodeApp(`'hello'`),
  'moln.json': JSON.stringify({ lostAfter: `${LOST_AFTER_S}s` }),
};

/** Whatever runs on the nodes goes before other work on this machine: each process has a session of its own. */
function hurryNodes(cluster: TestCluster): void {
  for (const { pid } of cluster.nodes.flatMap((node) => node.processes())) hurryProcess(pid);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function allReady(): Readonly<Record<string, 'ready'>> {
  return Object.fromEntries(NAMES.map((name) => [name, 'ready']));
}

async function manager(node: TestNode): Promise<ManagerStatus> {
  return node.json<ManagerStatus>('manager');
}

async function events(node: TestNode): Promise<readonly EventDetail[]> {
  const { stdout } = await node.cli('events', '--json');
  const lines = stdout.trim().split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as EventDetail);
}

/** From `sinceMs` to the start of the last request that failed or took far longer than usual. */
function disturbedMs(asked: readonly Asked[], sinceMs: number): number {
  const usual = asked
    .filter(({ endedMs }) => endedMs < sinceMs)
    .map(({ startedMs, endedMs }) => endedMs - startedMs);
  const slowMs = Math.max(500, 20 * median(usual));
  const disturbed = asked.filter(
    ({ startedMs, endedMs, failure }) =>
      endedMs > sinceMs && (failure !== undefined || endedMs - startedMs > slowMs),
  );
  return Math.max(0, ...disturbed.map(({ startedMs }) => startedMs - sinceMs));
}
