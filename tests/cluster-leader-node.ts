/**
 * The victim of `cluster-leader.test.ts`: a node with presence, fence and leader on an etcd, which tells on its output what
 * happens to it, one line each. Usage: `node cluster-leader-node.ts ENDPOINTS NODE`.
 */
import { writeSync } from 'node:fs';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { WorkerRunner } from '../src/base/worker.ts';
import {
  Fence,
  LeaderElection,
  type LeaderTerm,
  PresenceKeeper,
  PresenceWatch,
} from '../src/cluster/cluster.ts';
import { openEtcdRegistry } from '../src/registry/registry.ts';
import { LOST_AFTER_MS, SUSPECT_AFTER_MS } from './cluster-leader-clocks.ts';

const [endpoints = '', nodeId = ''] = process.argv.slice(2);
const WORK_EVERY_MS = 20;

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const clock = systemClock;
const log = silentLogger;
const registry = await openEtcdRegistry({
  endpoints: endpoints.split(','),
  prefix: '/moln/',
  client: nodeId,
  clock,
  log,
});
const fence = new Fence(clock);
fence.guard({
  lostAfterMs: LOST_AFTER_MS,
  onFenced: () => say('fenced'),
  onReturned: (revision) => say(`returned ${revision}`),
});
// A singleton: it may act only while nobody can count this node as lost.
clock.every(WORK_EVERY_MS, () => {
  try {
    fence.check(LOST_AFTER_MS);
    say('acts');
  } catch (error) {
    if (!isMolnError(error, 'CLUSTER_FENCED')) throw error;
  }
});

const runner = new WorkerRunner({ clock, log });
const onForgotten = (): void => say('forgotten');
const presence = { registry, nodeId, fence, clock, log, lostAfterMs: LOST_AFTER_MS, onForgotten };
runner.add(new PresenceKeeper(presence));
runner.add(
  new PresenceWatch({
    registry,
    nodeId,
    clocks: { suspectAfterMs: SUSPECT_AFTER_MS, lostAfterMs: LOST_AFTER_MS },
    clock,
    log,
    onChange: (changed) => {
      for (const { node, state } of changed) say(`${node} is ${state}`);
    },
  }),
);
runner.add(
  new LeaderElection({ registry, node: { id: nodeId, name: nodeId }, clock, log, lead: work }),
);

/** Writes its token into one key for as long as it can; the test sees whether an old one ever overwrites a new one. */
async function work(term: LeaderTerm): Promise<void> {
  say(`leads ${term.token}`);
  try {
    while (!term.signal.aborted) {
      const value = Buffer.from(String(term.token));
      await term.commit([], [{ kind: 'put', key: '/work', value }]);
      await clock.sleep(WORK_EVERY_MS);
    }
  } finally {
    say(`led ${term.token}`);
  }
}
