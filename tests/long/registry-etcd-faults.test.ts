/**
 * The etcd engine when the way to etcd is bad: answers lost, requests late, connections cut or silent. Each commit happens
 * once or not at all, and the caller is told which; a watch has no gap and no repetition.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { isMolnError } from '../../src/base/errors.ts';
import { randomId } from '../../src/base/ids.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/time.ts';
import { openEtcdRegistry, type Registry, type WatchBatch } from '../../src/registry/registry.ts';
import { type EtcdUnderTest, startEtcd } from '../../testing/etcd-kit.ts';
import { commit, follow, plain, put, putOf, rejects, take } from '../../testing/registry-kit.ts';
import { startTcpProxy, type TcpProxy } from '../../testing/tcp-proxy.ts';
import { until } from '../../testing/until.ts';

/** Time for tests in which nobody ever answers. */
const SHORT_PATIENCE_MS = 1000;
/** Longer than a test may take. */
const LONG_PATIENCE_MS = 600_000;

let etcd: EtcdUnderTest;
before(async () => {
  etcd = await startEtcd(1);
});
after(() => etcd[Symbol.asyncDispose]());

interface Bed {
  readonly proxy: TcpProxy;
  /** Goes through the proxy first, and straight to etcd when that fails. */
  readonly registry: Registry;
  /** Straight to etcd. */
  readonly witness: Registry;
}

/** One etcd that is reached through a proxy and, unless `only`, directly as its own second choice. */
async function makeBed(
  context: TestContext,
  options: { readonly only?: boolean; readonly patienceMs?: number } = {},
): Promise<Bed> {
  const direct = etcd.endpoints[0] ?? '';
  const proxy = await startTcpProxy({ port: Number(new URL(direct).port) });
  const through = `http://127.0.0.1:${proxy.port}`;
  const patience = options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs };
  const common = { prefix: `/${randomId()}/`, clock: systemClock, log: silentLogger, ...patience };
  const endpoints = options.only === true ? [through] : [through, direct];
  const registry = await openEtcdRegistry({ ...common, endpoints });
  const witness = await openEtcdRegistry({ ...common, endpoints: [direct] });
  context.after(async () => {
    proxy.release();
    await registry[Symbol.asyncDispose]();
    await witness[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });
  return { proxy, registry, witness };
}

async function valueOf(registry: Registry, key: string): Promise<string | undefined> {
  return plain(await registry.get(key))?.value;
}

