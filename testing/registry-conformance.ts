/**
 * What every engine of the registry must do, as one function for `node:test`. It says nothing about absolute revisions,
 * and only what etcd 3.4 can keep.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Operation, Revision } from '../src/registry/registry.ts';
import { type Body, type Check, plain, putOf, type RegistryUnderTest } from './registry-kit.ts';
import { testLeases, testRestarts, testWatches } from './registry-watches.ts';
import { testCommits, testConditions, testLimits, testLists } from './registry-writes.ts';

export type { RegistryUnderTest };

export function testRegistry(name: string, make: () => Promise<RegistryUnderTest>): void {
  const check = (title: string, body: Body): void => {
    test(title, async (context: TestContext) => {
      const on = await make();
      context.after(() => on.dispose());
      await body(on, on.registry);
    });
  };
  describe(`registry engine ${name}`, () => {
    testCommits(check);
    testConditions(check);
    testLists(check);
    testWatches(check);
    testLeases(check);
    testLimits(check);
    testRestarts(check);
    testAgainstModel(check);
  });
}

/** Random commits against a Map that does the same. The seed is fixed, so a failure can be repeated. */
function testAgainstModel(check: Check): void {
  check('300 random commits do what a map would', async (_on, registry) => {
    const random = generator(42);
    const model = new Map<string, { value: string; revision: Revision }>();
    let revision = (await registry.list('')).revision;
    const keyOf = (): string => `/${'abc'[random(3)]}/${random(6)}`;
    for (let round = 0; round < 300; round++) {
      const conditions = Array.from({ length: random(3) }, () => {
        const key = keyOf();
        const actual = model.get(key)?.revision ?? 0;
        return { key, revision: random(4) === 0 ? 0 : actual };
      });
      const operations = new Map<string, Operation>();
      for (let count = random(4); count > 0; count--) {
        const key = keyOf();
        operations.set(
          key,
          random(3) === 0 ? { kind: 'delete', key } : putOf(key, String(random(1000))),
        );
      }
      if (random(12) === 0) {
        operations.clear();
        operations.set('', { kind: 'deletePrefix', prefix: `/${'abc'[random(3)]}/` });
      }
      const result = await registry.commit(conditions, [...operations.values()]);
      const failed = conditions.filter(
        ({ key, revision: wanted }) => (model.get(key)?.revision ?? 0) !== wanted,
      );
      assert.equal(result.kind, failed.length === 0 ? 'committed' : 'conflict');
      if (failed.length === 0 && applyToModel(model, operations.values(), revision + 1)) revision++;
      assert.equal(result.revision, revision);
    }
    const { entries } = await registry.list('/');
    assert.deepEqual(
      entries.map((entry) => [entry.key, plain(entry)?.value, entry.revision]),
      [...model]
        .map(([key, { value, revision: at }]) => [key, value, at])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  });
}

function applyToModel(
  model: Map<string, { value: string; revision: Revision }>,
  operations: Iterable<Operation>,
  revision: Revision,
): boolean {
  let changed = false;
  for (const operation of operations) {
    if (operation.kind === 'put') {
      model.set(operation.key, { value: Buffer.from(operation.value).toString(), revision });
      changed = true;
    } else {
      const known = [...model.keys()];
      for (const key of known) {
        const hit =
          operation.kind === 'delete' ? key === operation.key : key.startsWith(operation.prefix);
        if (hit) changed = model.delete(key) || changed;
      }
    }
  }
  return changed;
}

/** A linear congruential generator (Numerical Recipes): whole numbers below `below`. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
