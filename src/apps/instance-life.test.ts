import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  backoffMs,
  exitReason,
  type Life,
  lifeAfter,
  type LifeEvent,
  NEW_LIFE,
} from './instance-life.ts';
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MOST_MS,
  FAILURES_UNTIL_RESTART,
  FAILURES_UNTIL_UNHEALTHY,
  STABLE_AFTER_MS,
  WORKER_STAYED_UP_MS,
} from './run-limits.ts';

const health = { path: '/', startTimeoutMs: 30_000, stopTimeoutMs: 1000 };
const WEB = { kind: 'http', health, trial: false } as const;
const TRIAL = { ...WEB, trial: true } as const;
const WORKER = { ...WEB, kind: 'worker' } as const;
const CRASH: LifeEvent = {
  kind: 'exited',
  exit: { code: 1, signal: undefined, problem: undefined },
};
const SILENT: LifeEvent = { kind: 'failed', problem: 'did not listen', mayRestart: true };

/** The life after events at these times. */
function lived(
  rules: typeof WEB | typeof TRIAL | typeof WORKER,
  ...events: [number, LifeEvent][]
): Life {
  return events.reduce((life, [at, event]) => lifeAfter(life, event, at, rules), NEW_LIFE);
}

const LAUNCHED: [number, LifeEvent] = [0, { kind: 'launched' }];
const ANSWERED = (at: number): [number, LifeEvent] => [at, { kind: 'answered' }];
const failures = (count: number, from: number): [number, LifeEvent][] =>
  Array.from({ length: count }, (_, index) => [
    from + index,
    { kind: 'failed', problem: 'answered 500', mayRestart: true },
  ]);

test('one that lost something it was started with starts anew', () => {
  const broken: LifeEvent = { kind: 'broken', reason: 'lost its folder' };
  const life = lived(WEB, LAUNCHED, ANSWERED(9), [20, broken]);
  assert.equal(life.state, 'backoff');
  assert.match(life.reason, /^lost its folder; restarts in/);
  assert.equal(lived(TRIAL, LAUNCHED, [20, broken]).state, 'stopped');
});

test('a web instance is healthy when it answers, and not before', () => {
  assert.equal(lived(WEB, LAUNCHED, [5, SILENT]).state, 'starting');
  assert.equal(lived(WEB, LAUNCHED, [5, SILENT], ANSWERED(9)).state, 'healthy');
});

test('a web instance that does not answer in time fails with what the last probe saw', () => {
  const life = lived(WEB, LAUNCHED, [5, SILENT], [30_000, { kind: 'tick' }]);
  assert.equal(life.state, 'backoff');
  assert.equal(life.reason, 'did not listen within 30 s; restarts in 500 ms');
  const trial = lived(TRIAL, LAUNCHED, [5, SILENT], [30_000, { kind: 'tick' }]);
  assert.deepEqual([trial.state, trial.reason], ['stopped', 'did not listen within 30 s']);
  assert.equal(lived(WEB, LAUNCHED, [29_999, { kind: 'tick' }]).state, 'starting');
});

test('a worker is healthy once it has stayed up', () => {
  assert.equal(
    lived(WORKER, LAUNCHED, [WORKER_STAYED_UP_MS - 1, { kind: 'tick' }]).state,
    'starting',
  );
  assert.equal(lived(WORKER, LAUNCHED, [WORKER_STAYED_UP_MS, { kind: 'tick' }]).state, 'healthy');
  assert.equal(lived(WORKER, LAUNCHED, [5, CRASH]).state, 'backoff');
});

test('failed probes: unhealthy, back again, or restarted', () => {
  const up = [LAUNCHED, ANSWERED(1)] as const;
  assert.equal(lived(WEB, ...up, ...failures(FAILURES_UNTIL_UNHEALTHY - 1, 2)).state, 'healthy');
  const unhealthy = lived(WEB, ...up, ...failures(FAILURES_UNTIL_UNHEALTHY, 2));
  assert.deepEqual([unhealthy.state, unhealthy.reason], ['unhealthy', 'answered 500']);
  assert.equal(lifeAfter(unhealthy, { kind: 'answered' }, 50, WEB).state, 'healthy');
  const restarted = lived(WEB, ...up, ...failures(FAILURES_UNTIL_RESTART, 2));
  assert.equal(restarted.state, 'backoff');
  assert.match(restarted.reason, /^answered 500 \(\d+ times in a row\); restarts in/);
});

