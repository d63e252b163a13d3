/** Releases in the file store: an app goes on on nodes that never had it, after the one that ran it is gone for good. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppDetail } from '../../src/api/model.ts';
import { ReleaseStore } from '../../src/apps/release-store.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 120_000;
const BUCKET = 'moln:releases';
const LOST_SOON = { 'moln.json': JSON.stringify({ lostAfter: '5s' }) };

interface Bucket {
  readonly name: string;
  readonly policy: string;
  readonly objects: number;
}

/** As if the node had never had it. */
async function dropCopies({ dataFolder }: TestNode): Promise<void> {
  await new ReleaseStore({ dataFolder }).removeApp('shop');
}

function tookFromStore({ dataFolder }: TestNode): boolean {
  const lines = readFileSync(join(dataFolder, 'logs', 'agent.jsonl'), 'utf8').split('\n');
  return lines.some((line) => /Release copied/.test(line) && /the file store/.test(line));
}

test('an app outlives the only node that has it', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  const a = cluster.node('a');
  const deploy = (says: string): Promise<{ readonly release: string }> =>
    a.json('deploy', appFolder(t, { ...nodeApp(`"${says}"`), ...LOST_SOON }), '--name', 'shop');
  const own = async (): Promise<Bucket | undefined> =>
    (await a.json<readonly Bucket[]>('files', 'buckets')).find(({ name }) => name === BUCKET);

  await step(t, 'what was deployed before there was a file store gets there', async () => {
    await deploy('first');
    assert.equal((await a.json<AppDetail>('app', 'shop')).releases[0]?.isStored, undefined);
    await a.json('files', 'create', 'data');
    await until(
      'all three storages',
      async () => {
        const storages = await a.json<readonly { readonly state: string }[]>('storage', 'list');
        return storages.filter(({ state }) => state === 'good').length === 3;
      },
      { withinMs: WITHIN_MS },
    );
    await until('the release there', async () => (await own())?.objects === 1, {
      withinMs: WITHIN_MS,
    });
  });

  await step(t, 'a deploy puts its release there: all nodes say so', async () => {
    await deploy('second');
    for (const node of cluster.nodes) {
      const { releases } = await node.json<AppDetail>('app', 'shop');
      assert.deepEqual(
        releases.map(({ isStored }) => isStored),
        [true, true],
      );
    }
    assert.deepEqual([(await own())?.policy, (await own())?.objects], ['2 copies', 2]);
  });

  await step(t, 'it is not for users to change, but for its policy', async () => {
    for (const words of [
      ['rm', `${BUCKET}/shop`],
      ['ls', BUCKET],
      ['quota', BUCKET, '1GB'],
      ['create', BUCKET],
    ]) {
      const { code, stderr } = await a.cli('files', ...words, '--json');
      assert.notEqual(code, 0, words.join(' '));
      assert.match(stderr, /is Moln's own/, words.join(' '));
    }
    await a.json('files', 'policy', BUCKET, '3 copies');
    assert.deepEqual([(await own())?.policy, (await own())?.objects], ['3 copies', 2]);
  });

  await step(t, 'the node that runs it is gone, and nobody else has it unpacked', async () => {
    const [runs = ''] = await cluster.placesOf('shop', 'a');
    const rest = cluster.nodes.filter(({ name }) => name !== runs);
    const [seer] = rest;
    assert.ok(seer !== undefined && rest.length === 2);
    await cluster.node(runs).kill();
    for (const node of rest) await dropCopies(node);
    await until(
      'it to run elsewhere',
      async () => {
        const places = await cluster.placesOf('shop', seer.name);
        return places.length === 1 && places[0] !== runs;
      },
      { withinMs: WITHIN_MS },
    );
    assert.ok(rest.some(tookFromStore));
    await seer.json('node', runs, 'forget', '--yes');
    assert.equal((await seer.get('shop')).body, 'second');
    for (const node of rest) await dropCopies(node);
    await seer.json('app', 'shop', 'rollback');
    assert.equal((await seer.get('shop')).body, 'first');
  });
});
