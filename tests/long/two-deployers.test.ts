/**
 * Two machines deploy the same app at the same time, again and again, and the agent of one is killed in between: one of them
 * wins whole, on all nodes and in all that belongs to a release; whoever lost is told so, and nothing stays behind.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppDetail } from '../../src/api/model.ts';
import { appFolder, nodeApp, writeFiles } from '../../testing/app-folder.ts';
import type { CliResult } from '../../testing/moln.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const ROUNDS = 4;
/** Requests that must be of one release, spread over all gateways. */
const ASKED = 12;
const SETTLED_WITHIN_MS = 60_000;

interface Deployer {
  readonly node: TestNode;
  readonly folder: string;
}

interface Outcome {
  readonly word: string;
  readonly result: CliResult;
}

/** What one deploy brings: code, and a setting of its own in `moln.json`, which come together or not at all. */
function filesOf(word: string): Readonly<Record<string, string>> {
  return {
    ...nodeApp(`${JSON.stringify(word)} + " " + process.env.WORD`),
    'moln.json': JSON.stringify({ env: { WORD: word } }),
  };
}

async function deploy({ node, folder }: Deployer, word: string): Promise<Outcome> {
  writeFiles(folder, filesOf(word));
  return { word, result: await node.cli('deploy', folder, '--name', 'app', '--json') };
}

/** All gateways serve one and the same release with its own settings; returns its word. */
async function servedByAll(cluster: TestCluster): Promise<string> {
  const bodies: string[] = [];
  for (let count = 0; count < ASKED; count++) {
    for (const node of cluster.nodes) {
      const { status, body } = await node.get('app');
      assert.equal(status, 200, body);
      bodies.push(body);
    }
  }
  const [first = ''] = bodies;
  assert.deepEqual([...new Set(bodies)], [first], 'one release');
  const [code, setting] = first.split(' ');
  assert.equal(setting, code, 'with the settings that it came with');
  return code ?? '';
}

async function allIsWell(cluster: TestCluster, watched: Invariants): Promise<string> {
  await cluster.isManagedBy(NAMES.length, 'a');
  const word = await servedByAll(cluster);
  const details = await Promise.all(
    cluster.nodes.map((node) => node.json<AppDetail>('app', 'app')),
  );
  const releases = new Set(details.map(({ release }) => release));
  assert.equal(releases.size, 1, 'all nodes know one release');
  await until(
    'three instances of it and no others',
    async () => {
      const { instanceList, release } = await cluster.node('a').json<AppDetail>('app', 'app');
      const seen = instanceList.map((one) => `${one.state} ${one.release}`);
      if (seen.length === 3 && seen.every((each) => each === `healthy ${release}`)) return true;
      throw new Error(seen.join(', '));
    },
    { withinMs: SETTLED_WITHIN_MS },
  );
  await watched.hold();
  return word;
}

test(
  'two deploy the same app at once, and one of them wins whole',
  { timeout: 400_000 },
  async (t) => {
    await using cluster = await TestCluster.form(t, NAMES);
    await cluster.isManagedBy(NAMES.length, 'a');
    const [a, b] = [cluster.node('a'), cluster.node('b')];
    const one = { node: a, folder: appFolder(t, filesOf('start')) };
    const two = { node: b, folder: appFolder(t, filesOf('start')) };
    await a.json('deploy', one.folder, '--name', 'app');
    await a.json('app', 'app', 'scale', '3');
    await cluster.runsOn('app', NAMES);
    await using watched = await Invariants.watch(t, cluster);

    await step(t, 'again and again', async () => {
      await using load = cluster.load('app', NAMES);
      let served = 'start';
      for (let round = 1; round <= ROUNDS; round++) {
        const outcomes = await Promise.all([deploy(one, `a${round}`), deploy(two, `b${round}`)]);
        const won = outcomes.filter(({ result }) => result.code === 0).map(({ word }) => word);
        for (const { word, result } of outcomes) {
          if (won.includes(word)) continue;
          assert.equal(result.code, 1);
          assert.match(result.stderr, /busy|changed meanwhile|changed by somebody/i);
        }
        const known = won.length === 0 ? [served] : won;
        served = await allIsWell(cluster, watched);
        assert.ok(known.includes(served), `${served} is served, ${won.join(' and ')} went through`);
      }
      const asked = await load.stop();
      assert.deepEqual(failuresOf(asked), []);
      const mixed = asked.filter(({ body }) => new Set(body?.split(' ')).size !== 1);
      assert.deepEqual(mixed, [], 'nobody ever saw the code of one with the settings of another');
    });

    await step(t, 'while the agent of one is killed', async () => {
      let served = await allIsWell(cluster, watched);
      for (let round = 1; round <= ROUNDS; round++) {
        const both = Promise.all([deploy(one, `ka${round}`), deploy(two, `kb${round}`)]);
        // Each round a bit later, from its beginning to beyond its end.
        await until('some of the deploy', async () => {
          const { instanceList } = await cluster.node('c').json<AppDetail>('app', 'app');
          return instanceList.length > 3 || round % 2 === 0;
        });
        await a.crash();
        const outcomes = await both;
        await a.restart();
        const won = outcomes.filter(({ result }) => result.code === 0).map(({ word }) => word);
        const now = await allIsWell(cluster, watched);
        // Of the one whose agent was killed nobody knows whether it went through.
        const possible = [...(won.length === 0 ? [served] : won), `ka${round}`];
        assert.ok(possible.includes(now), `${now} is served, ${won.join(' and ')} went through`);
        served = now;
      }
    });

    await step(t, 'and the next change goes through', async () => {
      const { result } = await deploy(two, 'last');
      assert.equal(result.code, 0, result.stderr);
      assert.equal(await allIsWell(cluster, watched), 'last');
    });
  },
);
