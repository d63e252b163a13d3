/**
 * Each role is killed and stopped in turn, under a steady load through all gateways: nothing that was acknowledged is lost,
 * every instance is there once, and requests fail only where they were under way on what was killed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { AppDetail, ManagerStatus } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf, type PacedLoad } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const PER_SECOND = 1000;
/** Long enough to be taken for suspect, too short for lost. */
const STOPPED_MS = 6000;
const SETTLED_WITHIN_MS = 60_000;
/** A gateway that was killed is back in less. */
const GATEWAY_BACK_MS = 5000;

interface Scene {
  readonly cluster: TestCluster;
  /** The node that it happens to: never the one that leads, unless that is the point. */
  readonly victim: TestNode;
  readonly leader: TestNode;
}

interface Role {
  readonly name: string;
  /** Undefined while it is not there. */
  pid(scene: Scene): Promise<number | undefined> | number | undefined;
  /** Whose clients see it: those of its gateway, until there is another one. */
  readonly seenBy?: (scene: Scene) => TestNode;
  /** What a person does afterwards. */
  readonly afterKill?: (scene: Scene) => Promise<void>;
}

interface Steady {
  readonly node: TestNode;
  readonly load: PacedLoad;
}

const FAULTS = ['SIGKILL', 'SIGSTOP'] as const;

function processOf(node: TestNode, pattern: RegExp): number | undefined {
  return node.processes().find(({ command }) => pattern.test(command))?.pid;
}

const restartAgent = async (node: TestNode): Promise<void> => {
  await node.ended();
  await node.restart();
};

const ROLES: readonly Role[] = [
  {
    name: 'an agent',
    pid: ({ victim }) => victim.agentPid,
    afterKill: ({ victim }) => restartAgent(victim),
  },
  {
    name: 'the leading agent',
    pid: ({ leader }) => leader.agentPid,
    afterKill: ({ leader }) => restartAgent(leader),
  },
  {
    name: 'a gateway',
    pid: ({ victim }) => processOf(victim, /gateway-main/),
    seenBy: ({ victim }) => victim,
  },
  { name: 'a member of etcd', pid: ({ victim }) => processOf(victim, /^\S*etcd\s/) },
  { name: 'the etcd beside the leader', pid: ({ leader }) => processOf(leader, /^\S*etcd\s/) },
  {
    name: 'an instance',
    pid: async ({ cluster, victim }) => {
      const { instanceList } = await cluster.node('a').json<AppDetail>('app', 'app');
      return instanceList.find(({ node }) => node === victim.name)?.pid;
    },
  },
];

async function sceneOf(cluster: TestCluster): Promise<Scene> {
  const { leader } = await cluster.node('a').json<ManagerStatus>('manager');
  const victim = cluster.nodes.findLast(({ name }) => name !== leader);
  assert.ok(leader !== undefined && victim !== undefined);
  return { cluster, victim, leader: cluster.node(leader) };
}

/** Through every gateway in equal parts. */
function steady(cluster: TestCluster): readonly Steady[] {
  const perSecond = PER_SECOND / cluster.nodes.length;
  return cluster.nodes.map((node) => ({
    node,
    load: cluster.load('app', [node.name], { perSecond }),
  }));
}

async function allIsWell(cluster: TestCluster, watched: Invariants, word: string): Promise<void> {
  await cluster.isManagedBy(NAMES.length, 'a');
  await cluster.runsOn('app', NAMES, { withinMs: SETTLED_WITHIN_MS });
  await watched.hold();
  for (const node of cluster.nodes) {
    const { env } = await node.api<AppDetail>('GET', '/api/apps/app');
    assert.equal(env['WORD'], word, `what ${node.name} knows`);
    await until(`${node.name} to serve the last change`, async () => {
      return (await node.get('app')).body === word;
    });
  }
}

test('each role is killed, and stopped for a while', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  await cluster.isManagedBy(NAMES.length, 'a');
  const app = nodeApp('process.env.WORD');
  await cluster.node('b').json('deploy', appFolder(t, app), '--name', 'app');
  await cluster.node('b').json('app', 'app', 'scale', '3');
  let changes = 0;
  const change = async (): Promise<string> => {
    const word = `w${++changes}`;
    await cluster.node('a').json('app', 'app', 'env', `WORD=${word}`);
    return word;
  };
  await using watched = await Invariants.watch(t, cluster);
  await allIsWell(cluster, watched, await change());

  for (const role of ROLES) {
    for (const fault of FAULTS) {
      await step(t, `${role.name}, ${fault}`, async () => {
        const scene = await sceneOf(cluster);
        const word = await change();
        const loads = steady(cluster);
        try {
          const answered = (): number => loads.reduce((sum, { load }) => sum + load.answered, 0);
          await until('some answers', () => answered() > PER_SECOND);
          const pid = await role.pid(scene);
          assert.ok(pid !== undefined, 'it runs');
          const atMs = performance.now();
          process.kill(pid, fault);
          if (fault === 'SIGSTOP') {
            await pause(STOPPED_MS);
            process.kill(pid, 'SIGCONT');
          } else {
            await role.afterKill?.(scene);
            await until('another one in its place', async () => {
              const next = await role.pid(scene);
              return next !== undefined && next !== pid;
            });
          }
          await allIsWell(cluster, watched, word);
          for (const { node, load } of loads) {
            const asked = await load.stop();
            const isSeen = fault === 'SIGKILL' && node === role.seenBy?.(scene);
            const fromMs = isSeen ? atMs + GATEWAY_BACK_MS : 0;
            const counted = asked.filter(({ startedMs }) => startedMs >= fromMs);
            assert.deepEqual(failuresOf(counted, atMs), [], `through ${node.name}`);
          }
        } finally {
          await Promise.all(loads.map(({ load }) => load.stop()));
        }
      });
    }
  }
});
