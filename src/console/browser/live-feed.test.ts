import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveSample } from '../../api/model.ts';
import type { Clock } from '../../base/time.ts';
import { MolnError } from '../../base/errors.ts';
import { LOGGED_OUT } from './api.ts';
import { backoffMs, LiveFeed, mergeSamples, SAMPLES_KEPT } from './live-feed.ts';

export function sample(at: number): LiveSample {
  return {
    at,
    requestsPerSecond: 1,
    errorsPerSecond: 0,
    p50Ms: 1,
    p95Ms: 2,
    bytesOutPerSecond: 0,
    cpuRatio: 0,
    memoryBytes: 0,
    connections: 0,
    apps: {},
  };
}

/** Sleeps end at once; nothing else ticks. */
const hastyClock: Clock = {
  now: () => 0,
  monotonicMs: () => 0,
  after: () => ({ [Symbol.dispose]: () => undefined }),
  every: () => ({ [Symbol.dispose]: () => undefined }),
  sleep: () => Promise.resolve(),
};

test('samples are merged in order, once, and the oldest go', () => {
  const first = mergeSamples([], [sample(1), sample(2)]);
  assert.deepEqual(
    mergeSamples(first, [sample(2), sample(3)]).map((item) => item.at),
    [1, 2, 3],
  );
  const many = Array.from({ length: SAMPLES_KEPT + 5 }, (_, index) => sample(index));
  assert.equal(mergeSamples([], many).length, SAMPLES_KEPT);
  assert.equal(mergeSamples([], many)[0]?.at, 5);
});

test('waits grow and stop growing', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((failures) => backoffMs(failures)),
    [1000, 2000, 4000, 8000, 15_000, 15_000],
  );
});

test('a broken stream is followed again and what was missed is fetched', async () => {
  const kinds: string[] = [];
  let round = 0;
  let last: readonly LiveSample[] = [];
  const feed = new LiveFeed({
    clock: hastyClock,
    onChange: (state) => {
      kinds.push(state.connection.kind);
      last = state.samples;
    },
    source: {
      history: () => {
        round++;
        if (round === 3) {
          return Promise.reject(new MolnError(LOGGED_OUT, 'This browser is not logged in'));
        }
        return Promise.resolve([sample(round * 10)]);
      },
      live: async function* () {
        await Promise.resolve();
        yield sample(round * 10 + 1);
      },
    },
  });
  await feed.run(new AbortController().signal);
  assert.deepEqual(kinds, ['live', 'live', 'lost', 'live', 'live', 'lost', 'logged-out']);
  assert.deepEqual(
    last.map((item) => item.at),
    [10, 11, 20, 21],
  );
});
