/**
 * The disk of a manager is full: the others go on, everybody says what is wrong, nothing that was acknowledged is lost, and
 * when there is room again the node recovers by itself. Then the same on the machine of the leader.
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { AppDetail, ManagerStatus, NodeDetail } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { SmallDisk } from '../../testing/small-disk.ts';
import { step } from '../../testing/step.ts';
import { freeNet, TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
/** Two files of etcd's log, 64 MiB each, and some room. */
const DISK_BYTES = 256 * 1024 * 1024;
const CHANGES = 5;
const NO_TROUBLE = /^(?:It checks in|It is this node)$/;
const SETTLED_WITHIN_MS = 60_000;

interface Scene {
  readonly victim: TestNode;
  readonly others: readonly [TestNode, TestNode];
}

/** Nodes whose data folders are on disks of their own; undefined where that is not allowed. */
async function formOnDisks(
  t: TestContext,
  cluster: TestCluster,
): Promise<ReadonlyMap<string, SmallDisk> | undefined> {
  const net = await freeNet(t);
  const disks = new Map<string, SmallDisk>();
  for (const [at, name] of NAMES.entries()) {
    const dataFolder = mkdtempSync(join(tmpdir(), 'moln-full-'));
    const node = await cluster.add(t, name, `${net}.${at + 1}`, { dataFolder });
    const disk = SmallDisk.mount(t, dataFolder, DISK_BYTES);
    if (disk === undefined) return undefined;
    disks.set(name, disk);
    if (at === 0) await node.restart();
    else await node.join(await cluster.invite('a'));
  }
  return disks;
}

async function sceneOf(cluster: TestCluster, who: 'the leader' | 'another'): Promise<Scene> {
  const { leader } = await cluster.node('a').json<ManagerStatus>('manager');
  const victim = cluster.nodes.findLast(({ name }) => (name === leader) === (who === 'the leader'));
  const [first, second] = cluster.nodes.filter((node) => node !== victim);
  assert.ok(victim !== undefined && first !== undefined && second !== undefined);
  return { victim, others: [first, second] };
}

async function reasonOf(seer: TestNode, name: string): Promise<string> {
  return (await seer.json<NodeDetail>('node', name, 'why')).reason;
}

async function wordOf(seer: TestNode): Promise<string | undefined> {
  return (await seer.json<NodeDetail>('node', 'a')).labels['word'];
}

async function allIsWell(cluster: TestCluster, watched: Invariants, word: string): Promise<void> {
  await cluster.isManagedBy(NAMES.length, 'a');
  await cluster.runsOn('app', NAMES, { withinMs: SETTLED_WITHIN_MS });
  for (const node of cluster.nodes) {
    assert.equal(await wordOf(node), word, `what ${node.name} knows`);
    const { env } = await node.json<AppDetail>('app', 'app');
    await until(`${node.name} to serve the last change`, async () => {
      return (await node.get('app')).body === env['WORD'];
    });
  }
  await watched.hold();
}

test('the disk of a manager is full, and then the one of the leader', async (t) => {
  await using cluster = await TestCluster.form(t, []);
  const disks = await formOnDisks(t, cluster);
  if (disks === undefined) return t.skip('cannot mount a small disk here');
  await cluster.isManagedBy(NAMES.length, 'a');
  const folder = appFolder(t, nodeApp('process.env.WORD ?? ""'));
  await cluster.node('a').json('deploy', folder, '--name', 'app');
  await cluster.node('a').json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', NAMES);
  let changes = 0;
  const change = async (node: TestNode): Promise<string> => {
    const word = `w${++changes}`;
    await node.json('node', 'a', 'label', `word=${word}`);
    return word;
  };
  await change(cluster.node('a'));
  await using watched = await Invariants.watch(t, cluster);

  for (const who of ['another', 'the leader'] as const) {
    const { victim, others } = await sceneOf(cluster, who);
    const disk = disks.get(victim.name);
    assert.ok(disk !== undefined);
    await using load = cluster.load('app', NAMES);
    await until('some answers', () => load.answered > 1000);
    let word = '';

    await step(t, `${who}: everybody says what is wrong`, async () => {
      disk.fill();
      for (const seer of [...others, victim]) {
        const reason = await until(`${seer.name} to know`, async () => {
          const seen = await reasonOf(seer, victim.name);
          return seen.includes('etcd') ? seen : Promise.reject(new Error(seen));
        });
        assert.match(reason, /, but the disk is full, .* free, and its etcd does not run$/);
        const { sentence, managers } = await seer.status();
        assert.match(sentence, new RegExp(`the disk is full, .* \\(on ${victim.name}\\)`, 'i'));
        assert.match(managers, /1 of them away: if one more is lost, nothing can be changed/);
        const { stdout } = await seer.cli('nodes');
        assert.match(stdout, new RegExp(`^${victim.name} .* \\d+(?:\\.\\d)? (?:B|KiB)\\s*$`, 'm'));
      }
      await victim.says(/The disk of "[^"]*" is full/);
    });

    await step(t, `${who}: the others go on`, async () => {
      for (let count = 0; count < CHANGES; count++) {
        for (const node of [...others, victim]) word = await change(node);
      }
      await others[0].json('app', 'app', 'env', `WORD=${word}`);
      const places = await cluster.placesOf('app', others[0].name);
      assert.equal(places.length, NAMES.length);
      assert.ok(!places.includes(victim.name), 'nothing new is put on a full disk');
      for (const node of cluster.nodes) assert.equal((await node.get('app')).body, word);
    });

    await step(t, `${who}: with room again it recovers by itself`, async () => {
      disk.free();
      await until(`${victim.name} to be well`, async () => {
        const reason = await reasonOf(victim, victim.name);
        return NO_TROUBLE.test(reason) || Promise.reject(new Error(reason));
      });
      await others[0].json('app', 'app', 'scale', '1');
      await others[0].json('app', 'app', 'scale', '3');
      await allIsWell(cluster, watched, word);
      assert.deepEqual(failuresOf(await load.stop()), []);
    });

    await step(t, `${who}: its member counts again`, async () => {
      const [other, away] = others;
      await away.kill();
      word = await change(victim);
      assert.equal(await wordOf(other), word);
      await away.restart();
      await allIsWell(cluster, watched, word);
    });
  }
});
