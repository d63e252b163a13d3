import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newApp } from './app-wishes.ts';
import type { App, Release } from './model.ts';
import {
  type PlanInput,
  planActions,
  type PlannedInstance,
  surplus,
  wantedCount,
} from './plan-actions.ts';
import { PLACEMENT_DEFAULTS } from './settings.ts';
import { DRAIN_TIMEOUT_MS, UPGRADED_DRAIN_TIMEOUT_MS } from './run-limits.ts';

const NOW = 10_000_000;
const process = { command: ['x'], env: {}, kind: 'http' } as const;

function release(id: string, ...processes: string[]): Release {
  return {
    format: 1,
    id,
    treeHash: id,
    sealedHash: id,
    files: 1,
    bytes: 1,
    createdAt: 0,
    plan: {
      kind: 'node',
      explanation: '',
      build: [],
      processes: Object.fromEntries(processes.map((name) => [name, process])),
      staticRoot: undefined,
      fallback: undefined,
      notFound: undefined,
      health: { path: '/', startTimeoutMs: 1, stopTimeoutMs: 1 },
      placement: PLACEMENT_DEFAULTS,
    },
  };
}

const R1 = release('r1', 'web');
const APP: App = { ...newApp('a', 61_000, 0), release: 'r1' };

function instance(id: string, more: Partial<PlannedInstance> = {}): PlannedInstance {
  return {
    id,
    process: 'web',
    release: 'r1',
    generation: '',
    state: 'healthy',
    trial: false,
    startedAt: 0,
    drainingSince: more.state === 'draining' ? NOW : undefined,
    routed: false,
    requests: 0,
    upgrades: 0,
    ...more,
  };
}

/** `start web 2`, `drain x`, `stop x`: short enough for a table. */
function plan(input: Partial<PlanInput>): string[] {
  const app = input.app ?? APP;
  const counts = Object.fromEntries(
    Object.keys((input.release ?? R1).plan.processes).map((name) => [name, wantedCount(app, name)]),
  );
  const whole = {
    app: APP,
    release: R1,
    counts,
    waits: new Set<string>(),
    held: false,
    instances: [],
    ...input,
  };
  return planActions(whole, NOW).map((action) =>
    action.kind === 'start'
      ? `start ${action.process} ${action.count}`
      : `${action.kind} ${action.id}`,
  );
}

const two = { ...APP, scale: { web: 2 } };
const late = { state: 'draining', drainingSince: NOW - DRAIN_TIMEOUT_MS } as const;
const tooLate = { state: 'draining', drainingSince: NOW - UPGRADED_DRAIN_TIMEOUT_MS } as const;

const TABLE: readonly (readonly [string, Partial<PlanInput>, readonly string[]])[] = [
  ['nothing runs: start one', {}, ['start web 1']],
  ['as wished', { instances: [instance('x')] }, []],
  ['two are wished, one runs', { app: two, instances: [instance('x')] }, ['start web 1']],
  [
    'one that pauses after a crash counts',
    { instances: [instance('x', { state: 'backoff' })] },
    [],
  ],
  ['one that starts counts', { instances: [instance('x', { state: 'starting' })] }, []],
  [
    'one too many: the newest goes',
    { instances: [instance('old'), instance('new', { startedAt: 5 })] },
    ['drain new'],
  ],
  [
    'one too many: the sick one goes first',
    { instances: [instance('old', { state: 'unhealthy' }), instance('new', { startedAt: 5 })] },
    ['drain old'],
  ],
  [
    'scaled to zero',
    { app: { ...APP, scale: { web: 0 } }, instances: [instance('x')] },
    ['drain x'],
  ],
  [
    'of another release, left by a crash in the middle of a deploy',
    { instances: [instance('x'), instance('stray', { release: 'r2' })] },
    ['drain stray'],
  ],
  [
    'of a process that the release does not have',
    { instances: [instance('x'), instance('y', { process: 'worker' })] },
    ['drain y'],
  ],
  [
    'a process type more',
    { release: release('r1', 'web', 'worker'), instances: [instance('x')] },
    ['start worker 1'],
  ],
  [
    'on trial without an operation',
    { instances: [instance('x', { trial: true })] },
    ['drain x', 'start web 1'],
  ],
  ['removed', { app: undefined, release: undefined, instances: [instance('x')] }, ['drain x']],
  [
    'stopped by people',
    { app: { ...APP, running: false }, instances: [instance('x')] },
    ['drain x'],
  ],
  ['never deployed', { app: { ...APP, release: undefined }, release: undefined }, []],
  ['drained', { instances: [instance('x'), instance('y', { state: 'draining' })] }, ['stop y']],
  [
    'drained, but a gateway may still choose it',
    { instances: [instance('x'), instance('y', { state: 'draining', routed: true })] },
    [],
  ],
  [
    'requests under way',
    { instances: [instance('x'), instance('y', { state: 'draining', requests: 1 })] },
    [],
  ],
  [
    'requests under way for too long',
    { instances: [instance('x'), instance('y', { ...late, requests: 1 })] },
    ['stop y'],
  ],
  [
    'open WebSockets may stay longer',
    { instances: [instance('x'), instance('y', { ...late, upgrades: 1 })] },
    [],
  ],
  [
    'but not for ever',
    { instances: [instance('x'), instance('y', { ...tooLate, upgrades: 1 })] },
    ['stop y'],
  ],
  [
    'ended for good',
    { instances: [instance('x'), instance('y', { state: 'stopped' })] },
    ['stop y'],
  ],
  ['an operation decides alone about starting', { held: true }, []],
  [
    'an operation decides alone about draining and about what it tries',
    {
      held: true,
      instances: [
        instance('x', { release: 'r0' }),
        instance('y', { state: 'stopped', trial: true }),
      ],
    },
    [],
  ],
  [
    'what drains is stopped during an operation too',
    { held: true, instances: [instance('y', { state: 'draining' })] },
    ['stop y'],
  ],
];

for (const [title, input, expected] of TABLE) {
  test(`plan: ${title}`, () => assert.deepEqual(plan(input), expected));
}

test('doing what is planned leaves nothing to plan', () => {
  const instances = [
    instance('a'),
    instance('b', { startedAt: 1 }),
    instance('c', { startedAt: 2 }),
  ];
  const drained = new Set(surplus(instances, 1).map(({ id }) => id));
  assert.deepEqual([...drained], ['b', 'c']);
  const after = instances.map((each) =>
    drained.has(each.id) ? instance(each.id, { state: 'draining', requests: 1 }) : each,
  );
  assert.deepEqual(plan({ instances: after }), []);
});

test('a process may have any name', () => {
  assert.equal(wantedCount(APP, 'constructor'), 1);
});
