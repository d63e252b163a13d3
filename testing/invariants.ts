/**
 * What must never happen (DESIGN §15), watched for while a test breaks a cluster and checked when it has settled: nothing
 * that was acknowledged is lost, a singleton never runs twice, all nodes know the same, nothing runs that should not, nobody
 * without a certificate or a token comes in, and no agent has stumbled over a mistake of its own.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppDetail, ManagerStatus, NodeDetail } from '../src/api/model.ts';
import { taggedProcesses } from '../src/apps/process-table.ts';
import { readAuthorities } from '../src/cluster/authority-files.ts';
import { appFolder } from './app-folder.ts';
import { ask } from './http.ts';
import { Ledger } from './ledger.ts';
import { livesOn, overlapsOf, SINGLETON, SINGLETON_APP } from './singleton-watch.ts';
import type { TestCluster } from './test-cluster.ts';
import type { TestLife, TestNode } from './test-node.ts';
import { knocks } from './tls-knock.ts';
import { until } from './until.ts';

const SETTLED_WITHIN_MS = 60_000;
const PEER_PORT = 7422;
/** Names of errors that only a programmer makes. */
const MISTAKES =
  /"(?:name|message|reason|stack)":"(?:\w*: )?(?:TypeError|ReferenceError|RangeError|SyntaxError|AssertionError)\b/;

export class Invariants implements AsyncDisposable {
  readonly #cluster: TestCluster;
  readonly #ledger: Ledger;
  #wasFrozen = false;

