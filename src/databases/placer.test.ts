/** The leader's duty over many databases at a time: what one gives to a node counts for the next, so that it comes to rest. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import type { PeerNode } from '../cluster/cluster.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import type { DatabaseState } from './control.ts';
import { DatabasePlacer } from './placer.ts';
import { databaseRecords, placesRecords } from './records.ts';

const DATABASES = 12;
const LOOK_MS = 1000;

function node(id: string): PeerNode {
  return {
    id,
    name: id,
    region: 'home',
    labels: {},
    state: 'ready',
    silentMs: 0,
    address: '127.0.0.1',
    port: 1,
    gatewayPort: 2,
    memoryMiB: 1,
    load: 0,
    isManager: true,
  };
}

function even(ids: readonly (string | undefined)[], nodes: readonly string[]): boolean {
  const counts = nodes.map((id) => ids.filter((one) => one === id).length);
  return Math.max(...counts) - Math.min(...counts) <= 1;
}

test('a third node gets its share of many small databases, and then nothing moves any more', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-placer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const log = silentLogger;
  await using registry = await openSqliteRegistry({ path: join(folder, 'r.sqlite'), clock, log });
  const nodes = ['a', 'b', 'c'];
  const leads = new Map<string, string>();
  for (let at = 0; at < DATABASES; at++) {
    const id = `db${String(at).padStart(10, '0')}`;
    await databaseRecords(registry).put(id, {
      id,
      createdAt: 0,
      by: 'ann',
      stripes: 1,
      copies: 2,
      regions: [],
      tokenKey: 'AAAA',
    });
    await placesRecords(registry).put(id, { stripes: [['a', 'b']], asked: [] });
    leads.set(id, 'a');
  }
  const placed = async (): Promise<ReadonlyMap<string, readonly string[]>> =>
    new Map(
      (await placesRecords(registry).list()).map((one) => [one.id, one.value.stripes.flat()]),
    );
  // What a process says of a database, as far as the leader looks at it.
  const stateOf = (id: string): DatabaseState =>
    ({
      id,
      primaries: [leads.get(id) ?? null],
      stripes: [{ number: 0, head: 1, applied: 1, fileBytes: 1 }],
    }) as unknown as DatabaseState;
  let moves = 0;
  const placer = new DatabasePlacer({
    registry,
    peers: { all: () => nodes.map(node) },
    own: () => Promise.resolve([...leads.keys()].map(stateOf)),
    states: async () => {
      const places = [...(await placed())];
      return new Map(
        nodes.map((id) => [
          id,
          places.filter(([, ids]) => ids.includes(id)).map(([each]) => stateOf(each)),
        ]),
      );
    },
    readers: () => Promise.resolve(new Map()),
    move: async (from, { database, to }) => {
      moves++;
      await turn();
      assert.equal(leads.get(database), from);
      leads.set(database, to);
      return { pauseMs: 1 };
    },
    events: { tell: () => undefined },
    clock,
    log,
  });
  const stop = new AbortController();
  const leading = placer.lead({
    token: 1,
    signal: stop.signal,
    commit: (conditions, operations) => registry.commit(conditions, operations),
  });
  const look = async (): Promise<void> => {
    clock.advance(LOOK_MS);
    for (let turns = 0; turns < 40; turns++) await turn();
  };
  const isEven = async (): Promise<boolean> => {
    const all = [...(await placed()).values()];
    const isSettled = all.every((ids) => ids.length === 2);
    return isSettled && even(all.flat(), nodes) && even([...leads.values()], nodes);
  };
  for (let looks = 0; !(await isEven()); looks++) {
    assert.ok(looks < 200, 'it does not come to rest');
    await look();
  }
  const before = JSON.stringify([[...(await placed())], [...leads], moves]);
  for (let looks = 0; looks < 20; looks++) await look();
  assert.equal(JSON.stringify([[...(await placed())], [...leads], moves]), before);
  assert.ok(moves <= 2 * DATABASES, `${moves} moves`);
  stop.abort();
  await leading;
});
