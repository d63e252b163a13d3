import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Event } from './etcd-pb.ts';
import { ETCD_REVISION_BASE } from './revisions.ts';
import { Root } from './translate.ts';
import { WatchJoiner } from './watch-joiner.ts';

const ROOT = new Root('/moln/');

/** `put` of a key at a revision of etcd. */
function event(revision: number, key: string): Event {
  const modRevision = BigInt(revision);
  const kv = {
    $typeName: 'etcdserverpb.KeyValue',
    key: ROOT.keyOf(key),
    createRevision: modRevision,
    modRevision,
    version: 1n,
    value: new Uint8Array(),
    lease: 0n,
  } as const;
  return { $typeName: 'etcdserverpb.Event', type: 0, kv };
}

/** What comes out, as `revision key key`, with etcd's revisions. */
function add(joiner: WatchJoiner, fragment: boolean, ...events: Event[]): string[] {
  return joiner.add({ events, fragment }).map(({ revision, changes }) => {
    const keys = changes.map((change) => (change.kind === 'put' ? change.entry.key : change.key));
    return [revision - ETCD_REVISION_BASE, ...keys].join(' ');
  });
}

function joinerFrom(next: number): WatchJoiner {
  return new WatchJoiner(ETCD_REVISION_BASE + next, ROOT);
}

describe('joining what a watch brings', () => {
  test('one response may hold several commits', () => {
    const joiner = joinerFrom(5);
    const events = [event(5, '/a'), event(7, '/b'), event(7, '/c')];
    assert.deepEqual(add(joiner, false, ...events), ['5 /a', '7 /b /c']);
    assert.equal(joiner.next, ETCD_REVISION_BASE + 8);
  });

  test('a commit that comes in parts is held back, those before it are not', () => {
    const joiner = joinerFrom(5);
    assert.deepEqual(add(joiner, true, event(5, '/a'), event(6, '/b')), ['5 /a']);
    assert.deepEqual(add(joiner, true, event(6, '/c')), []);
    assert.deepEqual(add(joiner, true), []);
    assert.deepEqual(add(joiner, false, event(6, '/d'), event(9, '/e')), ['6 /b /c /d', '9 /e']);
  });

  test('what was seen before is dropped', () => {
    const joiner = joinerFrom(5);
    assert.deepEqual(add(joiner, false, event(4, '/old'), event(5, '/a')), ['5 /a']);
    assert.deepEqual(add(joiner, false, event(5, '/a')), []);
    assert.deepEqual(add(joiner, false, event(6, '/b'), event(5, '/a')), ['6 /b']);
    assert.equal(joiner.next, ETCD_REVISION_BASE + 7);
  });

  test('a part of a commit is forgotten when the connection is lost, and comes again', () => {
    const joiner = joinerFrom(5);
    assert.deepEqual(add(joiner, true, event(5, '/a')), []);
    joiner.restart();
    assert.equal(joiner.next, ETCD_REVISION_BASE + 5);
    assert.deepEqual(add(joiner, false, event(5, '/a'), event(5, '/b')), ['5 /a /b']);
  });
});
