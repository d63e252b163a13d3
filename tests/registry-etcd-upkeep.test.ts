/** What managers do for etcd: room made again when it is full, history forgotten under a watch, TLS, a missing etcd. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../src/cluster/x509.ts';
import { type EtcdTls, EtcdUpkeep, findEtcd, openEtcdRegistry } from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { commit, follow, put, rejects, take } from '../testing/registry-kit.ts';
import { until } from '../testing/until.ts';

const QUOTA_BYTES: number = 24 * 1024 * 1024;

/** An authority, and a node's certificate from it. */
async function makeCertificates(): Promise<{
  readonly authority: KeyPair;
  readonly pair: KeyPair;
}> {
  const now = systemClock.now();
  const validity = { notBefore: now - 60_000, notAfter: now + 3600_000 };
  const authority = await createAuthority({ commonName: 'test', validity });
  const pair = await issueCertificate({
    authority,
    commonName: 'node',
    validity,
    dnsNames: [],
    addresses: ['127.0.0.1'],
    uris: [],
    asClient: true,
  });
  return { authority, pair };
}

describe('etcd is looked after', { concurrency: true }, () => {
  test('etcd that ran full takes commits again when things are removed', async () => {
    await using etcd = await startEtcd(1, { quotaBytes: QUOTA_BYTES });
    await using registry = await openOn(etcd.endpoints, '/moln/');
    const value = Buffer.alloc(1000 * 1000, 1);
    const fill = async (): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        await commit(registry, [{ kind: 'put', key: `/fill/${round}`, value }]);
      }
    };
    await rejects(fill(), 'REGISTRY_FULL');
    assert.equal((await etcd.admin.alarms())[0]?.kind, 'noSpace');
    await rejects(put(registry, '/small', '1'), 'REGISTRY_FULL');
    // Reading and removing go on, also where a mark would be a write.
    const first = await registry.get('/fill/0');
    const conditions = [{ key: '/fill/0', revision: first?.revision ?? 0 }];
    const removed = await registry.commit(conditions, [{ kind: 'delete', key: '/fill/0' }]);
    assert.equal(removed.kind, 'committed');
    await commit(registry, [{ kind: 'deletePrefix', prefix: '/fill/' }]);
    const upkeep = new EtcdUpkeep({
      admin: etcd.admin,
      quotaBytes: QUOTA_BYTES,
      clock: systemClock,
      log: silentLogger,
    });
    await until('there is room again', async () => {
      await upkeep.step();
      return (await etcd.admin.alarms()).length === 0;
    });
    await put(registry, '/small', '1');
    const status = await etcd.admin.status(etcd.endpoints[0] ?? '');
    assert.ok(status.dbBytes < QUOTA_BYTES / 2, `the file has ${status.dbBytes} bytes`);
  });

  test('the lead of etcd goes to another member than the own, and stays there', async () => {
    await using etcd = await startEtcd(3);
    const { admin } = etcd;
    const leaderName = async (): Promise<string | undefined> => {
      const members = await admin.members();
      const statuses = await Promise.all(etcd.endpoints.map((each) => admin.status(each)));
      const id = statuses.find(({ isLeader }) => isLeader)?.id;
      return members.find((member) => member.id === id)?.name;
    };
    const ownName = await until('somebody leads', leaderName);
    const upkeep = new EtcdUpkeep({ admin, ownName, clock: systemClock, log: silentLogger });
    const moved = await until('another one leads', async () => {
      await upkeep.step();
      const name = await leaderName();
      return name === ownName ? undefined : name;
    });
    await upkeep.step();
    assert.equal(await leaderName(), moved);
  });

  test('compaction under a watch: every commit, or the word that some are gone', async () => {
    await using etcd = await startEtcd(1);
    await using registry = await openOn(etcd.endpoints, '/moln/');
    const base = await put(registry, '/w/a', '0');
    const stop = new AbortController();
    const live: number[] = [];
    const watching = follow(registry, '/w/', base, stop.signal, (batch) => {
      live.push(batch.revision);
    });
    // A watch that has not begun when its first revision is compacted rightly ends.
    await until('the watch has begun', () => live.length === 1);
    const written = [base];
    for (let round = 0; round < 200; round++) {
      written.push(await put(registry, '/w/a', String(round)));
      if (round % 20 === 19) await etcd.admin.compact(written.at(-2) ?? 0);
    }
    await until('the watch has seen all', () => live.length === written.length);
    stop.abort();
    await watching;
    assert.deepEqual(live, written);
    await rejects(take(registry, '/w/', base, 1), 'REGISTRY_COMPACTED');
    await etcd.admin.compact(1);
  });

  test('only who has a certificate of the cluster is let in', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'moln-tls-'));
    context.after(() => rm(folder, { recursive: true }));
    const { authority, pair } = await makeCertificates();
    const files = {
      caFile: join(folder, 'ca.pem'),
      certificateFile: join(folder, 'node.pem'),
      keyFile: join(folder, 'node.key'),
    };
    await writeFile(files.caFile, authority.certificatePem);
    await writeFile(files.certificateFile, pair.certificatePem);
    await writeFile(files.keyFile, pair.keyPem, { mode: 0o600 });
    const tls = (): EtcdTls => ({
      caPem: authority.certificatePem,
      ...pair,
    });
    await using etcd = await startEtcd(1, { tls: files }, tls);
    const options = { prefix: '/moln/', clock: systemClock, log: silentLogger, patienceMs: 300 };
    await using registry = await openEtcdRegistry({ ...options, endpoints: etcd.endpoints, tls });
    const base = await put(registry, '/a', '1');
    assert.equal((await take(registry, '/', base, 1)).length, 1);
    const stranger = await makeCertificates();
    const foreign = (): EtcdTls => ({ ...tls(), ...stranger.pair });
    for (const other of [{ tls: foreign }, {}]) {
      const { endpoints } = etcd;
      await rejects(openEtcdRegistry({ ...options, endpoints, ...other }), 'REGISTRY_UNAVAILABLE');
    }
  });

  test('a machine without etcd is told how to get it', async () => {
    await rejects(findEtcd('etcd-that-is-not-there'), 'REGISTRY_ETCD_MISSING');
    assert.equal((await findEtcd())[0], 3);
  });
});
