import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../testing/manual-clock.ts';
import { createLogger } from '../../base/log.ts';
import { CutLog } from './etcd-watch.ts';

test('cut watches are told once, and once a minute while it goes on', () => {
  const clock = new ManualClock();
  const told: unknown[] = [];
  const log = createLogger({
    part: 'registry',
    now: () => clock.now(),
    sinks: [({ fields }) => void told.push(fields?.['prefix'])],
  });
  const cuts = new CutLog({ clock, log });
  for (let second = 0; second < 120; second += 2) {
    cuts.tell({ prefix: `/at/${second}/` });
    clock.advance(2000);
  }
  assert.deepEqual(told, ['/at/0/', '/at/60/']);
});
