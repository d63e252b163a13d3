/** The commit log on a real etcd, also through a network that loses answers. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { randomId } from '../src/base/ids.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { RegistryLog } from '../src/database/database.ts';
import { openEtcdRegistry } from '../src/registry/registry.ts';
import { entryAfter, testCommitLog } from '../testing/commit-log-conformance.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { until } from '../testing/until.ts';

const etcd = await startEtcd(1);
after(() => etcd[Symbol.asyncDispose]());

testCommitLog('etcd', async () => {
  const registry = await openOn(etcd.endpoints, `/${randomId()}/`);
  return {
    log: new RegistryLog({ registry, database: 'shop', clock: systemClock }),
    async dispose() {
      await registry[Symbol.asyncDispose]();
    },
  };
});

test('an append whose answer is cut off, again and again, gets into the log once', async () => {
  const [endpoint = ''] = etcd.endpoints;
  await using proxy = await startTcpProxy({ port: Number(new URL(endpoint).port) });
  await using registry = await openEtcdRegistry({
    endpoints: [`http://127.0.0.1:${proxy.port}`],
    prefix: `/${randomId()}/`,
    clock: systemClock,
    log: silentLogger,
  });
  const log = new RegistryLog({ registry, database: 'shop', clock: systemClock });
  const term = await log.claim('a', { node: 'n1', life: 'a' }, { ttlMs: 60_000 });
  assert.ok(term !== undefined);
  const { epoch } = term;
  let head = await log.head('a');
  for (let n = 1; n <= 5; n++) {
    proxy.hold('answers');
    const before = proxy.bytesAnswered;
    const entry = entryAfter(head, epoch, `t${n}`);
    const appending = log.append([{ stripe: 'a', epoch, after: head, entry }]);
    await until('etcd has answered', () => proxy.bytesAnswered > before + 40);
    proxy.cutClients();
    proxy.release();
    const result = await appending;
    assert.ok(result.kind === 'appended', JSON.stringify(result));
    head = result.heads[0] ?? head;
    assert.deepEqual(await log.head('a'), head);
  }
  assert.deepEqual(
    (await log.read('a', 1)).map(({ index }) => index),
    [1, 2, 3, 4, 5],
  );
});
