import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { LiveSample } from '../api/model.ts';
import { MolnError } from '../base/errors.ts';
import { silentLogger as log } from '../base/log.ts';
import type { Member, PeerNode, Peers, PeerState } from '../cluster/cluster.ts';
import { ClusterLive, type FarSamples, summed } from './cluster-live.ts';

const NOW = 1_000_000;

function sample(at: number, rates: Readonly<Record<string, number>>): LiveSample {
  const apps = Object.entries(rates).map(
    ([app, rate]) => [app, { requestsPerSecond: rate, errorsPerSecond: rate / 10 }] as const,
  );
  return {
    at,
    requestsPerSecond: 7,
    errorsPerSecond: 0,
    p50Ms: 0,
    p95Ms: 0,
    bytesOutPerSecond: 0,
    cpuRatio: 0,
    memoryBytes: 0,
    connections: 0,
    apps: Object.fromEntries(apps),
  };
}

function requests(samples: readonly LiveSample[], app = 'shop'): readonly (number | undefined)[] {
  return samples.map(({ apps }) => apps[app]?.requestsPerSecond);
}

test('each sample gets what was counted elsewhere in the same second', () => {
  const own = [-3000, -2000, -1000].map((at) => sample(NOW + at, { shop: 10 }));
  const far = (ages: readonly number[], ...counted: readonly number[]): FarSamples => ({
    ages,
    apps: { shop: { requests: counted.map((rate) => rate * 1000), errors: counted.map(() => 0) } },
  });
  const cases: readonly (readonly [readonly FarSamples[], readonly number[]])[] = [
    [[], [10, 10, 10]],
    [[far([3200, 2200, 1200], 1, 2, 3)], [11, 12, 13]],
    [[far([2800, 1800, 800], 1, 2, 3)], [11, 12, 13]],
    [
      [far([3000, 2000, 1000], 1, 2, 3), far([2900, 1900, 900], 4, 5, 6)],
      [15, 17, 19],
    ],
    // It began later, or stopped counting.
    [[far([900], 3)], [10, 13, 13]],
    [[far([9000], 3)], [10, 10, 10]],
  ];
  for (const [others, wanted] of cases)
    assert.deepEqual(requests(summed(own, others, NOW)), wanted);
});

/** Two nodes with samples of their own; `one` asks. */
function live(states: { two: PeerState | 'mute' }): ClusterLive {
  const clock = new ManualClock(NOW);
  const node = (id: string, samples: readonly LiveSample[], peers: ClusterLivePeers): ClusterLive =>
    new ClusterLive({
      feed: {
        history: () => samples,
        follow: async function* () {
          yield* samples.slice(-1);
        },
      },
      peers: { self: id, ...peers },
      clock,
      log,
    });
  const alone = { all: () => [], call: () => Promise.reject(new Error('Nobody is asked')) };
  const elsewhere = [sample(NOW - 1500, { shop: 1 }), sample(NOW - 500, { shop: 2, blog: 5 })];
  const two = node('two', elsewhere, alone);
  return node('one', [sample(NOW - 1400, { shop: 10 }), sample(NOW - 400, { shop: 20 })], {
    all: () => [peer('one', 'ready'), peer('two', states.two === 'mute' ? 'ready' : states.two)],
    call: async (_id, method, params) => {
      if (states.two !== 'ready') throw new MolnError('NET_RPC_UNREACHABLE', 'It is away');
      const signal = new AbortController().signal;
      return two.methods()[method]?.(params, { peer: {} as Member, remoteAddress: '', signal });
    },
  });
}

type ClusterLivePeers = Pick<Peers, 'all' | 'call'>;

function peer(id: string, state: PeerState): PeerNode {
  const rest = { region: 'home', labels: {}, silentMs: 0, address: '', port: 1, gatewayPort: 1 };
  return { id, name: id, state, memoryMiB: 0, load: 0, isManager: false, ...rest };
}

test('apps are summed over nodes, the rest is of this one', async () => {
  const both = live({ two: 'ready' });
  const history = await both.history();
  assert.deepEqual(requests(history), [11, 22]);
  assert.deepEqual(requests(history, 'blog'), [0, 5]);
  assert.equal(history[1]?.apps['shop']?.errorsPerSecond, 2.2);
  assert.deepEqual(
    history.map(({ requestsPerSecond }) => requestsPerSecond),
    [7, 7],
  );
  const followed: LiveSample[] = [];
  for await (const each of both.follow(new AbortController().signal)) followed.push(each);
  assert.deepEqual(requests(followed), [22]);
});

test('a node that does not answer is left out', async () => {
  for (const two of ['lost', 'mute'] as const) {
    assert.deepEqual(requests(await live({ two }).history()), [10, 20]);
  }
});
