/**
 * Moves the state of one engine into another: from the embedded registry to etcd when a second machine joins. The copy
 * counts for nothing until its mark says "complete", which is written last, and the caller has noted for good that it is
 * used; until then it can be repeated after any crash, and has to be, for its source may have gone on. Keys that hang on a lease are left out: their owners put them again, under a lease of the new engine.
 */
import { MolnError } from '../base/errors.ts';
import { literal, object } from '../base/schema.ts';
import { Collection } from './collection.ts';
import type { Entry, Operation, Registry, RegistryReader, Revision } from './contract.ts';
import { COMMIT_BYTES_MAX, OPERATIONS_MAX } from './limits.ts';

export interface CopyOptions {
  readonly from: Pick<RegistryReader, 'list'>;
  /** Empty, or an earlier attempt at the same copy. */
  readonly to: Registry;
  /** Called when nearly all is there. When it resolves, nobody may commit to `from` any more. */
  readonly freeze: () => Promise<void>;
}

export interface CopyResult {
  readonly keys: number;
  /** The revision of `from` that the copy is equal to. */
  readonly revision: Revision;
}

const MARK_PREFIX = '/registry/';
const MARK_ID = 'copy';
const MARK = object({ state: literal('copying', 'complete') });
/** Room in a commit for what is not key or value. */
const BATCH_BYTES_MAX: number = COMMIT_BYTES_MAX - 64 * 1024;

/** Throws `REGISTRY_NOT_EMPTY` when `to` holds something that is no copy, or a copy that somebody uses already. */
export async function copyRegistry(options: CopyOptions): Promise<CopyResult> {
  const { from, to, freeze } = options;
  const marks = marksOf(to);
  const mark = await marks.get(MARK_ID);
  const { entries } = await to.list('');
  if (mark === undefined) {
    if (entries.length > 0) throw notEmpty(entries);
    await marks.create(MARK_ID, { state: 'copying' });
  } else if (mark.value.state === 'complete') {
    const written = entries.filter(({ revision }) => revision > mark.revision);
    if (written.length > 0) throw notEmpty(written);
    await marks.put(MARK_ID, { state: 'copying' }, { ifRevision: mark.revision });
  }
  await makeEqual(from, to);
  await freeze();
  const { keys, revision } = await makeEqual(from, to);
  const copying = await marks.get(MARK_ID);
  const ifRevision = copying?.revision ?? 0;
  await marks.put(MARK_ID, { state: 'complete' }, { ifRevision });
  return { keys, revision };
}

/** True when a copy into this registry was completed, so that it may be used. */
export async function isCopyComplete(to: Registry): Promise<boolean> {
  return (await marksOf(to).get(MARK_ID))?.value.state === 'complete';
}

function marksOf(registry: Registry): Collection<{ readonly state: 'copying' | 'complete' }> {
  return new Collection({ registry, prefix: MARK_PREFIX, schema: MARK });
}

/** Writes what differs, in commits of their own: only the mark makes it one. */
async function makeEqual(
  from: CopyOptions['from'],
  to: Registry,
): Promise<{ readonly keys: number; readonly revision: Revision }> {
  const source = await from.list('');
  const wanted = new Map<string, Entry>();
  for (const entry of source.entries) {
    if (entry.leaseId === undefined && !isMark(entry.key)) wanted.set(entry.key, entry);
  }
  const operations: Operation[] = [];
  const actual = new Map<string, Uint8Array>();
  for (const { key, value } of (await to.list('')).entries) {
    if (isMark(key)) continue;
    actual.set(key, value);
    if (!wanted.has(key)) operations.push({ kind: 'delete', key });
  }
  for (const { key, value } of wanted.values()) {
    const there = actual.get(key);
    if (there === undefined || !Buffer.from(there).equals(value)) {
      operations.push({ kind: 'put', key, value });
    }
  }
  for (const batch of batchesOf(operations)) await to.commit([], batch);
  return { keys: wanted.size, revision: source.revision };
}

function isMark(key: string): boolean {
  return key === MARK_PREFIX + MARK_ID;
}

/** In order, each within the limits of a commit. */
function batchesOf(operations: readonly Operation[]): Operation[][] {
  const batches: Operation[][] = [];
  let bytes = Infinity;
  for (const operation of operations) {
    const size = bytesOf(operation);
    let batch = batches.at(-1);
    // One less than the most, so that the etcd engine has room for its mark.
    const isFull = (batch?.length ?? 0) >= OPERATIONS_MAX - 1 || bytes + size > BATCH_BYTES_MAX;
    if (batch === undefined || isFull) {
      batch = [];
      batches.push(batch);
      bytes = 0;
    }
    batch.push(operation);
    bytes += size;
  }
  return batches;
}

function bytesOf(operation: Operation): number {
  if (operation.kind !== 'put') return 0;
  return Buffer.byteLength(operation.key) + operation.value.byteLength;
}

function notEmpty(entries: readonly Entry[]): MolnError {
  return new MolnError(
    'REGISTRY_NOT_EMPTY',
    `The registry to copy to has ${entries.length} keys already, such as "${entries[0]?.key}"`,
    { hint: 'Name another etcd, or another prefix in it' },
  );
}
