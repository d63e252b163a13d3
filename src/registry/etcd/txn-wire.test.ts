import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  create,
  type MessageInitShape,
  toBinary,
  TxnRequestSchema,
  TxnResponseSchema,
} from './etcd-pb.ts';
import { decodeTxn, encodeTxn, type Op, type Txn } from './txn-wire.ts';

type TxnInit = Exclude<
  MessageInitShape<typeof TxnRequestSchema>,
  { readonly $typeName: 'etcdserverpb.TxnRequest' }
>;
type OpInit = NonNullable<TxnInit['success']>[number];

const key = (text: string): Uint8Array => Buffer.from(text);

function initOf(op: Op): OpInit {
  switch (op.kind) {
    case 'put': {
      const { key: own, value, lease } = op;
      const put = { key: own, value, ...(lease === undefined ? {} : { lease }) };
      return { request: { case: 'requestPut', value: put } };
    }
    case 'delete': {
      const { key: own, rangeEnd } = op;
      const removed = { key: own, ...(rangeEnd === undefined ? {} : { rangeEnd }) };
      return { request: { case: 'requestDeleteRange', value: removed } };
    }
    case 'range': {
      const only = op.only === 'keys' ? { keysOnly: true } : { countOnly: true };
      return { request: { case: 'requestRange', value: { key: op.key, ...only } } };
    }
  }
}

function byLibrary({ compare, success, failure }: Txn): Uint8Array {
  const init: TxnInit = {
    compare: compare.map(({ key: own, modRevision }) => ({
      result: 0,
      target: 2,
      key: own,
      targetUnion: { case: 'modRevision', value: modRevision },
    })),
    success: success.map(initOf),
    failure: failure.map(initOf),
  };
  return toBinary(TxnRequestSchema, create(TxnRequestSchema, init));
}

const OPS: readonly Op[] = [
  { kind: 'put', key: key('/a'), value: key('v') },
  { kind: 'put', key: key('/empty'), value: new Uint8Array() },
  {
    kind: 'put',
    key: key('/leased'),
    value: Buffer.alloc(127, 7),
    lease: 7_587_869_912_034_123_456n,
  },
  { kind: 'put', key: key(`/${'k'.repeat(1023)}`), value: Buffer.alloc(1024 * 1024, 1) },
  { kind: 'delete', key: key('/b') },
  { kind: 'delete', key: key('/c'), rangeEnd: key('/d') },
  { kind: 'range', key: key('/e'), only: 'keys' },
  { kind: 'range', key: Buffer.of(0), only: 'count' },
];

test('what is sent is what the library would send', () => {
  const revisions = [
    -1n,
    0n,
    1n,
    127n,
    128n,
    16_384n,
    2n ** 32n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 63n - 1n,
  ];
  const compare = revisions.map((modRevision, at) => ({ key: key(`/compare/${at}`), modRevision }));
  const cases: readonly Txn[] = [
    { compare: [], success: [], failure: [] },
    ...compare.map((one) => ({ compare: [one], success: [], failure: [] })),
    ...OPS.map((one) => ({ compare: [], success: [one], failure: [one] })),
    { compare, success: OPS, failure: OPS.toReversed() },
  ];
  for (const txn of cases) {
    assert.equal(Buffer.compare(encodeTxn(txn), byLibrary(txn)), 0, `${cases.indexOf(txn)}`);
  }
});

test('an answer says what the library reads in it', () => {
  for (const revision of [0n, 1n, 127n, 128n, 300n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n]) {
    for (const succeeded of [true, false]) {
      const response = create(TxnResponseSchema, {
        header: { clusterId: 2n ** 64n - 1n, memberId: 2n ** 63n, revision, raftTerm: 9n },
        succeeded,
        responses: [{ response: { case: 'responsePut', value: {} } }],
      });
      const answer = decodeTxn(toBinary(TxnResponseSchema, response));
      assert.equal(answer.succeeded, succeeded);
      const told = answer.succeeded ? answer.revision : answer.response.header?.revision;
      assert.equal(told, revision);
    }
  }
  const bare = create(TxnResponseSchema, { succeeded: true });
  assert.deepEqual(decodeTxn(toBinary(TxnResponseSchema, bare)), { succeeded: true, revision: 0n });
  assert.throws(() => decodeTxn(Buffer.of(0x0a, 5, 0xff)));
});
