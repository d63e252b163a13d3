/**
 * What machines that cannot do everything are good for: a small third one votes and runs nothing, so that either of the two
 * others may be lost for good and nobody has to take over; one whose disk is full keeps what it has and gets nothing new.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppDetail, ManagerStatus, SlotDetail } from '../../src/api/model.ts';
import { taggedProcesses } from '../../src/apps/process-table.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { SmallDisk } from '../../testing/small-disk.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['one', 'two', 'witness'] as const;
const APP = {
  ...nodeApp('process.env.WORD'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};
const DISK_BYTES = 256 * 1024 * 1024;
/** Less than a twentieth of it, and enough for the node to go on. */
const LEFT_BYTES = 8 * 1024 * 1024;
const LED_WITHIN_MS = 30_000;

function wipe(node: TestNode): void {
  for (const name of readdirSync(node.dataFolder)) {
    rmSync(join(node.dataFolder, name), { recursive: true, force: true });
  }
}

test('managers are chosen, a witness keeps two machines going, and a full disk gets nothing', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await cluster.isManagedBy(3, 'one');

  await step(t, 'managers by name: what cannot be is refused in a sentence', async () => {
    for (const [words, why] of [
      [['one', 'two'], /2 managers are no better than 1/],
      [['nobody'], /There is no node "nobody"/],
    ] as const) {
      const { code, stderr } = await two.cli('manager', 'set', ...words);
      assert.equal(code, 1);
      assert.match(stderr, why);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
    assert.equal((await two.json<ManagerStatus>('manager')).mode, 'automatic');
  });

  await step(t, 'one manager by name, and automatic again, under load', async () => {
    await one.json('deploy', appFolder(t, APP), '--name', 'app');
    await using load = cluster.load('app', NAMES);
    const { mode } = await one.json<ManagerStatus>('manager', 'set', 'two');
    assert.equal(mode, 'pinned');
    const { managers, leader } = await until(
      'two alone to hold the registry and to lead',
      async () => {
        const status = await one.json<ManagerStatus>('manager');
        const isAlone = status.managers.join() === 'two' && status.endpoints.length === 1;
        if (isAlone && status.isLive && status.leader === 'two') return status;
        throw new Error(JSON.stringify(status));
      },
      { withinMs: 60_000 },
    );
    assert.deepEqual([managers, leader], [['two'], 'two']);
    await one.json('app', 'app', 'env', 'WORD=pinned');
    await one.json('manager', 'set', 'automatic');
    await cluster.isManagedBy(3, 'one');
    assert.deepEqual(failuresOf(await load.stop()), []);
  });

  await step(t, 'a first deploy that fails leaves nothing on any node', async () => {
    await one.json('node', 'two', 'label', 'disk=ssd');
    const broken = appFolder(t, {
      'server.js': 'process.exit(3);',
      'moln.json': JSON.stringify({ labels: { disk: 'ssd' } }),
    });
    const { code, stderr } = await one.cli('deploy', broken, '--name', 'broken');
    assert.equal(code, 1);
    assert.match(stderr, /exited with code 3/);
    assert.equal((await two.cli('app', 'broken')).code, 1);
    for (const node of cluster.nodes) {
      const folder = join(node.dataFolder, 'apps', 'broken');
      await until(`nothing of it on ${node.name}`, () => !existsSync(folder));
      const processes = taggedProcesses(join(node.dataFolder, 'apps'));
      assert.deepEqual(
        processes.filter(({ instance }) => instance.startsWith('broken')),
        [],
      );
    }
    await one.json('deploy', appFolder(t, APP), '--name', 'broken');
    await one.json('app', 'broken', 'remove', '--yes');
  });

  await using watched = await Invariants.watch(t, cluster);

  await step(t, 'a node whose disk is full gets nothing new, and keeps what it has', async () => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'moln-full-'));
    const address = one.address.replace(/\d+$/, '4');
    const full = await cluster.add(t, 'full', address, { dataFolder });
    const disk = SmallDisk.mount(t, dataFolder, DISK_BYTES);
    if (disk === undefined) return t.diagnostic('cannot mount a small disk here');
    await full.join(await cluster.invite());
    await one.json('app', 'app', 'scale', '4');
    await cluster.runsOn('app', [...NAMES, 'full']);
    disk.fill(LEFT_BYTES);
    await until('one to know', async () => {
      const { stdout } = await one.cli('node', 'full', 'why');
      return /the disk is (?:nearly )?full/.test(stdout) || Promise.reject(new Error(stdout));
    });
    await one.json('app', 'app', 'scale', '8');
    const places = await cluster.placesOf('app', 'one');
    assert.equal(places.filter((name) => name === 'full').length, 1, places.join());
    const slots = await one.json<readonly SlotDetail[]>('why', 'app', 'app');
    assert.equal(slots.filter(({ node }) => node === 'full').length, 1);
    disk.free();
    await one.json('app', 'app', 'scale', '4');
    await until('one to know that there is room', async () => {
      const { stdout } = await one.cli('node', 'full', 'why');
      return !/disk/.test(stdout);
    });
    await one.json('app', 'app', 'scale', '8');
    assert.ok((await cluster.placesOf('app', 'one')).filter((name) => name === 'full').length > 1);
    await one.json('node', 'full', 'drain');
    await until('full to be empty', async () => {
      return !(await cluster.placesOf('app', 'one')).includes('full');
    });
    await full.stop();
    await one.json('node', 'full', 'forget', '--yes');
  });

  await step(t, 'the witness runs nothing and votes', async () => {
    await one.json('node', 'witness', 'drain');
    await one.json('app', 'app', 'scale', '2');
    await cluster.runsOn('app', ['one', 'two']);
    await watched.hold();
    const { managers } = await cluster.isManagedBy(3, 'one');
    assert.ok(managers.includes('witness'));
  });

  await step(t, 'a machine of two is lost with its disk: nobody has to take over', async () => {
    await using load = cluster.load('app', ['two', 'witness']);
    await until('some answers', () => load.answered > 1000);
    const killedMs = performance.now();
    await one.kill();
    wipe(one);
    await until(
      'a change to come through',
      async () => (await two.cli('app', 'app', 'env', 'WORD=after')).code === 0,
      { withinMs: LED_WITHIN_MS },
    );
    await cluster.runsOn('app', ['two', 'two'], { seer: 'two' });
    const { env } = await cluster.node('witness').json<AppDetail>('app', 'app');
    assert.equal(env['WORD'], 'after');
    await watched.hold();
    const later = (await load.stop()).filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), [], 'only what was in flight there may fail');
  });
});
