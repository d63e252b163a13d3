/**
 * Two machines: a change is acknowledged when both have it. A standby that hangs is waited for until the cluster has said
 * that it is lost; whatever was acknowledged before outlives the first machine and its disk.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { EventDetail, ManagerStatus, NodeDetail } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { clientOf, COUNTED, CountingClient } from '../../testing/counting-client.ts';
import { Invariants } from '../../testing/invariants.ts';
import type { CliResult } from '../../testing/moln.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

/** Long enough for a commit that waits for nobody, too short for the standby to be lost. */
const STOPPED_MS = 8000;
const LOST_WITHIN_MS = 60_000;
const APP = {
  ...nodeApp('process.env.WORD'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};
const READY = { one: 'ready', two: 'ready' } as const;

/** How often the standby was said to have everything. */
async function timesInSync(seer: TestNode): Promise<number> {
  const { stdout } = await seer.cli('events', '--json');
  const lines = stdout.trim().split('\n');
  const texts = lines.map((line) => (JSON.parse(line) as EventDetail).text);
  return texts.filter((text) => text.includes('keeps a complete copy')).length;
}

async function untilInSync(seer: TestNode, times: number): Promise<void> {
  await until('the standby to have everything', async () => (await timesInSync(seer)) >= times, {
    withinMs: LOST_WITHIN_MS,
  });
}

interface Change {
  readonly word: string;
  readonly result: Promise<CliResult>;
  /** Undefined until it is answered. */
  answer: CliResult | undefined;
}

/** Nobody but the registry has a part in it. */
function change(node: TestNode, word: string): Change {
  const result = node.cli('node', 'one', 'label', `word=${word}`, '--json');
  const begun: Change = { word, result, answer: undefined };
  void result.then((answer) => (begun.answer = answer));
  return begun;
}

async function wordOf(node: TestNode): Promise<string | undefined> {
  const nodes = await node.json<readonly NodeDetail[]>('nodes');
  return nodes.find(({ name }) => name === 'one')?.labels['word'];
}

test('no change is acknowledged that the standby has not got', { timeout: 400_000 }, async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await one.json('deploy', appFolder(t, APP), '--name', 'app');
  await one.json('db', 'create', 'shop', '--stripes', '2');
  const { token } = await one.json<{ readonly token: string }>('db', 'token', 'shop');
  await clientOf(one, token).execute(COUNTED);
  await untilInSync(one, 1);
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('app', ['two']);

  await step(t, 'a standby that hangs is waited for until it is lost', async () => {
    two.pause();
    const waiting = change(one, 'lost');
    const answered = waiting.result.then(async ({ code, stderr }) => {
      assert.equal(code, 0, stderr);
      return cluster.states('one');
    });
    assert.deepEqual(await answered, { one: 'ready', two: 'lost' });
    two.resume();
    await cluster.sees('one', READY);
    await untilInSync(one, 2);
    await until('two to know what it missed', async () => (await wordOf(two)) === 'lost');
  });

  await step(t, 'one that goes on in time is waited for as well', async () => {
    two.pause();
    const waiting = change(one, 'late');
    await pause(STOPPED_MS);
    assert.equal(waiting.answer, undefined, 'nothing is acknowledged on one machine alone');
    two.resume();
    const { code, stderr } = await waiting.result;
    assert.equal(code, 0, stderr);
    assert.equal(await wordOf(two), 'late');
  });

  await step(t, 'nor is a row, while its machine hangs', async () => {
    const client = clientOf(one, token);
    const counting = new CountingClient(client, 1000);
    two.freeze();
    counting.start();
    await pause(STOPPED_MS);
    const meanwhile = [...counting.times];
    two.thaw();
    assert.deepEqual(meanwhile, []);
    await until('rows', () => counting.acknowledged.size > 20);
    await counting.stop();
    const { rows } = await client.execute('SELECT n FROM counted WHERE n >= 1000');
    assert.deepEqual(counting.problems(rows.map((row) => Number(row['n']))), []);
    await cluster.sees('one', READY);
    await until('the standby to have everything', async () => {
      return (await one.json<ManagerStatus>('manager')).standby?.isInSync;
    });
  });

  let acknowledged = 'late';
  let killedMs = Infinity;
  const counting = new CountingClient(clientOf(one, token), 2000);
  await step(t, 'the first dies for good while the standby hangs', async () => {
    await cluster.sees('one', READY);
    let isOver = false;
    const writing = (async (): Promise<void> => {
      for (let count = 1; !isOver; count++) {
        const { word, result } = change(one, `w${count}`);
        if ((await result).code !== 0) return;
        acknowledged = word;
      }
    })();
    counting.start();
    await until('some acknowledged changes', () => acknowledged === 'w3', { withinMs: 30_000 });
    await until('rows', () => counting.acknowledged.size > 20);
    two.pause();
    await pause(STOPPED_MS);
    isOver = true;
    killedMs = performance.now();
    await one.kill();
    await Promise.all([writing, counting.stop()]);
    for (const name of readdirSync(one.dataFolder)) {
      rmSync(join(one.dataFolder, name), { recursive: true, force: true });
    }
    two.resume();
  });

  await step(t, 'takeover: everything acknowledged is there', async () => {
    await until(
      'two to know that nobody answers',
      async () => {
        return !(await two.json<ManagerStatus>('manager')).isLive;
      },
      { withinMs: 30_000 },
    );
    const { managers, isLive } = await two.json<ManagerStatus>('manager', 'takeover', '--yes');
    assert.deepEqual([managers, isLive], [['two'], true]);
    const number = Number(acknowledged.slice(1));
    // The one that was under way may be there or not.
    assert.match((await wordOf(two)) ?? '', new RegExp(`^w(?:${number}|${number + 1})$`));
    await until('the database to serve', async () => {
      const { rows } = await clientOf(two, token).execute('SELECT n FROM counted WHERE n >= 2000');
      assert.deepEqual(counting.problems(rows.map((row) => Number(row['n']))), []);
      return true;
    });
    await two.json('app', 'app', 'env', 'WORD=after');
    await cluster.runsOn('app', ['two'], { seer: 'two' });
    await until('two to serve the last change', async () => {
      return (await two.get('app')).body === 'after';
    });
    await watched.hold();
    const asked = await load.stop();
    // The only instance was on the machine that died, and nobody may start another one before the takeover.
    const before = asked.filter(({ endedMs }) => endedMs < killedMs);
    assert.deepEqual(failuresOf(before), []);
  });
});
