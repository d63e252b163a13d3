/** The etcd engine on three real members: the conformance suite, and leaders that are killed while everybody writes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { randomId } from '../src/base/ids.ts';
import { EtcdMember, type Registry, type Revision } from '../src/registry/registry.ts';
import { type EtcdUnderTest, startEtcd } from '../testing/etcd-kit.ts';
import { makeOn, openOn } from '../testing/etcd-registry-kit.ts';
import { testRegistry } from '../testing/registry-conformance.ts';
import { commit, plain, putOf } from '../testing/registry-kit.ts';
import { until } from '../testing/until.ts';

let etcd: EtcdUnderTest;
before(async () => {
  etcd = await startEtcd(3);
});
after(() => etcd[Symbol.asyncDispose]());

testRegistry('etcd, three members', () => makeOn(etcd));

const WRITERS = 4;
const KILLS = 2;

/** What one writer was told. */
interface Told {
  /** Revision of the commit that wrote `/log/<id>/<count>`. */
  readonly acknowledged: Map<number, Revision>;
  readonly unknown: number[];
}

/** Moves a counter and writes one line of a log, until stopped. The log has no condition, so only the mark guards it. */
async function write(registry: Registry, id: number, stopped: () => boolean): Promise<Told> {
  const told: Told = { acknowledged: new Map(), unknown: [] };
  for (let count = 1; !stopped(); count++) {
    try {
      const text = String(count);
      const operations = [putOf(`/log/${id}/${count}`, text), putOf(`/last/${id}`, text)];
      told.acknowledged.set(count, await commit(registry, operations));
    } catch (error) {
      if (isMolnError(error, 'REGISTRY_OUTCOME_UNKNOWN')) told.unknown.push(count);
      else if (!isMolnError(error, 'REGISTRY_UNAVAILABLE')) throw error;
    }
  }
  return told;
}

/** How often each key below the prefix was written, and when, by what a watch from the start says. */
async function historyOf(
  registry: Registry,
  from: Revision,
  to: Revision,
): Promise<Map<string, Revision[]>> {
  const writes = new Map<string, Revision[]>();
  for await (const batch of registry.watch('', from, AbortSignal.timeout(20_000))) {
    for (const change of batch.changes) {
      const key = change.kind === 'put' ? change.entry.key : change.key;
      writes.set(key, [...(writes.get(key) ?? []), batch.revision]);
    }
    if (batch.revision >= to) return writes;
  }
  throw new Error('the watch ended early');
}

describe('etcd, three members', () => {
  test(`what was acknowledged survives ${KILLS} killed leaders, and nothing happens twice`, async (context) => {
    const prefix = `/${randomId()}/`;
    const registry = await openOn(etcd.endpoints, prefix);
    context.after(() => registry[Symbol.asyncDispose]());
    const first = await commit(registry, [putOf('/start', '')]);
    let isOver = false;
    const writing = Array.from({ length: WRITERS }, (_, id) => write(registry, id, () => isOver));
    let newest = '';
    const progress = async (): Promise<boolean> => {
      const last = plain(await registry.get('/last/0'))?.value ?? '';
      return last !== newest && (newest = last) !== '';
    };
    for (let kill = 0; kill < KILLS; kill++) {
      for (let round = 0; round < 5; round++) await until('commits go on', progress);
      const leader = await etcd.leader();
      await etcd.kill(leader);
      await until('commits go on with the others', progress);
      await leader.start();
    }
    await until('commits go on', progress);
    isOver = true;
    const told = await Promise.all(writing);
    const last = await commit(registry, [putOf('/end', '')]);
    const writes = await historyOf(registry, first, last);
    for (const [id, { acknowledged, unknown }] of told.entries()) {
      assert.ok(acknowledged.size > 0, 'a writer got nothing done');
      for (const [count, revision] of acknowledged) {
        assert.deepEqual(writes.get(`/log/${id}/${count}`), [revision]);
        writes.delete(`/log/${id}/${count}`);
      }
      for (const count of unknown) {
        assert.ok((writes.get(`/log/${id}/${count}`) ?? []).length <= 1);
        writes.delete(`/log/${id}/${count}`);
      }
    }
    const rest = [...writes.keys()].filter((key) => key.startsWith('/log/'));
    assert.deepEqual(rest, [], 'what was reported as not done has been done');
  });

  test('a leader that hangs is passed by', async (context) => {
    const leader = await etcd.leader();
    const others = etcd.endpoints.filter((endpoint) => endpoint !== leader.endpoint);
    // The hanging one first: that is where the calls and the watch are when it stops.
    const registry = await openOn([leader.endpoint, ...others], `/${randomId()}/`);
    context.after(() => registry[Symbol.asyncDispose]());
    const base = await commit(registry, [putOf('/a', '1')]);
    const { pid } = leader;
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGSTOP');
    let hung: Revision;
    try {
      hung = await commit(registry, [putOf('/a', '2')]);
      assert.equal(plain(await registry.get('/a'))?.value, '2');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('it follows again', async () => {
      const { leaderId, id } = await etcd.admin.status(leader.endpoint);
      return leaderId !== undefined && leaderId !== id;
    });
    // What the old leader still held when it stopped is not carried out after all.
    const last = await commit(registry, [putOf('/a', '3')]);
    const writes = await historyOf(registry, base, last);
    assert.deepEqual(writes.get('/a'), [base, hung, last]);
  });

  test('a running member is adopted by the next agent', async () => {
    const [member] = etcd.members;
    assert.ok(member !== undefined);
    const { pid } = member;
    const again = new EtcdMember(member.options);
    await again.start();
    assert.equal(again.pid, pid);
  });

  test('a member that lost its disk is removed, learns all anew and votes again', async (context) => {
    const registry = await openOn(etcd.endpoints, `/${randomId()}/`);
    context.after(() => registry[Symbol.asyncDispose]());
    await commit(registry, [putOf('/a', '1')]);
    const lost = await etcd.leader();
    const { id } = await etcd.admin.status(lost.endpoint);
    const fresh = await etcd.replace(lost);
    await until('the others go on', async () => {
      await etcd.admin.remove(id);
      return true;
    });
    const added = await etcd.admin.addLearner(fresh.peerUrl);
    assert.equal(await etcd.admin.addLearner(fresh.peerUrl), added);
    await fresh.start();
    await until('it has caught up', () => etcd.admin.promote(added));
    // Each member tells what it knows, and one that was not asked may hear of it later.
    await until('all three vote', async () => {
      const members = await etcd.admin.members();
      return members.length === 3 && !members.some((one) => one.isLearner);
    });
    // The others may go to where they were: the new one knows everything.
    const alone = await openOn([fresh.endpoint], `/${randomId()}/`);
    await alone[Symbol.asyncDispose]();
    assert.equal((await etcd.admin.status(fresh.endpoint)).isLearner, false);
    await commit(registry, [putOf('/a', '2')]);
  });
});
