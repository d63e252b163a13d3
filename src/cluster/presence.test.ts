/** The two clocks, who may judge, and the fence that stops a node before the others count it as lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { isMolnError } from '../base/errors.ts';
import { countingSleep } from '../base/uptime.ts';
import { Fence, fencedAtMs } from './fence.ts';
import { type CheckIn, Presence } from './presence.ts';

const CLOCKS = { suspectAfterMs: 2000, lostAfterMs: 30_000 };

/** `me` looks; others check in when told to. */
class Scene {
  readonly presence: Presence = new Presence('me', CLOCKS);
  nowMs = 1000;
  #revision = 0;
  #count = 0;

  hear(node: string, wish: CheckIn['wish'] = 'stay'): void {
    const checkIn: CheckIn = { incarnation: `${node}-1`, count: ++this.#count, wish };
    const event = { kind: 'checkIn', node, checkIn, revision: ++this.#revision } as const;
    this.presence.apply(event, this.nowMs);
  }

  /** Ticks every 100 ms; those named check in every 500 ms. */
  pass(ms: number, ...alive: readonly string[]): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += 100;
      this.presence.apply({ kind: 'tick' }, this.nowMs);
      if (this.nowMs % 500 === 0) for (const node of alive) this.hear(node);
    }
  }

  state(node: string): string {
    return this.presence.get(node).state;
  }
}

test('ready, suspect after two seconds, lost after thirty, ready again', () => {
  const scene = new Scene();
  scene.hear('me');
  scene.hear('n1');
  scene.pass(1900, 'me');
  assert.equal(scene.state('n1'), 'ready');
  scene.pass(100, 'me');
  assert.equal(scene.state('n1'), 'suspect');
  scene.pass(27_900, 'me');
  assert.equal(scene.state('n1'), 'suspect');
  scene.pass(100, 'me');
  assert.equal(scene.state('n1'), 'lost');
  assert.equal(scene.presence.get('n1').reason, 'It was not heard for 30 s');
  scene.hear('n1');
  assert.equal(scene.state('n1'), 'ready');
});

test('a key that ended changes the revision and nothing else', () => {
  const scene = new Scene();
  scene.hear('me');
  scene.hear('n1');
  scene.presence.apply({ kind: 'ended', node: 'n1' }, scene.nowMs);
  assert.deepEqual([scene.state('n1'), scene.presence.get('n1').revision], ['ready', 0]);
  scene.pass(2000, 'me');
  assert.equal(scene.state('n1'), 'suspect');
  scene.pass(27_900, 'me');
  assert.equal(scene.state('n1'), 'suspect');
  scene.pass(100, 'me');
  assert.equal(scene.state('n1'), 'lost');
});

test('good-bye is lost at once', () => {
  const scene = new Scene();
  scene.hear('me');
  scene.hear('n1', 'leaving');
  assert.equal(scene.state('n1'), 'lost');
});

test('who does not hear himself judges nobody, for however long', () => {
  const scene = new Scene();
  for (const node of ['me', 'n1', 'n2']) scene.hear(node);
  scene.pass(3_600_000);
  assert.equal(scene.presence.isDeaf, true);
  assert.deepEqual([scene.state('n1'), scene.state('n2')], ['ready', 'ready']);
  scene.hear('me');
  assert.equal(scene.presence.isDeaf, false);
  scene.pass(1500, 'me', 'n2');
  assert.deepEqual([scene.state('n1'), scene.state('n2')], ['ready', 'ready']);
  scene.pass(1000, 'me', 'n2');
  assert.deepEqual([scene.state('n1'), scene.state('n2')], ['suspect', 'ready']);
});

test('a process that was stopped does not blame the others', () => {
  const scene = new Scene();
  scene.hear('me');
  scene.hear('n1');
  scene.nowMs += 60_000;
  scene.presence.apply({ kind: 'tick' }, scene.nowMs);
  assert.equal(scene.state('n1'), 'ready');
});

test('members that were never heard become lost; forgotten ones are gone', () => {
  const scene = new Scene();
  scene.hear('me');
  scene.presence.apply({ kind: 'members', nodes: ['me', 'n1'] }, scene.nowMs);
  assert.equal(scene.state('n1'), 'suspect');
  scene.pass(31_000, 'me');
  assert.equal(scene.state('n1'), 'lost');
  scene.presence.apply({ kind: 'members', nodes: ['me'] }, scene.nowMs);
  assert.deepEqual(
    scene.presence.list().map(({ node }) => node),
    ['me'],
  );
});

