import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { AppRoutes } from '../apps/apps.ts';
import { MolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import { RECORD_PREFIXES, RecordedRoutes } from '../routes/routes.ts';
import {
  type ListResult,
  openSqliteRegistry,
  type Registry,
  type RegistryReader,
  type WatchBatch,
} from '../registry/registry.ts';
import { RouteMirror, type RouteMirrorOptions, type RouteSet } from './route-mirror.ts';

/** A registry whose watch says what the test pushes. */
class Source implements RegistryReader {
  revision = 1;
  listFailures = 0;
  lists = 0;
  readonly #queue: (WatchBatch | Error)[] = [];
  #wake: () => void = () => {};

  push(next: WatchBatch | Error): void {
    this.#queue.push(next);
    this.#wake();
  }

  put(name: string): number {
    this.revision++;
    this.push({
      revision: this.revision,
      changes: [{ kind: 'put', entry: entryOf(name, this.revision) }],
    });
    return this.revision;
  }

  async get(): Promise<undefined> {
    return undefined;
  }

  async list(): Promise<ListResult> {
    this.lists++;
    if (this.listFailures-- > 0) throw new MolnError('REGISTRY_UNAVAILABLE', 'No manager answers');
    return { entries: [entryOf('first', 1)], revision: this.revision };
  }

  async *watch(_prefix: string, _from: number, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const next = this.#queue.shift();
      if (next instanceof Error) throw next;
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
      }
    }
  }
}

function written(host: string): unknown {
  const route = { host, respond: { status: 200 } };
  return record({ createdAt: 0, changedAt: 0, by: 'local', written: route });
}

function entryOf(name: string, revision: number): ListResult['entries'][number] {
  const value = Buffer.from(JSON.stringify(written(`${name}.test`)));
  return {
    key: `${RECORD_PREFIXES.route}${name}`,
    value,
    revision,
    created: revision,
    leaseId: undefined,
  };
}

const GROUND = { address: '::', httpsPort: 8443, workers: 1, websites: '/websites' };

const NOBODY: Pick<Peers, 'self' | 'all' | 'onChange'> = {
  self: 'here',
  all: () => [],
  onChange: () => ({ [Symbol.dispose]: () => {} }),
};

function partsOf(source: Source): Omit<RouteMirrorOptions, 'apply' | 'log' | 'clock'> {
  const registry = source as unknown as Registry;
  const options = { self: 'here', registry, dataFolder: '/nowhere', log: silentLogger };
  const recorded = new RecordedRoutes(options);
  return {
    registry: source,
    apps: new AppRoutes(options),
    recorded,
    ground: GROUND,
    peers: NOBODY,
  };
}

test('a change that comes in the very moment an apply ends is applied too', async () => {
  // At how many turns of the microtask queue after the apply the next change comes: all must do.
  for (let turns = 0; turns < 12; turns++) {
    const source = new Source();
    let inside = 0;
    let last = 0;
    let afterApply: (() => Promise<void>) | undefined;
    await using mirror = new RouteMirror({
      ...partsOf(source),
      apply: async ({ routes }) => {
        inside++;
        last = routes.length;
        const call = afterApply;
        afterApply = undefined;
        void call?.();
      },
      log: silentLogger,
      clock: systemClock,
    });
    await mirror.start();
    let second = 0;
    afterApply = async () => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      second = source.put('second');
    };
    source.put('one');
    await until(`the second change is applied, ${turns} turns on`, () => second > 0 && last === 3);
    await mirror.appliedAt(second);
    assert.ok(inside >= 2);
  }
});

test('what changes beside the routes while they are applied makes one more apply', async () => {
  const source = new Source();
  const gate = Promise.withResolvers<void>();
  let applies = 0;
  await using mirror = new RouteMirror({
    ...partsOf(source),
    apply: async () => {
      applies++;
      if (applies === 2) await gate.promise;
    },
    log: silentLogger,
    clock: systemClock,
  });
  await mirror.start();
  source.put('one');
  await until('the second apply is under way', () => applies === 2);
  mirror.applyAgain();
  gate.resolve();
  await until('a third apply', () => applies === 3);
});

test('a list that fails after a compaction is tried again', async () => {
  const source = new Source();
  const clock = new ManualClock();
  let applies = 0;
  await using mirror = new RouteMirror({
    ...partsOf(source),
    apply: async () => void applies++,
    log: silentLogger,
    clock,
  });
  await mirror.start();
  source.listFailures = 1;
  source.push(new MolnError('REGISTRY_COMPACTED', 'Too far behind'));
  await until('the list has failed', () => source.lists === 2);
  await until('it was listed again', () => {
    clock.advance(1000);
    return source.lists === 3;
  });
  await until('it was applied again', () => applies === 2);
});

