/**
 * Invariant 1 of the design on one machine: what the registry acknowledged is there after kill -9 at any moment, and
 * no commit is there in part. (Power cuts are another matter: see "Failure model" in `src/registry/README.md`.)
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { openSqliteRegistry, type Registry } from '../src/registry/registry.ts';

const ROUNDS = 20;
const WRITERS = 4;

/** What the child said last, by writer. */
type Acknowledged = Map<number, { readonly count: number; readonly revision: number }>;

/** Lets the child write until it has acknowledged `commits` more, and kills it in full flight. */
async function writeAndKill(path: string, commits: number, acked: Acknowledged): Promise<void> {
  const script = join(import.meta.dirname, 'registry-crash-writer.ts');
  const child = spawn(process.execPath, [script, path, String(WRITERS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [id, count, revision] = line.split(' ').map(Number);
    if (id === undefined || count === undefined || revision === undefined) continue;
    acked.set(id, { count, revision });
    if (++seen === commits) child.kill('SIGKILL');
  }
  const [, signal] = (await exit) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself');
}

async function text(registry: Registry, key: string): Promise<string | undefined> {
  const entry = await registry.get(key);
  return entry === undefined ? undefined : Buffer.from(entry.value).toString();
}

async function checkNothingLost(registry: Registry, acked: Acknowledged): Promise<void> {
  const { revision } = await registry.list('');
  for (const [id, { count, revision: ackedAt }] of acked) {
    const counter = Number(await text(registry, `/counter/${id}`));
    // One more may have been written whose acknowledgement nobody heard.
    assert.ok(counter === count || counter === count + 1, `counter ${counter}, heard ${count}`);
    assert.ok(revision >= ackedAt);
    assert.equal(await text(registry, `/copy/${id}`), String(counter), 'half a commit is there');
    const log = await registry.list(`/log/${id}/`);
    const numbers = log.entries.map((entry) => Number(entry.key.split('/').at(-1)));
    const wanted = Array.from({ length: Math.min(20, counter) }, (_, index) => counter - index);
    assert.deepEqual(
      numbers.toSorted((a, b) => b - a),
      wanted,
    );
    for (const entry of log.entries) {
      const number = Number(entry.key.split('/').at(-1));
      assert.equal(entry.value.byteLength, String(number).length + ((number * 97) % 3000));
    }
  }
}

/** The history that is kept has no gap and leads to the present. */
async function checkHistory(registry: Registry): Promise<void> {
  const { entries, revision } = await registry.list('/counter/');
  const last = new Map<string, string>();
  let expected = await oldestRevision(registry);
  for await (const batch of registry.watch('', expected, AbortSignal.timeout(20_000))) {
    assert.equal(batch.revision, expected++);
    for (const change of batch.changes) {
      if (change.kind === 'put')
        last.set(change.entry.key, Buffer.from(change.entry.value).toString());
    }
    if (batch.revision === revision) break;
  }
  assert.equal(expected, revision + 1);
  for (const entry of entries) {
    const seen = last.get(entry.key);
    if (seen !== undefined) assert.equal(seen, Buffer.from(entry.value).toString());
  }
}

async function oldestRevision(registry: Registry): Promise<number> {
  try {
    for await (const batch of registry.watch('', 1, AbortSignal.timeout(20_000)))
      return batch.revision;
  } catch (error) {
    if (isMolnError(error, 'REGISTRY_COMPACTED')) return Number(error.details?.['oldest']);
    throw error;
  }
  throw new Error('there is no history');
}

test('two processes never have one registry, and a killed one lets go at once', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-crash-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'registry.sqlite');
  const open = (): Promise<Registry> =>
    openSqliteRegistry({ path, clock: systemClock, log: silentLogger });
  const script = join(import.meta.dirname, 'registry-crash-writer.ts');
  const child = spawn(process.execPath, [script, path, '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdout.resume();
  for (let round = 0; round < 3; round++) {
    await assert.rejects(open(), (error) => isMolnError(error, 'SQLITE_BUSY'));
  }
  // The other way round, and after a failed attempt from within: the first one keeps its lock.
  child.kill('SIGKILL');
  await exit;
  const registry = await open();
  await assert.rejects(open(), (error) => isMolnError(error, 'SQLITE_BUSY'));
  const second = spawn(process.execPath, [script, path, '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  context.after(() => second.kill('SIGKILL'));
  const complaint = await readAll(second.stderr);
  assert.match(complaint, /SQLITE_BUSY/);
  await registry[Symbol.asyncDispose]();
});

test(`acknowledged commits survive ${ROUNDS} kills, whole`, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-crash-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'registry.sqlite');
  const acked: Acknowledged = new Map();
  for (let round = 0; round < ROUNDS; round++) {
    // From the very first commits to well past a checkpoint of the WAL; odd numbers, so that groups are cut.
    await writeAndKill(path, 1 + ((round * round * 7) % 900), acked);
    const registry = await openSqliteRegistry({ path, clock: systemClock, log: silentLogger });
    try {
      await checkNothingLost(registry, acked);
      await checkHistory(registry);
    } finally {
      await registry[Symbol.asyncDispose]();
    }
  }
  assert.equal(acked.size, WRITERS);
});
