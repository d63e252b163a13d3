/** The registry moves to etcd, and from one etcd to the next, while everybody goes on using it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { integer, object } from '../src/base/schema.ts';
import { systemClock } from '../src/base/time.ts';
import {
  Collection,
  copyRegistry,
  ETCD_REVISION_BASE,
  isCopyComplete,
  openEtcdRegistry,
  openMirror,
  openSqliteRegistry,
  ReadThrough,
  type Registry,
  type RegistryMirror,
  SwitchableRegistry,
} from '../src/registry/registry.ts';
import { type EtcdUnderTest, startEtcd } from '../testing/etcd-kit.ts';
import { keys, plain, put, putOf, rejects } from '../testing/registry-kit.ts';
import { until } from '../testing/until.ts';

const common = { clock: systemClock, log: silentLogger } as const;
const forEver = new AbortController().signal;
const COUNTER = object({ value: integer({ min: 0, max: 1_000_000 }) });

async function makeFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-switch-'));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function openEmbedded(folder: string): Promise<SwitchableRegistry> {
  const path = join(folder, 'registry.sqlite');
  return new SwitchableRegistry(await openSqliteRegistry({ path, ...common }));
}

function openOn(
  etcd: EtcdUnderTest,
  options: { readonly epoch?: number; readonly patienceMs?: number } = {},
): Promise<Registry> {
  const { endpoints } = etcd;
  return openEtcdRegistry({ endpoints, prefix: '/moln/', client: 'one', ...options, ...common });
}

function mirrorOf(folder: string, source: Registry, sourceId = 'c/1'): RegistryMirror {
  const path = join(folder, 'mirror.sqlite');
  return openMirror({ path, source, sourceId, prefixes: ['/'], probeEveryMs: 100, ...common });
}

async function moveTo(on: SwitchableRegistry, etcd: EtcdUnderTest): Promise<void> {
  await on.switchTo(async (freeze) => {
    const next = await openOn(etcd);
    try {
      await copyRegistry({ from: on.current, to: next, freeze });
      return next;
    } catch (error) {
      await next[Symbol.asyncDispose]();
      throw error;
    }
  });
}

async function contentOf(registry: Pick<Registry, 'list'>): Promise<string[]> {
  const { entries } = await registry.list('');
  return entries
    .filter(({ key }) => key !== '/registry/copy')
    .map((entry) => `${entry.key}=${plain(entry)?.value}`);
}

test('writers and watchers do not notice the move to etcd', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  await using on = await openEmbedded(folder);
  const counters = new Collection({ registry: on, prefix: '/counters/', schema: COUNTER });
  const names = ['a', 'b', 'c'];
  for (const name of names) await counters.create(name, { value: 0 });

  const stop = new AbortController();
  const seen = new Map<string, number>();
  let lastRevision = 0;
  const watching = (async () => {
    for await (const view of counters.watch(stop.signal)) {
      assert.ok(view.revision > lastRevision, 'revisions only grow');
      lastRevision = view.revision;
      for (const [name, { value }] of view.records) {
        assert.ok(value >= (seen.get(name) ?? 0), 'a counter never goes back');
        seen.set(name, value);
      }
    }
  })();
  const done = new Map<string, number>();
  let isOver = false;
  const add = async (name: string): Promise<void> => {
    while (!isOver) {
      const stored = await counters.get(name);
      assert.ok(stored !== undefined);
      try {
        // A plain compare-and-swap, so that one that is carried out twice or lost shows.
        const value = stored.value.value + 1;
        await counters.put(name, { value }, { ifRevision: stored.revision });
        done.set(name, (done.get(name) ?? 0) + 1);
      } catch (error) {
        if (!isMolnError(error, 'REGISTRY_CONFLICT')) throw error;
      }
    }
  };
  const writing = Promise.all([...names, ...names].map(add));
  const sum = (): number => [...done.values()].reduce((all, one) => all + one, 0);
  await until('there is traffic', () => sum() > 200);
  const before = sum();
  await moveTo(on, etcd);
  assert.equal(on.engine, 'etcd');
  await until('there is traffic again', () => sum() > before + 200);
  isOver = true;
  await writing;
  for (const name of names) assert.equal((await counters.get(name))?.value.value, done.get(name));
  await until('the watcher has seen the last', () =>
    names.every((name) => seen.get(name) === done.get(name)),
  );
  stop.abort();
  await watching;
  assert.ok(lastRevision > ETCD_REVISION_BASE);
});

test('what was read before the move is no condition after it', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  await using on = await openEmbedded(folder);
  const old: number[] = [];
  for (let at = 0; at < 50; at++) old.push(await put(on, `/a/${at}`, 'x'));
  const lease = await on.lease(60_000);
  await on.commit([], [{ ...putOf('/presence/one', 'x'), leaseId: lease.id }]);
  await moveTo(on, etcd);
  for (const [at, revision] of old.entries()) {
    const result = await on.commit([{ key: `/a/${at}`, revision }], [putOf(`/a/${at}`, 'y')]);
    assert.equal(result.kind, 'conflict');
  }
  assert.ok((await contentOf(on)).every((one) => one.endsWith('=x')));
  assert.equal(await on.get('/presence/one'), undefined);
  await rejects(lease.renew(), 'REGISTRY_LEASE_LOST');
  const late = on.commit([], [{ ...putOf('/presence/one', 'x'), leaseId: lease.id }]);
  await rejects(late, 'REGISTRY_LEASE_LOST');
  for (const from of [1, old.at(-1) ?? 0, ETCD_REVISION_BASE]) {
    await rejects(
      on.watch('/', from, forEver)[Symbol.asyncIterator]().next(),
      'REGISTRY_COMPACTED',
    );
  }
});

test('10,000 keys move, and commits wait only for the end of it', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  await using on = await openEmbedded(folder);
  for (let from = 0; from < 10_000; from += 100) {
    const value = 'v'.repeat(500);
    const at = (index: number): string => `/apps/${String(from + index).padStart(5, '0')}`;
    await on.commit(
      [],
      Array.from({ length: 100 }, (_, index) => putOf(at(index), value)),
    );
  }
  const wanted = await contentOf(on);
  assert.equal(wanted.length, 10_000);
  const startMs = performance.now();
  let frozenMs = 0;
  await on.switchTo(async (freeze) => {
    const next = await openOn(etcd);
    await copyRegistry({
      from: on.current,
      to: next,
      freeze: async () => {
        await freeze();
        frozenMs = performance.now();
      },
    });
    return next;
  });
  const endMs = performance.now();
  const took = `${Math.round(endMs - startMs)} ms, ${Math.round(endMs - frozenMs)} ms of it frozen`;
  context.diagnostic(`10,000 keys of 500 bytes: ${took}`);
  assert.deepEqual(await contentOf(on), wanted);
});

test('an etcd that dies in the middle of the copy leaves all as it was, and the next attempt goes through', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  const [member] = etcd.members;
  assert.ok(member !== undefined);
  await using on = await openEmbedded(folder);
  for (let at = 0; at < 300; at++) await put(on, `/apps/${at}`, String(at));
  let waiting: Promise<number> | undefined;
  const failed = on.switchTo(async (freeze) => {
    await using next = await openOn(etcd, { patienceMs: 300 });
    await copyRegistry({
      from: on.current,
      to: next,
      freeze: async () => {
        await freeze();
        waiting = put(on, '/late', '1');
        await put(next, '/apps/7', 'half a copy');
        await etcd.kill(member);
      },
    });
    return next;
  });
  await rejects(failed, 'REGISTRY_UNAVAILABLE');
  await waiting;
  assert.equal(on.engine, 'sqlite');
  await on.commit([], [{ kind: 'delete', key: '/apps/8' }]);
  const wanted = await contentOf(on);
  await member.start();
  await moveTo(on, etcd);
  assert.equal(on.engine, 'etcd');
  assert.ok(await isCopyComplete(on));
  assert.deepEqual(await contentOf(on), wanted);
  assert.equal(wanted.includes('/late=1'), true);
});

test('a node that is killed in the middle of the copy, again and again, loses nothing', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  await using on = await openOn(etcd);
  const change = async (round: number): Promise<readonly string[]> => {
    await using embedded = await openEmbedded(folder);
    const key = (at: number): string => `/apps/${String(at).padStart(4, '0')}`;
    for (let from = 0; from < 4000 && round === 0; from += 100) {
      await embedded.commit(
        [],
        Array.from({ length: 100 }, (_, at) => putOf(key(from + at), 'x')),
      );
    }
    // It goes on with what it had, and not with what was copied.
    await put(embedded, key(round), `changed in round ${round}`);
    await put(embedded, `/late/${round}`, 'x');
    await embedded.commit([], [{ kind: 'delete', key: key(100 + round) }]);
    return contentOf(embedded);
  };
  let wanted = await change(0);
  const script = join(import.meta.dirname, 'registry-switch-mover.ts');
  const stages = ['/registry/copy', '/apps/0099', '/apps/2000', '/apps/3999', 'complete'];
  for (const [round, stage] of stages.entries()) {
    const args = [script, join(folder, 'registry.sqlite'), etcd.endpoints[0] ?? ''];
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    const exit = once(child, 'exit');
    const isDone = async (): Promise<boolean> =>
      stage === 'complete' ? isCopyComplete(on) : (await on.get(stage)) !== undefined;
    await until(`the copy has come to ${stage}`, isDone);
    child.kill('SIGKILL');
    assert.equal((await exit)[1], 'SIGKILL');
    wanted = await change(round + 1);
  }
  await using moved = await openEmbedded(folder);
  await moveTo(moved, etcd);
  assert.deepEqual(await contentOf(moved), wanted);
});

test('a commit is answered when the second machine has it', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  await using on = new SwitchableRegistry(await openOn(etcd));
  await using second = await openOn(etcd);
  await using mirror = mirrorOf(folder, second);
  on.setCommitGate(({ revision }) => mirror.appliedAt(revision, AbortSignal.timeout(20_000)));
  const lease = await on.lease(60_000);
  for (let at = 0; at < 30; at++) {
    await put(on, '/a', String(at));
    assert.equal(plain(await mirror.get('/a'))?.value, String(at));
    await on.commit([], [{ ...putOf('/presence/one', String(at)), leaseId: lease.id }]);
    // Two that change nothing, at a revision that nobody is ever told of: the lease's, and none at all.
    if (at % 10 === 0) await on.commit([], [{ kind: 'delete', key: '/none' }]);
    if (at % 10 === 5) await put(second, '/b', String(at));
  }
  await on.commit([], [{ kind: 'delete', key: '/presence/one' }]);
  // Others in the same etcd make revisions too.
  await using foreign = await openEtcdRegistry({
    endpoints: etcd.endpoints,
    prefix: '/another/',
    ...common,
  });
  await put(foreign, '/x', '1');
  await on.commit([], [{ kind: 'delete', key: '/none' }]);
  assert.deepEqual(await contentOf(mirror), await contentOf(second));
});

test('the standby makes a new etcd of its mirror, and nothing of the old one counts there', async (context) => {
  const folder = await makeFolder(context);
  await using first = await startEtcd(1);
  await using on = new SwitchableRegistry(await openOn(first, { patienceMs: 500 }));
  const revisions: number[] = [];
  for (let at = 0; at < 300; at++) revisions.push(await put(on, `/apps/${at % 100}`, String(at)));
  const last = revisions.at(-1) ?? 0;
  await using mirror = mirrorOf(folder, on);
  await mirror.appliedAt(last, forEver);
  const wanted = await contentOf(mirror);
  assert.equal(wanted.length, 100);
  const apps = new Collection({ registry: on, prefix: '/counters/', schema: COUNTER });
  const stop = new AbortController();
  const views = apps.watch(stop.signal);
  await views.next();
  const next = on.watch('/', last + 1, forEver).next();
  const ended = rejects(next, 'REGISTRY_COMPACTED');
  const [member] = first.members;
  assert.ok(member !== undefined);
  await first.kill(member);

  await using second = await startEtcd(1);
  await on.switchTo(async (freeze) => {
    const next = await openOn(second, { epoch: 2 });
    await copyRegistry({ from: mirror, to: next, freeze });
    return next;
  });
  await ended;
  assert.deepEqual(await contentOf(on), wanted);
  assert.ok((await on.list('')).revision > last);
  for (const revision of new Set(revisions)) {
    for (const at of [0, 50, 99]) {
      const result = await on.commit([{ key: `/apps/${at}`, revision }], [putOf('/lost', '1')]);
      assert.equal(result.kind, 'conflict');
    }
  }
  await apps.create('a', { value: 1 });
  for await (const { records } of views) if (records.size === 1) break;
  stop.abort();
});

test('what was answered under the gate is there after the first machine is lost', async (context) => {
  const folder = await makeFolder(context);
  await using first = await startEtcd(1);
  const [member] = first.members;
  assert.ok(member !== undefined);
  await using second = await startEtcd(1);
  await using on = new SwitchableRegistry(await openOn(first, { patienceMs: 500 }));
  await using standby = await openOn(first, { patienceMs: 500 });
  await using mirror = mirrorOf(folder, standby);
  on.setCommitGate(({ revision }) => mirror.appliedAt(revision, AbortSignal.timeout(3000)));
  const answered = new Map<string, number>();
  const write = async (key: string): Promise<void> => {
    for (let value = 1; ; value++) {
      try {
        await put(on, key, String(value));
      } catch {
        return;
      }
      answered.set(key, value);
    }
  };
  const keysWritten = ['/a', '/b', '/c', '/d'];
  const writing = Promise.all(keysWritten.map(write));
  const isBusy = (): boolean => keysWritten.every((key) => (answered.get(key) ?? 0) > 40);
  await until('there is traffic', isBusy);
  await first.kill(member);
  await writing;
  on.setCommitGate(undefined);
  await on.switchTo(async (freeze) => {
    const next = await openOn(second, { epoch: 2 });
    await copyRegistry({ from: mirror, to: next, freeze });
    return next;
  });
  assert.equal(answered.size, 4);
  for (const [key, value] of answered) {
    const found = Number(plain(await on.get(key))?.value);
    // The last one may be there without its answer.
    assert.ok(found === value || found === value + 1, `${key} is ${found}, answered was ${value}`);
  }
});

test('routes and access are read while no manager answers, and followed when one does again', async (context) => {
  const folder = await makeFolder(context);
  await using etcd = await startEtcd(1);
  const [member] = etcd.members;
  assert.ok(member !== undefined);
  await using on = new SwitchableRegistry(await openOn(etcd, { patienceMs: 500 }));
  await using mirror = mirrorOf(folder, on);
  const reader = new ReadThrough({ registry: on, mirror: () => mirror });
  const whole: Registry = Object.assign(Object.create(on) as Registry, {
    get: (key: string) => reader.get(key),
    list: (prefix: string) => reader.list(prefix),
    watch: (prefix: string, from: number, signal: AbortSignal) =>
      reader.watch(prefix, from, signal),
    commit: on.commit.bind(on),
  });
  const counters = new Collection({ registry: whole, prefix: '/counters/', schema: COUNTER });
  const { revision } = await counters.create('a', { value: 1 });
  await mirror.appliedAt(revision, forEver);
  const stop = new AbortController();
  let value = 0;
  let views = 0;
  const watching = (async () => {
    for await (const { records } of counters.watch(stop.signal)) {
      value = records.get('a')?.value ?? 0;
      views++;
    }
  })();
  await until('it is seen', () => value === 1);
  await etcd.kill(member);
  assert.equal((await counters.get('a'))?.value.value, 1);
  await until('the mirror is read', () => !mirror.status().isLive && views > 1);
  assert.deepEqual(await keys(whole, '/counters/'), ['/counters/a']);
  await rejects(counters.put('a', { value: 2 }), 'REGISTRY_UNAVAILABLE');
  await member.start();
  await until('commits go through', () => counters.put('a', { value: 3 }));
  await until('the watch goes on', () => value === 3);
  stop.abort();
  await watching;
});
