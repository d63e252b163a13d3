/**
 * The clock of one machine jumps while the cluster runs under load, forward and back: leader, presence, instances and requests
 * go by monotonic clocks and do not care. Only certificates are judged by it, in words; when it is right again all is well.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppDetail, EventDetail, ManagerStatus } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { ask } from '../../testing/http.ts';
import { Invariants } from '../../testing/invariants.ts';
import { JumpingClock } from '../../testing/jumping-clock.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { freeNet, TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const READY = { a: 'ready', b: 'ready', c: 'ready' } as const;
const HOUR_MS = 3_600_000;
/** Any lease, and the time after which a silent node is suspect, has passed several times over. */
const ANSWERS = 5000;
const SETTLED_WITHIN_MS = 60_000;

/** What the node's own clock says, by the field `Date` of its API. */
async function clockOf(node: TestNode): Promise<number> {
  const { address, ports } = node;
  const { headers } = await ask({ address, port: ports.api, host: 'x', path: '/' });
  return Date.parse(headers['date'] ?? '');
}

/** How often somebody has begun to lead: the first is not told. */
async function leadersOf(seer: TestNode): Promise<readonly string[]> {
  return (await eventsOf(seer)).filter(({ kind }) => kind === 'leader').map(({ text }) => text);
}

async function eventsOf(seer: TestNode): Promise<readonly EventDetail[]> {
  const { stdout } = await seer.cli('events', '--json');
  const lines = stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as EventDetail);
}

async function allIsWell(cluster: TestCluster, watched: Invariants, word: string): Promise<void> {
  await cluster.isManagedBy(NAMES.length, 'a');
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

test('the clock of the leader jumps, and then that of another', { timeout: 400_000 }, async (t) => {
  const net = await freeNet(t);
  await using cluster = await TestCluster.form(t, []);
  const clocks = new Map<string, JumpingClock>();
  for (const [at, name] of NAMES.entries()) {
    const clock = JumpingClock.create(t);
    if (clock === undefined) return t.skip('the package "faketime" is not installed');
    clocks.set(name, clock);
    const node = await cluster.add(t, name, `${net}.${at + 1}`, { env: clock.env });
    if (at === 0) await node.restart();
    else await node.join(await cluster.invite('a'));
  }
  await cluster.isManagedBy(NAMES.length, 'a');
  await cluster
    .node('a')
    .json('deploy', appFolder(t, nodeApp('process.env.WORD')), '--name', 'app');
  await cluster.node('a').json('app', 'app', 'scale', '3');
  let changes = 0;
  let rounds = 0;
  const change = async (node: TestNode): Promise<string> => {
    const word = `w${++changes}`;
    await node.json('app', 'app', 'env', `WORD=${word}`);
    return word;
  };
  await using watched = await Invariants.watch(t, cluster);
  await allIsWell(cluster, watched, await change(cluster.node('a')));
  const { leader: first } = await cluster.node('a').json<ManagerStatus>('manager');
  const led = await leadersOf(cluster.node('a'));

  const jump = async (node: TestNode, offset: string, hours: number): Promise<void> => {
    const before = (await clockOf(node)) / HOUR_MS;
    clocks.get(node.name)?.jumpTo(offset);
    await until(`the clock of ${node.name} to jump`, async () => {
      const now = (await clockOf(node)) / HOUR_MS;
      return Math.abs(now - before - hours) < 0.1 || Promise.reject(new Error(`${now - before} h`));
    });
  };

  for (const who of ['the leader', 'another'] as const) {
    const victim = cluster.nodes.findLast(
      ({ name }) => (name === first) === (who === 'the leader'),
    );
    // Who leads is not disturbed by the test itself.
    const others = cluster.nodes.filter((node) => node !== victim);
    const [third, other] = others.toSorted((one) => (one.name === first ? -1 : 1));
    assert.ok(victim !== undefined && other !== undefined && third !== undefined);
    await using load = cluster.load('app', NAMES);

    for (const [offset, hours] of [
      ['+6h', 6],
      ['-6h', -12],
    ] as const) {
      await step(t, `${who}: ${offset}, nobody cares`, async () => {
        await using following = other.follow('events', '-f');
        await following.says(/is a manager now/);
        await jump(victim, offset, hours);
        const begun = load.answered;
        await until('more answers', () => load.answered > begun + ANSWERS);
        for (const node of cluster.nodes) {
          assert.deepEqual(await cluster.states(node.name), READY, `seen from ${node.name}`);
        }
        await change(victim);
        await allIsWell(cluster, watched, await change(other));
        // Told by clocks that are hours apart, in one order.
        await victim.json('manager', 'set', ...NAMES);
        await other.json('manager', 'set', 'automatic');
        rounds++;
        await until('both to be followed', () => {
          const told = [/are to be a/g, /are chosen automatically/g];
          return told.every((words) => following.stdout.match(words)?.length === rounds);
        });
        const texts = (await eventsOf(third)).map(({ text }) => text);
        const told = texts.filter((text) => text.startsWith('The managers are')).slice(-2);
        assert.match(told.join(), /to be a, b, c,.* chosen automatically/);
      });
    }

    if (who === 'another') {
      await step(t, `${who}: certificates that are not valid yet by it, in words`, async () => {
        // Whoever begins anew makes new connections, and those are judged.
        await other.crash();
        await other.restart();
        await cluster.sees(other.name, READY);
        const refused = await victim.cli('app', 'app', 'env', 'WORD=never');
        assert.equal(refused.code, 1);
        assert.match(
          refused.stderr,
          /The node at \S+ is not trusted: its certificate is not valid yet by the clock of this machine/,
        );
        assert.match(refused.stderr, /the clocks of both machines/);
        assert.doesNotMatch(refused.stderr, /\n\s+at /, 'a sentence and no stack');
        const unreached = await other.cli('app', 'app', 'env', 'WORD=never');
        assert.equal(unreached.code, 1);
        assert.match(unreached.stderr, new RegExp(`Node "${victim.name}" does not answer`));
      });
    }

    await step(t, `${who}: right again, all is well`, async () => {
      await jump(victim, '+0', 6);
      const word = await until('a change to come through', () => change(victim));
      await allIsWell(cluster, watched, word);
      assert.deepEqual(failuresOf(await load.stop()), []);
      const { leader } = await other.json<ManagerStatus>('manager');
      assert.equal(leader, first, 'the same leads all the time');
      assert.deepEqual(await leadersOf(other), led, 'and nobody else did in between');
    });
  }
});
