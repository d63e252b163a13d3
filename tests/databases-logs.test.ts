/** The logs of two nodes in one real etcd: what is committed waits for the copy that counts, whatever the nodes were told before. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { LogPlace } from '../src/databases/control.ts';
import { Logs } from '../src/databases/logs.ts';
import { STANDBY_ID, standbyRecords } from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { putOf, rejects } from '../testing/registry-kit.ts';
import { until } from '../testing/until.ts';

/** Long enough for a commit that waits for nobody. */
const ANSWERED_MS = 1500;
const REGISTRY = '/registry/';

test('what is committed waits for the copy that counts', async (t) => {
  await using etcd = await startEtcd(1);
  const folder = await mkdtemp(join(tmpdir(), 'moln-logs-'));
  t.after(() => rm(folder, { recursive: true }));
  await using registry = await openOn(etcd.endpoints, REGISTRY);
  const records = standbyRecords(registry);
  const nodes = new Map<string, Logs>();
  let isCut = false;
  const call = async (node: string, what: string, ...args: readonly unknown[]): Promise<void> => {
    assert.equal(what, 'mirrored');
    if (isCut) throw new Error('cut');
    await nodes.get(node)?.mirrored(...(args as [number, number]));
  };
  for (const node of ['a', 'b']) {
    const own = (name: string): string => join(folder, node, name);
    await mkdir(own('.'));
    const paths = { own: own('log.sqlite'), note: own('log.json'), mirror: own('mirror.sqlite') };
    nodes.set(node, new Logs({ ...paths, links: { call }, clock: systemClock, log: silentLogger }));
  }
  await using stack = new AsyncDisposableStack();
  for (const logs of nodes.values()) stack.use(logs);
  const place = (node: string, changes: object = {}): LogPlace => ({
    kind: 'etcd',
    endpoints: etcd.endpoints,
    prefix: '/logs/',
    client: node,
    epoch: 1,
    tls: undefined,
    isFounder: node === 'a',
    node,
    isHolder: node === 'a',
    standbyPrefix: REGISTRY,
    ...changes,
  });
  const follow = async (changes: object): Promise<void> => {
    for (const [node, logs] of nodes) await logs.follow(place(node, changes), t.signal);
  };
  const put = async (key: string): Promise<void> => {
    await nodes.get('a')?.registry?.commit([], [putOf(key, '1')]);
  };

  // Of three members two were forgotten.
  await follow({ standbyPrefix: undefined });
  await put('/several');
  await follow({});
  await put('/nobody');
  await records.put(STANDBY_ID, { node: 'b', isInSync: false });
  await until('the copy', async () => (await nodes.get('b')?.caughtUp(), true));
  await records.put(STANDBY_ID, { node: 'b', isInSync: true });
  await put('/both');

  isCut = true;
  let isAnswered = false;
  const waiting = put('/waits').then(() => (isAnswered = true));
  await pause(ANSWERED_MS);
  assert.equal(isAnswered, false, 'what counts as kept by two is on one only');
  isCut = false;
  await waiting;

  // The machine with the logs is taken for lost: who waits for its word is told at once, and not after the longest wait.
  isCut = true;
  const unknown = rejects(put('/unknown'), 'REGISTRY_OUTCOME_UNKNOWN');
  await pause(ANSWERED_MS);
  nodes.get('a')?.expect(place('a', { epoch: 2 }));
  await unknown;
});
