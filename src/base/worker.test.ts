import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from './log.ts';
import { systemClock } from './time.ts';
import { type StepResult, WorkerRunner } from './worker.ts';

function runner(): WorkerRunner {
  return new WorkerRunner({ clock: systemClock, log: silentLogger });
}

test('a busy worker is stepped again, an idle one waits for a wake', async () => {
  await using workers = runner();
  const results: StepResult[] = [{ kind: 'busy' }, { kind: 'busy' }, { kind: 'idle' }];
  let steps = 0;
  let reached: (() => void) | undefined;
  const at = (count: number): Promise<void> =>
    new Promise((resolve) => {
      reached = () => {
        if (steps >= count) resolve();
      };
      reached();
    });
  workers.add({
    name: 'counting',
    status: () => `${steps} steps`,
    step: async () => {
      steps++;
      queueMicrotask(() => reached?.());
      return results.shift() ?? { kind: 'idle' };
    },
  });
  await at(3);
  assert.equal(steps, 3);
  workers.wake('counting');
  await at(4);
  assert.equal(workers.list()[0]?.status, '4 steps');
});

test('a failure is shown and retried, and a wake during a step is not lost', async () => {
  await using workers = runner();
  const done = Promise.withResolvers<void>();
  let steps = 0;
  workers.add({
    name: 'flaky',
    status: () => 'trying',
    step: async () => {
      steps++;
      if (steps === 1) {
        workers.wake('flaky');
        throw new Error('disk on fire');
      }
      done.resolve();
      return { kind: 'done' };
    },
  });
  await done.promise;
  assert.equal(workers.list()[0]?.errors, 1);
  assert.equal(workers.list()[0]?.lastError, 'disk on fire');
});

test('dispose waits for the step under way, which is told to stop', async () => {
  const workers = runner();
  let ended = false;
  const started = Promise.withResolvers<void>();
  workers.add({
    name: 'slow',
    status: () => 'working',
    step: async (signal) => {
      started.resolve();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      ended = true;
      return { kind: 'idle' };
    },
  });
  await started.promise;
  await workers[Symbol.asyncDispose]();
  assert.equal(ended, true);
});