  private constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.#ledger = new Ledger(() => running(cluster));
  }

  /** From now on something is written all the time, and a singleton runs, as an app of its own. */
  static async watch(t: Pick<TestLife, 'after'>, cluster: TestCluster): Promise<Invariants> {
    const [first] = running(cluster);
    assert.ok(first !== undefined, 'a node runs');
    await first.json('deploy', appFolder(t, SINGLETON_APP), '--name', SINGLETON);
    return new Invariants(cluster);
  }

  /** A whole node was stopped and goes on: what is due there cannot happen before it looks at the clock. */
  frozen(): void {
    this.#wasFrozen = true;
  }

  /** To be awaited when all that was broken is mended: all of it holds for the nodes that run. */
  async hold(): Promise<void> {
    const nodes = await sameView(this.#cluster);
    await this.#nothingIsLost(nodes);
    await sameKnowledge(nodes);
    await runsWhatShould(nodes);
    this.#neverTwice();
    await doorsAreClosed(nodes);
    this.#noMistakes();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ledger.stop();
  }

  /** §15.1, and changes are possible through every node. */
  async #nothingIsLost(nodes: readonly TestNode[]): Promise<void> {
    for (const node of nodes) {
      await until(`${node.name} to take changes`, () => this.#ledger.write(node).then(() => true), {
        withinMs: SETTLED_WITHIN_MS,
      });
    }
    for (const node of nodes) {
      const missing = await this.#ledger.missingAt(node);
      const words = `what was acknowledged and ${node.name} does not know, of ${this.#ledger.count}`;
      assert.deepEqual(missing, [], words);
    }
  }

  /** §15.2. */
  #neverTwice(): void {
    // A node that was started anew under another name has its folder still.
    const folders = new Set(this.#cluster.nodes.map(({ dataFolder }) => dataFolder));
    const lives = livesOn([...folders]);
    assert.deepEqual(overlapsOf(lives, { wasFrozen: this.#wasFrozen }), []);
  }

  /** §15.5: an error that nobody expected is a mistake, and would be swallowed by a log that nobody reads. */
  #noMistakes(): void {
    for (const { name, dataFolder } of this.#cluster.nodes) {
      const folder = join(dataFolder, 'logs');
      for (const file of namesIn(folder)) {
        if (!/^agent.*\.jsonl/.test(file)) continue;
        const lines = readFileSync(join(folder, file), 'utf8').split('\n');
        assert.deepEqual(
          lines.filter((line) => MISTAKES.test(line)),
          [],
          `the log of ${name}`,
        );
      }
    }
  }
}

function running(cluster: TestCluster): readonly TestNode[] {
  return cluster.nodes.filter(({ isRunning }) => isRunning);
}

/** Each sees all that run as ready, and all name one leader; the registry answers everywhere. Those are returned. */
async function sameView(cluster: TestCluster): Promise<readonly TestNode[]> {
  return until(
    'all nodes to see each other and one leader',
    async () => {
      // One that is about to end, as a forgotten one, does not have to be waited for.
      const nodes = running(cluster);
      const views = await Promise.all(nodes.map(viewOf));
      const wanted = nodes.map(({ name }) => name);
      for (const [at, { ready, leader, isLive }] of views.entries()) {
        const isAll = wanted.every((name) => ready.includes(name));
        const isOne = leader !== undefined && leader === views[0]?.leader;
        if (isAll && isOne && isLive) continue;
        throw new Error(`${nodes[at]?.name}: ${JSON.stringify(views)}`);
      }
      return nodes;
    },
    { withinMs: SETTLED_WITHIN_MS },
  );
}

interface View {
  readonly ready: readonly string[];
  readonly leader: string | undefined;
  readonly isLive: boolean;
}

async function viewOf(node: TestNode): Promise<View> {
  const nodes = await node.api<readonly NodeDetail[]>('GET', '/api/nodes');
  const { leader, isLive } = await node.api<ManagerStatus>('GET', '/api/manager');
  const ready = nodes.filter(({ state }) => state === 'ready' || state === 'draining');
  return { ready: ready.map(({ name }) => name), leader, isLive };
}

/** What people have decided, as every node tells it. */
async function sameKnowledge(nodes: readonly TestNode[]): Promise<void> {
  await until('all nodes to know the same', async () => {
    const [first, ...others] = await Promise.all(nodes.map(knowledgeOf));
    for (const other of others) assert.deepEqual(other, first);
    return true;
  });
}

async function knowledgeOf(node: TestNode): Promise<unknown> {
  const members = await node.api<readonly NodeDetail[]>('GET', '/api/nodes');
  return {
    nodes: members.map(({ id, name, region, labels }) => ({ id, name, region, labels })),
    apps: (await appsOf(node)).map(({ name, release, env, domains, scale, releases }) => ({
      name,
      release,
      env,
      domains,
      scale,
      releases: releases.map(({ id }) => id),
    })),
  };
}

async function appsOf(node: TestNode): Promise<readonly AppDetail[]> {
  const all = await node.api<readonly { readonly name: string }[]>('GET', '/api/apps');
  return Promise.all(all.map(({ name }) => node.api<AppDetail>('GET', `/api/apps/${name}`)));
}

/** As many healthy instances as are wanted, and on the machines these processes and no others. */
async function runsWhatShould(nodes: readonly TestNode[]): Promise<void> {
  const names = new Set(nodes.map(({ name }) => name));
  await until(
    'what runs to be what should run',
    async () => {
      for (const node of nodes) {
        const apps = await appsOf(node);
        for (const { name, scale, instanceList } of apps) {
          const wanted = Object.values(scale).reduce((sum, count) => sum + count, 0);
          const states = instanceList.map(({ id, state, node: on }) => `${id} ${state} on ${on}`);
          // What was on a machine that is away stays in the list until that is back or forgotten.
          const here = instanceList.filter(({ node: on }) => names.has(on));
          const isRight = instanceList.every(
            (one) => (one.state === 'healthy') === here.includes(one),
          );
          if (isRight && here.length === wanted) continue;
          throw new Error(`${node.name} says of ${name}, ${wanted} wanted: ${states.join(', ')}`);
        }
        const told = apps
          .flatMap(({ instanceList }) => instanceList)
          .filter(({ node: on }) => on === node.name)
          .map(({ id }) => id);
        const tagged = taggedProcesses(join(node.dataFolder, 'apps'));
        const there = [...new Set(tagged.map(({ instance }) => instance))];
        assert.deepEqual(there.toSorted(), told.toSorted(), `processes on ${node.name}`);
      }
      return true;
    },
    { withinMs: SETTLED_WITHIN_MS },
  );
}

/** §15.6: neither the API without a token, nor etcd without a certificate. */
async function doorsAreClosed(nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) {
    const { address, ports, dataFolder } = node;
    const place = { address, port: ports.api, host: `localhost:${ports.api}` };
    const { status } = await ask({ ...place, path: '/api/apps' }).catch(() => ({ status: 0 }));
    // One that is open to a network takes nothing but TLS.
    assert.ok([0, 400, 401, 403].includes(status), `the API of ${node.name} answers ${status}`);
    const [authority] = (await readAuthorities(join(dataFolder, 'keys', 'ca.pem'))) ?? [];
    if (authority === undefined) continue;
    const { endpoints } = await node.api<ManagerStatus>('GET', '/api/manager');
    const own = endpoints.filter((endpoint) => new URL(endpoint).hostname === address);
    for (const door of own.flatMap((endpoint) => [endpoint, `https://${address}:${PEER_PORT}`])) {
      assert.equal(await knocks(door, authority), false, `${door} answers a stranger`);
    }
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Its disk was wiped.
    return [];
  }
}
