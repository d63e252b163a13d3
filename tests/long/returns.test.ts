/**
 * A manager's machine dies and comes back: with an empty disk, under the name that it had, and with the state of a node that
 * was forgotten meanwhile. It is let in as a new node and only as that; nobody else notices.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppDetail, NodeDetail } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const READY = { a: 'ready', b: 'ready', c: 'ready' } as const;
const APP = {
  ...nodeApp('process.env.WORD'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};
const SETTLED_WITHIN_MS = 60_000;

function wipe(node: TestNode): void {
  for (const name of readdirSync(node.dataFolder)) {
    rmSync(join(node.dataFolder, name), { recursive: true, force: true });
  }
}

/** With owners and modes: apps run as users of their own. */
function copyDisk(from: string, to: string): void {
  execFileSync('cp', ['-a', `${from}/.`, to]);
}

/** As when a disk is put in that was taken out before. */
function replaceDisk(node: TestNode, by: string): void {
  wipe(node);
  copyDisk(by, node.dataFolder);
}

async function idOf(seer: TestNode, name: string): Promise<string> {
  return (await seer.json<NodeDetail>('node', name)).id;
}

async function allIsWell(cluster: TestCluster, watched: Invariants, word: string): Promise<void> {
  await cluster.isManagedBy(NAMES.length, 'a');
  // Those that had to move stay where they are: a change places them anew.
  await cluster.node('a').json('app', 'app', 'env', `WORD=${word}`);
  await cluster.runsOn('app', NAMES, { withinMs: SETTLED_WITHIN_MS });
  for (const node of cluster.nodes) {
    const { env } = await node.json<AppDetail>('app', 'app');
    assert.equal(env['WORD'], word, `what ${node.name} knows`);
    await until(`${node.name} to serve the last change`, async () => {
      return (await node.get('app')).body === word;
    });
  }
  await watched.hold();
}

test(
  'a wiped machine joins anew, and its old state does not return',
  { timeout: 400_000 },
  async (t) => {
    await using cluster = await TestCluster.form(t, NAMES);
    await cluster.isManagedBy(NAMES.length, 'a');
    const [a, c] = [cluster.node('a'), cluster.node('c')];
    await a.json('deploy', appFolder(t, APP), '--name', 'app');
    await a.json('app', 'app', 'scale', '3');
    await using watched = await Invariants.watch(t, cluster);
    await allIsWell(cluster, watched, 'before');
    const oldId = await idOf(a, 'c');
    const oldDisk = appFolder(t, {});

    await c.kill();
    copyDisk(c.dataFolder, oldDisk);
    wipe(c);
    await cluster.sees('a', { ...READY, c: 'suspect' });
    await using load = cluster.load('app', ['a', 'b']);

    await step(t, 'not while the former one of its name is a node', async () => {
      await assert.rejects(c.join(await cluster.invite()), (error: Error) => {
        assert.match(error.message, /"c".*already/);
        assert.match(error.message, /forget/, 'and what can be done');
        assert.doesNotMatch(error.message, /\n\s+at /, 'a sentence and no stack');
        return true;
      });
      assert.deepEqual(readdirSync(c.dataFolder), []);
      assert.equal(await idOf(a, 'c'), oldId);
    });

    await step(t, 'as a new node when that is forgotten', async () => {
      await a.json('node', 'c', 'forget', '--yes');
      await c.join(await cluster.invite());
      await allIsWell(cluster, watched, 'anew');
      assert.notEqual(await idOf(a, 'c'), oldId);
      assert.deepEqual(failuresOf(await load.stop()), []);
    });

    await step(t, 'the old state is refused, also under a name that is known', async () => {
      const newDisk = appFolder(t, {});
      await c.kill();
      copyDisk(c.dataFolder, newDisk);
      replaceDisk(c, oldDisk);
      await assert.rejects(c.restart(), (error: Error) => {
        assert.match(error.message, /was removed from the cluster/);
        assert.match(
          error.message,
          /a new invite and an empty data folder/,
          'and what can be done',
        );
        assert.doesNotMatch(error.message, /\n\s+at /, 'a sentence and no stack');
        return true;
      });
      await c.expectNoProcess();
      assert.notEqual(await idOf(a, 'c'), oldId);
      replaceDisk(c, newDisk);
      await c.restart();
      await allIsWell(cluster, watched, 'last');
    });
  },
);