test('one that is silent waits for its turn to be restarted', () => {
  const silent = lived(WEB, LAUNCHED, ANSWERED(1), ...failures(FAILURES_UNTIL_RESTART - 1, 2));
  const later = Array.from({ length: 9 }, () => ({ ...SILENT, mayRestart: false }) as LifeEvent);
  const waiting = later.reduce<Life>((life, event) => lifeAfter(life, event, 99, WEB), silent);
  assert.equal(waiting.state, 'unhealthy');
  assert.equal(lifeAfter(waiting, SILENT, 100, WEB).state, 'backoff');
});

test('crashes in a row wait ever longer, up to a limit; stability forgets them', () => {
  const pauses = [0, 1, 2, 3].map(backoffMs);
  assert.deepEqual(
    pauses,
    [1, 2, 4, 8].map((factor) => factor * BACKOFF_FIRST_MS),
  );
  assert.equal(backoffMs(1000), BACKOFF_MOST_MS);
  const once = lived(WEB, LAUNCHED, ANSWERED(1), [10, CRASH]);
  assert.deepEqual([once.crashes, once.restartAt], [1, 10 + BACKOFF_FIRST_MS]);
  const again = lifeAfter(once, { kind: 'launched' }, 600, WEB);
  assert.deepEqual([again.state, again.restarts], ['starting', 1]);
  const healthy = lifeAfter(again, { kind: 'answered' }, 700, WEB);
  assert.equal(lifeAfter(healthy, CRASH, 800, WEB).restartAt, 800 + 2 * BACKOFF_FIRST_MS);
  const stable = lifeAfter(healthy, { kind: 'tick' }, 700 + STABLE_AFTER_MS, WEB);
  assert.equal(lifeAfter(stable, CRASH, 70_000, WEB).restartAt, 70_000 + BACKOFF_FIRST_MS);
});

test('draining ignores probes, ends with the process, and can be taken back', () => {
  const draining = lived(WEB, LAUNCHED, ANSWERED(1), [2, { kind: 'drain' }]);
  assert.equal(lifeAfter(draining, SILENT, 3, WEB).state, 'draining');
  assert.equal(lifeAfter(draining, { kind: 'answered' }, 3, WEB).state, 'draining');
  assert.equal(lifeAfter(draining, CRASH, 3, WEB).state, 'stopped');
  assert.equal(lifeAfter(draining, { kind: 'resume' }, 3, WEB).state, 'starting');
});

test('stopped is the end', () => {
  const stopped = lived(WEB, LAUNCHED, [1, { kind: 'stop', reason: 'done' }]);
  for (const event of [CRASH, SILENT, { kind: 'answered' }, { kind: 'launched' }] as LifeEvent[]) {
    assert.equal(lifeAfter(stopped, event, 9, WEB), stopped);
  }
});

test('each way to end has its own sentence', () => {
  const life: Life = { ...NEW_LIFE, state: 'healthy' };
  const exit = { code: undefined, signal: undefined, problem: undefined };
  const cases = [
    [{ ...exit, code: 0 }, 'exited with code 0 after 4 s'],
    [{ ...exit, code: 127 }, 'exited with code 127 (the command was not found) after 4 s'],
    [{ ...exit, code: 137 }, 'was killed by SIGKILL after 4 s'],
    [{ ...exit, signal: 'SIGSEGV' }, 'was killed by SIGSEGV after 4 s'],
    [{ ...exit, problem: 'could not be started' }, 'could not be started'],
    [exit, 'ended after 4 s'],
  ] as const;
  for (const [how, sentence] of cases) assert.equal(exitReason(how, life, 4000), sentence);
  const early = exitReason({ ...exit, code: 1 }, NEW_LIFE, 20);
  assert.equal(early, 'exited with code 1 after 20 ms, before it was ready');
});
