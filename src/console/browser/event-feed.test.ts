import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDetail } from '../../api/model.ts';
import type { Clock } from '../../base/time.ts';
import type { EventState } from './event-feed.ts';
import { MolnError } from '../../base/errors.ts';
import { LOGGED_OUT } from './api.ts';
import { EventFeed } from './event-feed.ts';

function event(id: string): EventDetail {
  return { id, at: 1, kind: 'node', text: id, node: undefined, app: undefined };
}

/** Sleeps end at once; what is to be done again and again is done when the test says so. */
class HastyClock implements Clock {
  readonly again: (() => void)[] = [];
  now = (): number => 0;
  monotonicMs = (): number => 0;
  after = (): Disposable => ({ [Symbol.dispose]: () => undefined });
  every = (_ms: number, call: () => void): Disposable => {
    this.again.push(call);
    return { [Symbol.dispose]: () => undefined };
  };
  sleep = (): Promise<void> => Promise.resolve();
}

test('a broken stream is followed again, what was missed is listed, and logging out ends it', async () => {
  const states: EventState[] = [];
  let round = 0;
  const feed = new EventFeed({
    clock: new HastyClock(),
    first: [event('a0')],
    onChange: (state) => states.push(state),
    source: {
      events: () => {
        round++;
        if (round === 3) return Promise.reject(new MolnError(LOGGED_OUT, 'Not logged in'));
        return Promise.resolve([event('a0'), event(`a${round * 2}`)]);
      },
      followEvents: async function* () {
        await Promise.resolve();
        yield event(`a${round * 2 + 1}`);
        if (round === 2) throw new MolnError('CONSOLE_UNREACHABLE', 'The node does not answer');
      },
    },
  });
  await feed.run(new AbortController().signal);
  assert.deepEqual(
    states.map(({ connection }) => connection),
    ['live', 'live', 'lost', 'live', 'live', 'lost'],
  );
  const last = states.at(-1);
  assert.equal(last?.failure, 'The node does not answer');
  assert.deepEqual(
    last.events.map(({ id }) => id),
    ['a0', 'a2', 'a3', 'a4', 'a5'],
  );
});

test('what happened while the stream opened is listed while it is followed', async () => {
  const clock = new HastyClock();
  const stop = new AbortController();
  let happened = [event('a1')];
  let seen: readonly string[] = [];
  const feed = new EventFeed({
    clock,
    first: [],
    onChange: ({ events }) => {
      seen = events.map(({ id }) => id);
      if (seen.includes('a2')) stop.abort();
    },
    source: {
      events: () => Promise.resolve(happened),
      followEvents: async function* (signal) {
        happened = [event('a1'), event('a2')];
        clock.again.at(-1)?.();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        yield* [];
      },
    },
  });
  await feed.run(stop.signal);
  assert.deepEqual(seen, ['a1', 'a2']);
});
