import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { plain, put, putOf, rejects } from '../../testing/registry-kit.ts';
import { until } from '../../testing/until.ts';
import { MolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Registry, RegistryReader, Revision } from './contract.ts';
import { openMirror, type RegistryMirror } from './mirror.ts';
import { ReadThrough } from './read-through.ts';
import { openSqliteRegistry } from './sqlite-registry.ts';

const PROBE_EVERY_MS = 20;
const PROBE_WITHIN_MS = 200;
const forEver = new AbortController().signal;

/** A registry whose managers can be away: then it says so, or says nothing at all. */
class Managers implements RegistryReader {
  readonly #registry: Registry;
  state: 'there' | 'away' | 'silent' = 'there';

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  async get(key: string): ReturnType<Registry['get']> {
    await this.#pass();
    return this.#registry.get(key);
  }

  async list(prefix: string): ReturnType<Registry['list']> {
    await this.#pass();
    return this.#registry.list(prefix);
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): ReturnType<Registry['watch']> {
    return this.#registry.watch(prefix, from, signal);
  }

  async #pass(): Promise<void> {
    if (this.state === 'away') throw new MolnError('REGISTRY_UNAVAILABLE', 'No manager answers');
    if (this.state === 'silent') await new Promise(() => undefined);
  }
}

interface Bed {
  readonly registry: Registry;
  readonly managers: Managers;
  readonly open: () => RegistryMirror;
}

async function makeBed(context: TestContext): Promise<Bed> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-through-'));
  const common = { clock: systemClock, log: silentLogger };
  const registry = await openSqliteRegistry({ path: join(folder, 'r.sqlite'), ...common });
  const managers = new Managers(registry);
  const opened: RegistryMirror[] = [];
  context.after(async () => {
    for (const mirror of opened) await mirror[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const open = (): RegistryMirror => {
    const mirror = openMirror({
      path: join(folder, 'mirror.sqlite'),
      source: managers,
      sourceId: 'one',
      prefixes: ['/'],
      probeEveryMs: PROBE_EVERY_MS,
      probeWithinMs: PROBE_WITHIN_MS,
      ...common,
    });
    opened.push(mirror);
    return mirror;
  };
  return { registry, managers, open };
}

async function valueOf(from: RegistryReader, key: string): Promise<string | undefined> {
  return plain(await from.get(key))?.value;
}

/** Takes what comes until the watch ends, and says how it ended. */
async function endOf(reader: RegistryReader, from: Revision, signal: AbortSignal): Promise<string> {
  try {
    for await (const _batch of reader.watch('/', from, signal));
    return 'ended';
  } catch (error) {
    return error instanceof MolnError ? error.code : String(error);
  }
}

test('reads go to the managers, to the mirror while they are away, and back', async (context) => {
  const { registry, managers, open } = await makeBed(context);
  const mirror = open();
  const reader = new ReadThrough({ registry: managers, mirror: () => mirror });
  const lease = await registry.lease(60_000);
  await registry.commit([], [{ ...putOf('/presence/one', 'x'), leaseId: lease.id }]);
  await mirror.appliedAt(await put(registry, '/a', '1'), forEver);
  assert.equal(await valueOf(reader, '/presence/one'), 'x');
  managers.state = 'away';
  assert.equal(await valueOf(reader, '/a'), '1');
  assert.deepEqual(
    (await reader.list('/')).entries.map(({ key }) => key),
    ['/a'],
  );
  await until('the mirror has noticed', () => !mirror.status().isLive);
  assert.equal(await valueOf(reader, '/a'), '1');
  managers.state = 'there';
  await until('it is read where all is', async () => (await reader.list('')).entries.length === 2);
});

test('a read that managers leave without an answer is answered when the mirror notices', async (context) => {
  const { registry, managers, open } = await makeBed(context);
  const mirror = open();
  const reader = new ReadThrough({ registry: managers, mirror: () => mirror });
  await mirror.appliedAt(await put(registry, '/a', '1'), forEver);
  await until('they are known to be there', () => mirror.status().isLive);
  managers.state = 'silent';
  assert.equal(await valueOf(reader, '/a'), '1');
  assert.equal(mirror.status().isLive, false);
});

test('a watch says "list again" whenever it has to be read elsewhere', async (context) => {
  const { registry, managers, open } = await makeBed(context);
  const mirror = open();
  const reader = new ReadThrough({ registry: managers, mirror: () => mirror });
  const first = await put(registry, '/a', '1');
  await mirror.appliedAt(first, forEver);
  await mirror.probed();
  const ofManagers = endOf(reader, first + 1, forEver);
  managers.state = 'away';
  assert.equal(await ofManagers, 'REGISTRY_COMPACTED');
  const { revision } = await reader.list('/');
  const ofMirror = endOf(reader, revision + 1, forEver);
  managers.state = 'there';
  assert.equal(await ofMirror, 'REGISTRY_COMPACTED');
  const stop = new AbortController();
  const last = endOf(reader, revision + 1, stop.signal);
  stop.abort();
  assert.equal(await last, 'ended');
});

test('a mirror that is there later, and one that is replaced, are taken notice of', async (context) => {
  const { registry, managers, open } = await makeBed(context);
  let mirror: RegistryMirror | undefined;
  const reader = new ReadThrough({ registry: managers, mirror: () => mirror });
  const first = await put(registry, '/a', '1');
  const without = endOf(reader, first + 1, forEver);
  await new Promise(setImmediate);
  mirror = open();
  reader.mirrorChanged();
  assert.equal(await without, 'REGISTRY_COMPACTED');
  await mirror.appliedAt(first, forEver);

  managers.state = 'away';
  await until('the mirror is read', () => mirror?.status().isLive === false);
  const withFormer = endOf(reader, first + 1, forEver);
  await new Promise(setImmediate);
  await mirror[Symbol.asyncDispose]();
  assert.equal(await withFormer, 'REGISTRY_COMPACTED');
  // For a moment there is none to be read.
  await rejects(reader.get('/a'), 'REGISTRY_UNAVAILABLE');
  mirror = open();
  reader.mirrorChanged();
  assert.equal(await valueOf(reader, '/a'), '1');
});

test('right after a start nothing old is read while the managers are there', async (context) => {
  const { registry, managers, open } = await makeBed(context);
  const before = open();
  await before.appliedAt(await put(registry, '/a', 'old'), forEver);
  await before[Symbol.asyncDispose]();
  await put(registry, '/a', 'new');
  const mirror = open();
  const reader = new ReadThrough({ registry: managers, mirror: () => mirror });
  assert.equal(await valueOf(reader, '/a'), 'new');
});

test('right after a start without managers the mirror is read', async (context) => {
  const { registry, managers, open } = await makeBed(context);
  const before = open();
  await before.appliedAt(await put(registry, '/a', '1'), forEver);
  await before[Symbol.asyncDispose]();
  managers.state = 'away';
  const mirror = open();
  const reader = new ReadThrough({ registry: managers, mirror: () => mirror });
  assert.equal(await valueOf(reader, '/a'), '1');
  assert.equal(mirror.status().isLive, false);
});