test('an old check-in that is told again proves nothing', () => {
  const scene = new Scene();
  scene.hear('me');
  scene.hear('n1');
  const { revision } = scene.presence.get('n1');
  scene.pass(3000, 'me');
  const checkIn: CheckIn = { incarnation: 'n1-1', count: 1, wish: 'stay' };
  scene.presence.apply({ kind: 'checkIn', node: 'n1', checkIn, revision }, scene.nowMs);
  assert.equal(scene.state('n1'), 'suspect');
});

interface Guarded {
  readonly clock: ManualClock;
  readonly fence: Fence;
  readonly calls: string[];
}

function guarded(...clocks: readonly number[]): Guarded {
  const clock = new ManualClock();
  const fence = new Fence(clock);
  const calls: string[] = [];
  for (const lostAfterMs of clocks) {
    fence.guard({
      lostAfterMs,
      onFenced: () => calls.push(`fenced ${lostAfterMs}`),
      onReturned: (revision) => calls.push(`returned ${lostAfterMs} at ${revision}`),
    });
  }
  return { clock, fence, calls };
}

test('fenced at the start, open with a check-in, fenced a margin before it counts as lost', () => {
  const { clock, fence, calls } = guarded(5000, 30_000);
  assert.deepEqual(calls.splice(0), ['fenced 5000', 'fenced 30000']);
  fence.confirm(clock.monotonicMs(), 7);
  assert.deepEqual(calls.splice(0), ['returned 5000 at 7', 'returned 30000 at 7']);
  assert.equal(fencedAtMs(0, 5000), 4000);
  clock.advance(3999);
  assert.deepEqual(calls, []);
  clock.advance(1);
  assert.deepEqual(calls.splice(0), ['fenced 5000']);
  assert.throws(
    () => fence.check(5000),
    (error) => isMolnError(error, 'CLUSTER_FENCED'),
  );
  fence.check(30_000);
  clock.advance(20_000);
  assert.deepEqual(calls.splice(0), ['fenced 30000']);
});

test('a check-in counts from when it was sent; a late answer fences first and then returns', () => {
  const { clock, fence, calls } = guarded(5000);
  fence.confirm(clock.monotonicMs(), 1);
  const sentAtMs = clock.monotonicMs();
  clock.advance(3000);
  fence.confirm(sentAtMs, 2);
  clock.advance(1000);
  assert.deepEqual(calls.splice(0), ['fenced 5000', 'returned 5000 at 1', 'fenced 5000']);
  fence.confirm(sentAtMs, 2);
  assert.deepEqual(calls, [], 'too old to open anything');
  fence.confirm(clock.monotonicMs(), 3);
  assert.deepEqual(calls.splice(0), ['returned 5000 at 3']);
});

test('a stopped process finds out before its timers do', () => {
  const clock = new ManualClock();
  let stoppedMs = 0;
  // Timers of a process that is stopped do not run, but time passes.
  const fence = new Fence({
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs() + stoppedMs,
    after: (ms, call) => clock.after(ms, call),
    every: (ms, call) => clock.every(ms, call),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  });
  const calls: string[] = [];
  fence.confirm(0, 1);
  fence.guard({
    lostAfterMs: 5000,
    onFenced: () => calls.push('fenced'),
    onReturned: () => calls.push('returned'),
  });
  assert.deepEqual(calls, []);
  stoppedMs = 60_000;
  assert.equal(fence.isFenced(5000), true);
  // Even if the first thing that it sees is the answer to a check-in that is fresh.
  fence.confirm(60_000, 9);
  assert.deepEqual(calls, ['fenced', 'returned']);
});

test('a machine that was suspended finds itself fenced on waking, though no timer ran', () => {
  const clock = new ManualClock();
  let sleptMs = 0;
  const fence = new Fence(countingSleep(clock, () => clock.monotonicMs() + sleptMs));
  const said: string[] = [];
  const guard = { onFenced: () => said.push('fenced'), onReturned: () => said.push('returned') };
  using _guard = fence.guard({ lostAfterMs: 5000, ...guard });
  fence.confirm(0, 7);
  assert.equal(fence.isFenced(5000), false);
  sleptMs = 60_000;
  assert.throws(() => fence.check(5000), { code: 'CLUSTER_FENCED' });
  assert.deepEqual(said, ['fenced', 'returned', 'fenced']);
  fence.confirm(60_000, 8);
  assert.equal(said.at(-1), 'returned');
});
