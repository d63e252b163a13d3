/** Two machines, and the first one is gone for good with its disk: nothing that was acknowledged is lost. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppDetail, ManagerStatus } from '../../src/api/model.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { clientOf, COUNTED, CountingClient, numbersIn } from '../../testing/counting-client.ts';
import { ask, type Answer } from '../../testing/http.ts';
import { Invariants } from '../../testing/invariants.ts';
import type { Client } from '../../testing/libsql-clients.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { twoInSync, untilNobodyAnswers } from '../../testing/two-machines.ts';
import { until } from '../../testing/until.ts';

const APP = {
  ...nodeApp('process.env.COUNT + " " + process.env.MOLN_INSTANCE'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};

/** Two rows at once, mostly on two stripes, until they are not acknowledged or it is enough; resolves to the last that were. */
async function writePairs(client: Client, signal: AbortSignal): Promise<number> {
  const sql = 'INSERT INTO pairs (n, side) VALUES (?, ?)';
  for (let n = 1; ; n++) {
    if (signal.aborted) return n - 1;
    try {
      await client.batch(
        [
          { sql, args: [n, 'left'] },
          { sql, args: [n, 'right'] },
        ],
        'write',
      );
    } catch {
      return n - 1;
    }
  }
}

/** Of the API of that node, as its own user. */
function askFiles(node: TestNode, key: string, body?: string): Promise<Answer> {
  const { address } = node;
  const socketPath = join(node.dataFolder, 'run', 'api.sock');
  const place = { address, port: 0, host: 'localhost', socketPath, path: `/files/box/${key}` };
  return ask(body === undefined ? place : { ...place, method: 'PUT', body });
}

function textOf(key: string): string {
  return `text of ${key}`;
}

/** Until one is not acknowledged; resolves to the keys that were. */
async function writeFiles(node: TestNode): Promise<readonly string[]> {
  const keys: string[] = [];
  for (;;) {
    const key = `${keys.length}.txt`;
    const answer = await askFiles(node, key, textOf(key)).catch(() => undefined);
    if (answer === undefined || answer.status >= 300) return keys;
    keys.push(key);
  }
}

test('the first is killed while it writes, and its disk wiped: takeover brings all back', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = await twoInSync(cluster);
  await one.json('deploy', appFolder(t, APP), '--name', 'app', '--domain', 'shop.example.org');
  await one.json('app', 'app', 'scale', '2');
  await cluster.runsOn('app', ['one', 'two']);
  await one.json('db', 'create', 'shop', '--stripes', '2');
  const { token } = await one.json<{ readonly token: string }>('db', 'token', 'shop');
  const [throughOne, throughTwo] = [clientOf(one, token), clientOf(two, token)];
  await throughOne.execute(COUNTED);
  await throughOne.execute('CREATE TABLE pairs (id INTEGER PRIMARY KEY, n INTEGER, side TEXT)');
  const counting = new CountingClient(throughOne);
  await one.json('files', 'create', 'box');
  await until('two storages', async () => {
    const storages = await one.json<readonly { readonly state: string }[]>('storage', 'list');
    return storages.filter(({ state }) => state === 'good').length === 2;
  });
  const filing = writeFiles(one);
  const enough = new AbortController();
  const pairing = writePairs(clientOf(two, token), enough.signal);
  counting.start();
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('app', ['two']);

  // Every setting that is acknowledged counts; the last one may be cut off by the kill.
  let acknowledged = 0;
  const writing = (async (): Promise<void> => {
    for (let count = 1; ; count++) {
      const { code } = await one.cli('app', 'app', 'domains', `d${count}.example.org`, '--json');
      if (code !== 0) return;
      acknowledged = count;
    }
  })();
  await until('some acknowledged writes', () => acknowledged >= 5, { withinMs: 30_000 });
  await until('rows', () => counting.acknowledged.size >= 50, { withinMs: 30_000 });
  const killedMs = performance.now();
  await one.kill();
  await Promise.all([writing, counting.stop()]);
  for (const name of readdirSync(one.dataFolder)) {
    rmSync(join(one.dataFolder, name), { recursive: true, force: true });
  }

  await step(t, 'the other serves on, and says what it takes', async () => {
    await until('two to serve', async () => (await two.get('app')).status === 200);
    const status = await untilNobodyAnswers(two);
    const { sentence } = await two.status();
    assert.match(`${status.sentence} ${sentence}`, /moln manager takeover/);
  });

  await step(t, 'takeover: everything acknowledged is there, and it can be changed', async () => {
    const taken = await two.json<ManagerStatus>('manager', 'takeover', '--yes');
    assert.deepEqual(taken.managers, ['two']);
    assert.ok(taken.isLive);
    const { domains, release } = await two.json<AppDetail>('app', 'app');
    assert.ok(release !== undefined);
    const last = Number(/^d(\d+)\./.exec(domains[0] ?? '')?.[1] ?? 0);
    assert.ok(last >= acknowledged, `${last} of ${acknowledged} acknowledged writes`);
    // A statement may have waited for the takeover and gone on.
    enough.abort();
    const pairs = await pairing;
    await until('the database to serve', async () => {
      assert.deepEqual(counting.problems(await numbersIn(throughTwo)), []);
      return true;
    });
    const halves = 'SELECT n, count(*) AS sides FROM pairs GROUP BY n HAVING sides <> 2';
    assert.deepEqual((await throughTwo.execute(halves)).rows, [], 'transactions are whole');
    const newest = (await throughTwo.execute('SELECT max(n) AS n FROM pairs')).rows[0]?.['n'];
    assert.ok(Number(newest) >= pairs, `${Number(newest)} of ${pairs} acknowledged pairs`);
    await throughTwo.execute('INSERT INTO counted (n) VALUES (-1)');
    const keys = await filing;
    for (const key of keys) {
      const { body } = await until(`${key} to be read`, async () => {
        const answer = await askFiles(two, key);
        return answer.status === 200 ? answer : undefined;
      });
      assert.equal(body, textOf(key));
    }
    await askFiles(two, 'later', textOf('later'));
    t.diagnostic(
      `${counting.acknowledged.size} rows, ${pairs} pairs and ${keys.length} files were acknowledged`,
    );
    await cluster.runsOn('app', ['two', 'two'], { seer: 'two' });
    await two.json('app', 'app', 'env', 'COUNT=many');
    await until('the change to be live', async () =>
      (await two.get('app')).body.startsWith('many'),
    );
  });

  await step(t, 'another machine joins the one that is left', async () => {
    await cluster.sees('two', { one: 'lost', two: 'ready' });
    await two.json('node', 'one', 'forget', '--yes');
    const three = await cluster.add(t, 'three', two.address.replace(/\d+$/, '3'));
    await three.join(await cluster.invite('two'));
    await cluster.sees('two', { two: 'ready', three: 'ready' });
    await until('three to serve', async () => (await three.get('app')).body.startsWith('many'));
    await until('three to have the rows', async () => {
      assert.deepEqual(counting.problems(await numbersIn(clientOf(three, token))), []);
      return true;
    });
    await watched.hold();
    const later = (await load.stop()).filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), [], 'only what was in flight there may fail');
  });
});