describe('etcd behind a bad network', { concurrency: 4 }, () => {
  test('a commit whose answer was lost is found, with its revision', async (context) => {
    const { proxy, registry, witness } = await makeBed(context);
    const before = await put(registry, '/a', '1');
    proxy.hold('answers');
    const pending = registry.commit([{ key: '/a', revision: before }], [putOf('/a', '2')]);
    await until('it has been carried out', async () => (await valueOf(witness, '/a')) === '2');
    proxy.cut();
    const result = await pending;
    assert.equal(result.kind, 'committed');
    assert.equal((await witness.get('/a'))?.revision, result.revision);
  });

  test('a commit that never arrived is repeated, once', async (context) => {
    const { proxy, registry, witness } = await makeBed(context);
    const first = await put(registry, '/warm', '1');
    proxy.hold('requests');
    const asked = proxy.bytesAsked;
    const pending = commit(registry, [putOf('/a', '1')]);
    await until('it is on its way', () => proxy.bytesAsked > asked);
    proxy.cut();
    const revision = await pending;
    const batches = await take(witness, '/', first + 1, 1);
    assert.deepEqual(
      batches.map((batch) => batch.revision),
      [revision],
    );
    assert.equal((await witness.get('/a'))?.created, revision);
  });

  test('renewals share a stream; one that is cut is followed by another', async (context) => {
    const { proxy, registry, witness } = await makeBed(context);
    const [one, two] = [await registry.lease(60_000), await registry.lease(60_000)];
    await Promise.all([one.renew(), two.renew(), one.renew()]);
    proxy.hold('answers');
    const pending = Promise.all([one.renew(), two.renew()]);
    proxy.cut();
    await pending;
    await one.revoke();
    await rejects(one.renew(), 'REGISTRY_LEASE_LOST');
    await two.renew();
    await commit(registry, [{ ...putOf('/a', '1'), leaseId: two.id }]);
    assert.equal(await valueOf(witness, '/a'), '1');
  });

  test('a renewal that is never answered fails in time, and the next ones do not wait for it', async (context) => {
    const { proxy, registry } = await makeBed(context, {
      only: true,
      patienceMs: SHORT_PATIENCE_MS,
    });
    const lease = await registry.lease(60_000);
    await lease.renew();
    proxy.hold('answers');
    await rejects(lease.renew(), 'REGISTRY_UNAVAILABLE');
    proxy.release();
    await lease.renew();
  });

  test('a commit that arrives after it was given up changes nothing', async (context) => {
    const { proxy, registry, witness } = await makeBed(context);
    await put(registry, '/warm', '1');
    proxy.hold('requests');
    const asked = proxy.bytesAsked;
    const pending = commit(registry, [putOf('/a', '1')]);
    await until('it is on its way', () => proxy.bytesAsked > asked);
    proxy.cutClients();
    const revision = await pending;
    const deleted = await commit(witness, [{ kind: 'delete', key: '/a' }]);
    // Now the first attempt comes out of the network, and would write the key again.
    const answered = proxy.bytesAnswered;
    proxy.release();
    await until('etcd has refused it', () => proxy.bytesAnswered > answered);
    const end = await put(witness, '/end', '1');
    const batches = await take(witness, '/', revision, 3);
    assert.deepEqual(
      batches.map((batch) => batch.revision),
      [revision, deleted, end],
    );
    assert.equal(await witness.get('/a'), undefined);
  });

  test('when nobody can be asked, the outcome is called unknown', async (context) => {
    const bed = { only: true, patienceMs: SHORT_PATIENCE_MS };
    const { proxy, registry, witness } = await makeBed(context, bed);
    await put(registry, '/warm', '1');
    proxy.hold('answers');
    const pending = commit(registry, [putOf('/a', '1')]);
    pending.catch(() => {});
    await until('it has been carried out', async () => (await valueOf(witness, '/a')) === '1');
    proxy.cut({ refuse: true });
    await rejects(pending, 'REGISTRY_OUTCOME_UNKNOWN');
    await rejects(registry.get('/a'), 'REGISTRY_UNAVAILABLE');
    await assert.rejects(commit(registry, [putOf('/b', '1')]), (error) => {
      return isMolnError(error, 'REGISTRY_UNAVAILABLE') && error.retryable;
    });
    proxy.accept();
    proxy.release();
    // The mark of the unknown commit is used again, and is not in the way.
    await put(registry, '/b', '2');
    assert.equal(await valueOf(witness, '/b'), '2');
  });

  test('a commit that carries no mark is called unknown too', async (context) => {
    const { proxy, registry, witness } = await makeBed(context);
    await put(registry, '/a', '1');
    proxy.hold('answers');
    const pending = commit(registry, [{ kind: 'delete', key: '/a' }]);
    pending.catch(() => {});
    await until('it has been carried out', async () => (await witness.get('/a')) === undefined);
    proxy.cut();
    await rejects(pending, 'REGISTRY_OUTCOME_UNKNOWN');
  });

  test('whoever is about to end is not kept by an etcd that is away', async (context) => {
    const { proxy, registry } = await makeBed(context, {
      only: true,
      patienceMs: LONG_PATIENCE_MS,
    });
    await put(registry, '/warm', '1');
    proxy.hold('requests');
    const read = rejects(registry.get('/a'), 'REGISTRY_UNAVAILABLE');
    const written = rejects(commit(registry, [putOf('/a', '1')]), 'REGISTRY_OUTCOME_UNKNOWN');
    registry.hurry?.();
    await Promise.all([read, written, rejects(registry.get('/b'), 'REGISTRY_UNAVAILABLE')]);
  });

  test('nothing listens: it is said at once, and nothing was changed', async () => {
    const options = { prefix: '/x/', clock: systemClock, log: silentLogger };
    await rejects(
      openEtcdRegistry({ ...options, endpoints: ['http://127.0.0.1:1'], patienceMs: 200 }),
      'REGISTRY_UNAVAILABLE',
    );
  });

  test('a slow network slows down, and that is all', async (context) => {
    const { proxy, registry } = await makeBed(context, { only: true });
    proxy.delay(50);
    const base = await put(registry, '/a', '1');
    const revisions = await Promise.all(
      Array.from({ length: 20 }, (_, at) => put(registry, `/s/${at}`, String(at))),
    );
    const batches = await take(registry, '/s/', base + 1, 20);
    assert.deepEqual(
      batches.map((batch) => batch.revision),
      revisions.toSorted((a, b) => a - b),
    );
  });

  test('a watch that is cut again and again misses and repeats nothing', async (context) => {
    const { proxy, registry, witness } = await makeBed(context, { only: true });
    const base = await put(witness, '/w/start', '1');
    const stop = new AbortController();
    const seen: WatchBatch[] = [];
    const watching = follow(registry, '/w/', base, stop.signal, (batch) => void seen.push(batch));
    const written = [base];
    for (let round = 0; round < 400; round++) {
      const pair = [putOf(`/w/${round % 10}`, String(round)), putOf('/w/copy', String(round))];
      written.push(await commit(witness, pair));
      if (round % 40 === 20) proxy.cut();
    }
    await until('the last commit was seen', () => seen.at(-1)?.revision === written.at(-1));
    stop.abort();
    await watching;
    assert.deepEqual(
      seen.map((batch) => batch.revision),
      written,
    );
    assert.ok(seen.slice(1).every((batch) => batch.changes.length === 2));
  });

  test('large commits come whole, also when etcd sends them in parts', async (context) => {
    const { registry, witness } = await makeBed(context);
    const base = await put(witness, '/w/start', '1');
    const half = Buffer.alloc(600 * 1024, 7);
    const written: number[] = [];
    for (let round = 0; round < 12; round++) {
      const operations = ['/w/a', '/w/b'].map((key) => {
        return { kind: 'put', key, value: half } as const;
      });
      written.push(await commit(witness, operations));
    }
    const batches = await take(registry, '/w/', base + 1, 12);
    assert.deepEqual(
      batches.map(({ revision, changes }) => [revision, changes.length]),
      written.map((revision) => [revision, 2]),
    );
  });

  test('a watch whose connection has gone silent is noticed and goes on elsewhere', async (context) => {
    const { proxy, registry, witness } = await makeBed(context);
    const base = await put(witness, '/w/a', '1');
    const stop = new AbortController();
    const seen: number[] = [];
    const watching = follow(registry, '/w/', base, stop.signal, (batch) => {
      seen.push(batch.revision);
    });
    await until('it watches', () => seen.length === 1);
    proxy.hold('both');
    const last = await put(witness, '/w/a', '2');
    // Pings are 10 s apart, for etcd hangs up on less than 5, and are given 5 s.
    await until('it has moved on', () => seen.at(-1) === last, { withinMs: 40_000 });
    stop.abort();
    await watching;
    assert.deepEqual(seen, [base, last]);
  });
});