test('a commit that is none of the gateways business counts as applied without an apply', async (t) => {
  const { registry, mirror, applies } = await onSqlite(t);
  await mirror.start();
  assert.equal(applies.length, 1);
  await mirror.appliedAt(await commit(registry, '/sessions/x', {}));
  assert.equal(applies.length, 1);
  const at = await commit(registry, '/gateway/routes/x', written('x.test'));
  await mirror.appliedAt(at);
  assert.equal(applies.length, 2);
  assert.deepEqual(
    applies.at(-1)?.routes.map(({ id }) => id),
    ['route/x'],
  );
  await registry.commit([], [{ kind: 'delete', key: '/gateway/routes/x' }]);
  await until('the route is gone', () => applies.at(-1)?.routes.length === 0);
});

test('an app, its release and its instances become a route at one revision', async (t) => {
  const { registry, mirror, applies } = await onSqlite(t);
  await mirror.start();
  await commit(registry, '/releases/shop/r1', record({ id: 'r1', plan: PLAN }));
  await commit(registry, '/instances/shop/here', record(REPORT));
  const app = { name: 'shop', domains: [], history: [], running: true, createdAt: 0 };
  const at = await commit(
    registry,
    '/apps/shop',
    record({ ...app, release: 'r1', generation: 'g1' }),
  );
  await mirror.appliedAt(at);
  const set = applies.at(-1);
  assert.deepEqual(set?.routes[0], {
    id: 'app/shop',
    path: '/',
    cache: { generation: 'g1', heuristicShare: 0 },
    hosts: ['shop.localhost'],
    target: { kind: 'upstreams', upstreams: [{ id: 'a', address: ADDRESS }] },
  });
  const websites = { id: 'websites/here', address: { kind: 'socket', path: '/websites' } };
  assert.deepEqual(set?.locals, [{ id: 'a', address: ADDRESS }, websites]);
  assert.equal(applies.length, 3, 'with the report there is a local, with the app a route');
});

test('a start without a registry leaves the gateways as they are, until it is there', async () => {
  const source = new Source();
  source.listFailures = 2;
  const clock = new ManualClock();
  let applies = 0;
  await using mirror = new RouteMirror({
    ...partsOf(source),
    apply: async () => void applies++,
    log: silentLogger,
    clock,
  });
  await mirror.start();
  mirror.applyAgain();
  mirror.setOwn('shop', { releases: [], instances: [] });
  assert.equal(applies, 0, 'nothing is known, so nothing is handed over');
  await until('it was listed at last', () => {
    clock.advance(1000);
    return applies === 1;
  });
});

test('waiting for a revision ends with its signal', async (t) => {
  const { mirror } = await onSqlite(t);
  await mirror.start();
  const giveUp = new AbortController();
  const waiting = mirror.appliedAt(1_000_000, giveUp.signal);
  giveUp.abort(new Error('Enough'));
  await assert.rejects(waiting, /Enough/);
});

const ADDRESS = { kind: 'tcp', host: '127.0.0.1', port: 1 };
const PLAN = { processes: { web: { kind: 'http' } } };
const REPORT = {
  releases: [],
  instances: [
    {
      id: 'a',
      process: 'web',
      generation: 'g1',
      state: 'healthy',
      draining: false,
      address: ADDRESS,
    },
  ],
};

function record(value: unknown): unknown {
  return { format: 1, record: value };
}

async function commit(registry: Registry, key: string, value: unknown): Promise<number> {
  const bytes = Buffer.from(JSON.stringify(value));
  return (await registry.commit([], [{ kind: 'put', key, value: bytes }])).revision;
}

async function onSqlite(
  t: TestContext,
): Promise<{ registry: Registry; mirror: RouteMirror; applies: RouteSet[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-routes-'));
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock: systemClock, log: silentLogger });
  const applies: RouteSet[] = [];
  const mirror = new RouteMirror({
    registry,
    apps: new AppRoutes({ self: 'here', registry, dataFolder: folder, log: silentLogger }),
    recorded: new RecordedRoutes({ registry, log: silentLogger }),
    ground: GROUND,
    peers: NOBODY,
    apply: async (set) => void applies.push(set),
    log: silentLogger,
    clock: systemClock,
  });
  t.after(async () => {
    await mirror[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  return { registry, mirror, applies };
}
