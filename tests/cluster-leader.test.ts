/**
 * Real processes on a real etcd: the one that leads is killed or stopped, another one takes over, and what the old one
 * still believes changes nothing.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test, type TestContext } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { Fence, leaderFacts, PresenceKeeper } from '../src/cluster/cluster.ts';
import type { Registry } from '../src/registry/registry.ts';
import { type EtcdUnderTest, startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { until } from '../testing/until.ts';

let etcd: EtcdUnderTest;
let registry: Registry;
before(async () => {
  etcd = await startEtcd(1);
  registry = await openOn(etcd.endpoints, '/moln/');
});
after(async () => {
  await registry[Symbol.asyncDispose]();
  await etcd[Symbol.asyncDispose]();
});

interface TestNode {
  readonly id: string;
  readonly child: ChildProcess;
  /** Everything that it said. */
  readonly lines: string[];
}

function start(context: TestContext, id: string): TestNode {
  const script = join(import.meta.dirname, 'cluster-leader-node.ts');
  const child = spawn(process.execPath, [script, etcd.endpoints.join(), id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { id, child, lines };
}

function says(node: TestNode, line: RegExp, from = 0): Promise<string> {
  return until(`${node.id} says ${line.source}`, () =>
    node.lines.slice(from).find((one) => line.test(one)),
  );
}

function tokenOf(line: string): number {
  return Number(line.split(' ')[1]);
}

/** Follows the key that leaders write to: its tokens in the order in which they took effect. */
function followWork(context: TestContext, from: number): number[] {
  const tokens: number[] = [];
  const stop = new AbortController();
  const following = (async () => {
    for await (const { changes } of registry.watch('/work', from, stop.signal)) {
      for (const change of changes) {
        if (change.kind === 'put') tokens.push(Number(Buffer.from(change.entry.value).toString()));
      }
    }
  })();
  context.after(async () => {
    stop.abort();
    await following;
  });
  return tokens;
}

test('kill -9 of the leader, then SIGSTOP of the next: others take over, no old token is written', async (context) => {
  const { revision } = await registry.list('/work');
  const tokens = followWork(context, revision + 1);
  const one = start(context, 'n1');
  const first = tokenOf(await says(one, /^leads/));
  const two = start(context, 'n2');
  const three = start(context, 'n3');
  for (const node of [two, three]) await says(node, /^n1 is ready/);
  await until('it works', () => tokens.includes(first));
  assert.match((await leaderFacts(registry)).summary, /^n1 leads/);

  one.child.kill('SIGKILL');
  await says(two, /^n1 is suspect/);
  const next = await until('another one leads', () =>
    [two, three].find((node) => node.lines.some((line) => line.startsWith('leads'))),
  );
  const other = next === two ? three : two;
  const second = tokenOf(await says(next, /^leads/));
  assert.match((await leaderFacts(registry)).summary, /n1 did not renew its lease$/);
  await says(other, /^n1 is lost/);
  await until('it works', () => tokens.includes(second));

  next.child.kill('SIGSTOP');
  const third = tokenOf(await says(other, /^leads/));
  await says(other, new RegExp(`^${next.id} is lost`));
  await until('it works', () => tokens.includes(third));
  const before = next.lines.length;
  next.child.kill('SIGCONT');
  await says(next, /^returned/, before);
  const woken = next.lines.slice(before).filter((line) => !line.includes(' is '));
  const fencedAt = woken.indexOf('fenced');
  const actsAt = woken.indexOf('acts');
  assert.ok(fencedAt >= 0 && (actsAt < 0 || fencedAt < actsAt), woken.join(', '));
  assert.equal(
    woken
      .slice(
        fencedAt,
        woken.findIndex((line) => line.startsWith('returned')),
      )
      .includes('acts'),
    false,
    'it does nothing until it was heard again',
  );
  await says(next, new RegExp(`^led ${second}`), before);
  await says(
    other,
    new RegExp(`^${next.id} is ready`),
    other.lines.lastIndexOf(`${next.id} is lost`),
  );
  assert.deepEqual(
    tokens,
    tokens.toSorted((a, b) => a - b),
    'a deposed leader has written',
  );
  assert.ok(first < second && second < third);
});

test('when etcd stops, everybody is fenced and nobody is blamed; it comes back and so do they', async (context) => {
  const [one, two] = [start(context, 'o1'), start(context, 'o2')];
  await says(one, /^o2 is ready/);
  await says(two, /^o1 is ready/);
  const leader = await until('one of them leads', () =>
    [one, two].find((node) => node.lines.some((line) => line.startsWith('leads'))),
  );
  const pid = etcd.members[0]?.pid;
  assert.ok(pid);
  const from = [one.lines.length, two.lines.length] as const;
  process.kill(pid, 'SIGSTOP');
  try {
    await says(one, /^fenced/, from[0]);
    await says(two, /^fenced/, from[1]);
    await says(leader, /^led/);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await says(one, /^returned/, from[0]);
  await says(two, /^returned/, from[1]);
  for (const node of [one, two]) {
    assert.deepEqual(
      node.lines.filter((line) => /^o\d is (?:suspect|lost)/.test(line)),
      [],
    );
  }
});

test('a second agent of the same node id takes its place, and the first stays fenced', async (context) => {
  const keeperOf = (): { keeper: PresenceKeeper; calls: string[] } => {
    const calls: string[] = [];
    const clock = systemClock;
    const fence = new Fence(clock);
    context.after(() => fence[Symbol.dispose]());
    fence.guard({
      lostAfterMs: 1000,
      onFenced: () => calls.push('fenced'),
      onReturned: () => calls.push('returned'),
    });
    const onForgotten = (): void => void calls.push('forgotten');
    const options = { registry, nodeId: 'twin', fence, clock, log: silentLogger, onForgotten };
    return { keeper: new PresenceKeeper(options), calls };
  };
  const [old, young] = [keeperOf(), keeperOf()];
  await old.keeper.step();
  await young.keeper.step();
  assert.deepEqual(
    [old.calls, young.calls],
    [
      ['fenced', 'returned'],
      ['fenced', 'returned'],
    ],
  );
  assert.deepEqual(await old.keeper.step(), { kind: 'done' });
  assert.equal(old.keeper.isReplaced, true);
  await young.keeper.step();
  assert.equal(young.keeper.isReplaced, false);
  await until('the old one is fenced', () => old.calls.length === 3);
  await young.keeper.leave();
  const entry = await registry.get('/presence/twin');
  assert.match(Buffer.from(entry?.value ?? '').toString(), /"wish":"leaving"/);
});
