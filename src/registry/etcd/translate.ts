/**
 * Between the registry's words and etcd's: keys below a root, ranges, transactions, entries. Pure. Revisions are etcd's
 * own plus a base, so they grow with every writer of that etcd, and may skip numbers for readers of one root.
 */
import type { Change, Condition, Entry, Operation, Revision } from '../contract.ts';
import type { Event, KeyValue, TxnResponse } from './etcd-pb.ts';
import { Revisions } from './revisions.ts';
import type { Compare, Op, Txn } from './txn-wire.ts';

/** etcd's number: see `etcd.proto`. */
const DELETE_EVENT = 1;

/** Where the registry of one cluster lives in an etcd that others may use too. */
export class Root {
  /** Begins every data key. */
  readonly #data: string;
  readonly #marks: string;
  readonly revisions: Revisions;

  /** `epoch` counts the etcds that the cluster has had, from 1. */
  constructor(prefix: string, epoch?: number) {
    this.#data = `${prefix}d`;
    this.#marks = `${prefix}m/`;
    this.revisions = new Revisions(epoch);
  }

  keyOf(key: string): Uint8Array {
    return Buffer.from(this.#data + key);
  }

  /** A key beside the data, which no list or watch of the registry sees. */
  markKey(name: string): Uint8Array {
    return Buffer.from(this.#marks + name);
  }

  /** Smallest key and first key beyond the prefix. UTF-8 has no byte 0xff, so the last one can always grow. */
  rangeOf(prefix: string): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
    const key = Buffer.from(this.#data + prefix);
    const rangeEnd = Buffer.from(key);
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
    return { key, rangeEnd };
  }

  nameOf(key: Uint8Array): string {
    return Buffer.from(key).toString('utf8').slice(this.#data.length);
  }

  entryOf(kv: KeyValue): Entry {
    return {
      key: this.nameOf(kv.key),
      value: kv.value,
      revision: this.revisions.ours(kv.modRevision),
      created: this.revisions.ours(kv.createRevision),
      leaseId: kv.lease === 0n ? undefined : String(kv.lease),
    };
  }

  changeOf({ type, kv }: Event): Change {
    if (kv === undefined) throw new Error('etcd sent an event without a key');
    return type === DELETE_EVENT
      ? { kind: 'delete', key: this.nameOf(kv.key) }
      : { kind: 'put', entry: this.entryOf(kv) };
  }

  /** When a condition fails, nothing is changed and the answer holds every condition's key. */
  txnOf(conditions: readonly Condition[], operations: readonly Operation[]): Txn {
    return {
      compare: conditions.map(({ key, revision }) => this.isAt(this.keyOf(key), revision)),
      success: operations.length === 0 ? [READ_NOTHING] : operations.map((one) => this.#opOf(one)),
      failure: conditions.map(({ key }) => rangeOp(this.keyOf(key))),
    };
  }

  /** `revision` 0: the key is absent. */
  isAt(key: Uint8Array, revision: Revision): Compare {
    return { key, modRevision: this.revisions.theirs(revision) };
  }

  /** The keys whose revision differed, of an answer whose `failure` side was carried out. */
  failedOf(conditions: readonly Condition[], { responses }: TxnResponse): string[] {
    const failed = conditions.filter(({ revision }, at) => {
      const response = responses[at]?.response;
      if (response?.case !== 'responseRange') throw new Error('etcd left out a range');
      return this.revisions.ours(response.value.kvs[0]?.modRevision) !== revision;
    });
    return [...new Set(failed.map(({ key }) => key))];
  }

  #opOf(operation: Operation): Op {
    switch (operation.kind) {
      case 'put': {
        const { key, value, leaseId } = operation;
        const lease = leaseId === undefined ? {} : { lease: BigInt(leaseId) };
        return { kind: 'put', key: this.keyOf(key), value, ...lease };
      }
      case 'delete':
        return { kind: 'delete', key: this.keyOf(operation.key) };
      case 'deletePrefix':
        return { kind: 'delete', ...this.rangeOf(operation.prefix) };
    }
  }
}

export function putOp(key: Uint8Array, value: Uint8Array): Op {
  return { kind: 'put', key, value };
}

/** Reads revisions only. */
export function rangeOp(key: Uint8Array): Op {
  return { kind: 'range', key, only: 'keys' };
}

/** An empty transaction may be answered by a member that is behind; one that reads may not. */
const READ_NOTHING: Op = { kind: 'range', key: Buffer.of(0), only: 'count' };
