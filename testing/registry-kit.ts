/** Words in which the registry's conformance suite is written. */
import assert from 'node:assert/strict';
import { isMolnError } from '../src/base/errors.ts';
import type {
  Operation,
  Registry,
  RegistryReader,
  Revision,
  WatchBatch,
} from '../src/registry/registry.ts';
import { until } from './until.ts';

/** One fresh registry and the means to be rough with it. */
export interface RegistryUnderTest {
  readonly registry: Registry;
  /** Closes it and opens the same state again, as a restarted node would. */
  reopen(): Promise<Registry>;
  /** Makes the engine forget its history up to now. */
  compact(): Promise<void>;
  /** Lets `ms` pass for the engine's leases: by its clock if it has its own, else by waiting. */
  pass(ms: number): Promise<void>;
  dispose(): Promise<void>;
}

export type Body = (on: RegistryUnderTest, registry: Registry) => Promise<void>;
/** Registers one test on a fresh registry. */
export type Check = (title: string, body: Body) => void;

/** A watch that brings nothing for so long has lost something. */
const UNTIL_MS = 20_000;

export function bytes(text: string): Buffer {
  return Buffer.from(text);
}

export function putOf(key: string, value: string): Extract<Operation, { kind: 'put' }> {
  return { kind: 'put', key, value: bytes(value) };
}

export async function commit(
  registry: Registry,
  operations: readonly Operation[],
): Promise<Revision> {
  const result = await registry.commit([], operations);
  assert.equal(result.kind, 'committed');
  return result.revision;
}

export function put(registry: Registry, key: string, value: string): Promise<Revision> {
  return commit(registry, [putOf(key, value)]);
}

export async function keys(registry: Registry, prefix: string): Promise<string[]> {
  return (await registry.list(prefix)).entries.map((entry) => entry.key);
}

export interface PlainEntry {
  readonly key: string;
  readonly value: string;
  readonly revision: Revision;
  readonly created: Revision;
  readonly leaseId: string | undefined;
}

export function plain(entry: Awaited<ReturnType<Registry['get']>>): PlainEntry | undefined {
  return entry === undefined
    ? undefined
    : { ...entry, value: Buffer.from(entry.value).toString('utf8') };
}

export function plainBatch(batch: WatchBatch): { revision: Revision; changes: string[] } {
  const changes = batch.changes.map((change) =>
    change.kind === 'put'
      ? `put ${change.entry.key}=${plain(change.entry)?.value}`
      : `delete ${change.key}`,
  );
  return { revision: batch.revision, changes };
}

/** The next `count` batches. */
export async function take(
  registry: Registry,
  prefix: string,
  from: Revision,
  count: number,
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  for await (const batch of registry.watch(prefix, from, AbortSignal.timeout(UNTIL_MS))) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  assert.equal(batches.length, count, 'the watch brought too few commits');
  return batches;
}

export async function follow(
  registry: RegistryReader,
  prefix: string,
  from: Revision,
  signal: AbortSignal,
  see: (batch: WatchBatch) => void,
): Promise<void> {
  for await (const batch of registry.watch(prefix, from, signal)) see(batch);
}

export async function untilKeys(
  registry: Registry,
  prefix: string,
  wanted: string[],
): Promise<void> {
  await until(`the keys under "${prefix}" are ${wanted.join(' ')}`, async () => {
    return (await keys(registry, prefix)).join() === wanted.join();
  });
}

export async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => isMolnError(error, code));
}
