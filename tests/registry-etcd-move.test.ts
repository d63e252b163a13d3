/** From one machine to several: the embedded registry is copied to etcd, and a mirror of that outlives its managers. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import {
  copyRegistry,
  isCopyComplete,
  openEtcdRegistry,
  openMirror,
  openSqliteRegistry,
  type RegistryReader,
} from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { plain, put } from '../testing/registry-kit.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { until } from '../testing/until.ts';

const common = { clock: systemClock, log: silentLogger } as const;

async function contentOf(from: RegistryReader, prefix: string): Promise<unknown> {
  const { entries } = await from.list(prefix);
  return entries.map((entry) => [entry.key, plain(entry)?.value]);
}

test('all moves to etcd, and a mirror goes on when etcd is cut off', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-move-'));
  context.after(() => rm(folder, { recursive: true }));
  await using etcd = await startEtcd(1);
  await using embedded = await openSqliteRegistry({ path: join(folder, 'r.sqlite'), ...common });
  for (let at = 0; at < 200; at++) await put(embedded, `/apps/${at}`, String(at));
  await put(embedded, '/nodes/one', 'x'.repeat(500_000));

  await using managers = await openOn(etcd.endpoints, '/moln/');
  await copyRegistry({
    from: embedded,
    to: managers,
    freeze: async () => void (await put(embedded, '/apps/late', 'late')),
  });
  assert.ok(await isCopyComplete(managers));
  assert.deepEqual(await contentOf(managers, '/apps/'), await contentOf(embedded, '/apps/'));
  assert.deepEqual(await contentOf(managers, '/nodes/'), await contentOf(embedded, '/nodes/'));

  await using proxy = await startTcpProxy({ port: Number(new URL(etcd.endpoints[0] ?? '').port) });
  const endpoints = [`http://127.0.0.1:${proxy.port}`];
  const patienceMs = 500;
  await using source = await openEtcdRegistry({
    prefix: '/moln/',
    endpoints,
    patienceMs,
    ...common,
  });
  const path = join(folder, 'mirror.sqlite');
  await using mirror = openMirror({
    path,
    source,
    sourceId: 'etcd',
    prefixes: ['/apps/'],
    probeEveryMs: 200,
    ...common,
  });
  await until('it is loaded', () => mirror.status().isComplete && mirror.status().isLive);
  assert.deepEqual(await contentOf(mirror, '/apps/'), await contentOf(managers, '/apps/'));

  proxy.cut({ refuse: true });
  await until('it says that it is cut off', () => !mirror.status().isLive);
  await put(managers, '/apps/0', 'changed meanwhile');
  assert.equal(plain(await mirror.get('/apps/0'))?.value, '0');
  proxy.accept();
  await until('it has caught up', async () => {
    return plain(await mirror.get('/apps/0'))?.value === 'changed meanwhile';
  });
  await until('it says so', () => mirror.status().isLive);
});
