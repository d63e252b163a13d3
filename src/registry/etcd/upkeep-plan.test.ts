import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EtcdStatus } from './admin.ts';
import {
  COMPACT_EVERY_MS,
  DEFRAGMENT_BYTES_MIN,
  DEFRAGMENT_EVERY_MS,
  KEEP_REVISIONS,
  planUpkeep,
  type UpkeepStep,
  type UpkeepView,
} from './upkeep-plan.ts';

const QUOTA_BYTES: number = 1024 * 1024 * 1024;
const BIG_BYTES: number = 4 * DEFRAGMENT_BYTES_MIN;

function status(id: string, changes: Partial<EtcdStatus> = {}): EtcdStatus {
  const common = { version: '3.4.23', revision: 5000, raftIndex: 9000, leaderId: 'a' };
  const flags = { isLeader: id === 'a', isLearner: false };
  return { endpoint: id, id, ...common, ...flags, dbBytes: 1000, dbBytesInUse: 900, ...changes };
}

const HOLES = { dbBytes: BIG_BYTES, dbBytesInUse: BIG_BYTES * 0.4 } as const;
const CALM: UpkeepView = {
  statuses: [status('a'), status('b'), status('c')],
  alarms: [],
  quotaBytes: QUOTA_BYTES,
  compactedTo: 4000,
  compactedAgoMs: 1000,
  defragmentedAgoMs: new Map(),
};
const ALARM = { memberId: 'b', kind: 'noSpace' } as const;

const NOTHING = 'nothing';
const cases: readonly [title: string, view: Partial<UpkeepView>, step: UpkeepStep | 'nothing'][] = [
  ['nothing to do', {}, NOTHING],
  ['no leader', { statuses: [status('b'), status('c')], compactedAgoMs: Infinity }, NOTHING],
  [
    'old history, once a minute',
    { compactedTo: 1000, compactedAgoMs: COMPACT_EVERY_MS },
    { kind: 'compact', revision: 5000 - KEEP_REVISIONS },
  ],
  ['not sooner', { compactedTo: 1000, compactedAgoMs: COMPACT_EVERY_MS - 1 }, NOTHING],
  ['nothing old', { compactedTo: 4000, compactedAgoMs: COMPACT_EVERY_MS }, NOTHING],
  [
    'the lead goes from the own member to the one that is furthest',
    { ownId: 'a', statuses: [status('a'), status('b', { raftIndex: 8999 }), status('c')] },
    { kind: 'moveLeader', from: 'a', toId: 'c' },
  ],
  ['it is another one already', { ownId: 'b' }, NOTHING],
  ['two members', { ownId: 'a', statuses: [status('a'), status('b')] }, NOTHING],
  [
    'not while one is away',
    { ownId: 'a', statuses: [status('a'), status('b'), undefined] },
    NOTHING,
  ],
  [
    'nor while one learns',
    { ownId: 'a', statuses: [status('a'), status('b'), status('c', { isLearner: true })] },
    NOTHING,
  ],
  [
    'a follower before the leader',
    { statuses: [status('a', HOLES), status('b', HOLES), status('c')] },
    { kind: 'defragment', endpoint: 'b' },
  ],
  [
    'the leader last',
    { statuses: [status('a', HOLES), status('b'), status('c')] },
    { kind: 'defragment', endpoint: 'a' },
  ],
  [
    'one that does not shrink is left alone for a while',
    {
      statuses: [status('a'), status('b', HOLES)],
      defragmentedAgoMs: new Map([['b', DEFRAGMENT_EVERY_MS - 1]]),
    },
    NOTHING,
  ],
  ['never while a member is away', { statuses: [status('a', HOLES), undefined] }, NOTHING],
  [
    'never while a member learns',
    { statuses: [status('a', HOLES), status('b', { isLearner: true })] },
    NOTHING,
  ],
  [
    'never while a member catches up',
    { statuses: [status('a', HOLES), status('b', { raftIndex: 7000 })] },
    NOTHING,
  ],
  [
    'small files are left alone',
    { statuses: [status('a', { dbBytes: DEFRAGMENT_BYTES_MIN, dbBytesInUse: 0 })] },
    NOTHING,
  ],
  ['full: forget all history first', { alarms: [ALARM] }, { kind: 'compact', revision: 5000 }],
  [
    'full: then every member, whatever it says of its free pages',
    { alarms: [ALARM], compactedTo: 5000 },
    { kind: 'defragment', endpoint: 'b' },
  ],
  [
    'full: those before the compaction do not count',
    {
      alarms: [ALARM],
      compactedTo: 5000,
      compactedAgoMs: 1000,
      defragmentedAgoMs: new Map([
        ['b', 900],
        ['c', 1100],
        ['a', 10],
      ]),
    },
    { kind: 'defragment', endpoint: 'c' },
  ],
  [
    'full: then writers may come',
    { alarms: [ALARM], compactedTo: 5000, defragmentedAgoMs: everyone(10) },
    { kind: 'disarm', memberId: 'b' },
  ],
  [
    'full: not while it is still full',
    {
      statuses: [status('a'), status('b', { dbBytes: QUOTA_BYTES }), status('c')],
      alarms: [ALARM],
      compactedTo: 5000,
      defragmentedAgoMs: everyone(10),
    },
    NOTHING,
  ],
  ['damage is for people', { alarms: [{ memberId: 'b', kind: 'corrupt' }] }, NOTHING],
];

function everyone(agoMs: number): ReadonlyMap<string, number> {
  return new Map(['a', 'b', 'c'].map((endpoint) => [endpoint, agoMs]));
}

describe('upkeep of etcd', () => {
  for (const [title, view, wanted] of cases) {
    test(title, () => {
      const step = planUpkeep({ ...CALM, ...view });
      if (wanted === NOTHING) assert.equal(step.kind, NOTHING);
      else assert.deepEqual(step, wanted);
    });
  }
});
