/** Ids over several nodes on one registry. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import { BLOCK_IDS, IdBlocks } from './id-blocks.ts';

test('no id is given twice, by any node, and none below one that was used', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-ids-'));
  context.after(() => rm(folder, { recursive: true }));
  await using registry = await openSqliteRegistry({
    path: join(folder, 'registry.sqlite'),
    clock: systemClock,
    log: silentLogger,
  });
  const nodes = [1, 2, 3].map(() => new IdBlocks(registry, 'shop', 'items'));
  const [one = new IdBlocks(registry, 'shop', 'items')] = nodes;
  assert.equal(await one.take(), 1);
  const given = new Set([1]);
  let count = 1;
  for (let round = 0; round < 5; round++) {
    const taken: (readonly [number, number])[] = await Promise.all(
      nodes.flatMap((node) =>
        Array.from({ length: 300 }, async (): Promise<readonly [number, number]> => [
          await node.take(2),
          2,
        ]),
      ),
    );
    taken.push([await one.take(3 * BLOCK_IDS), 3 * BLOCK_IDS]);
    for (const [first, length] of taken) {
      for (let id = first; id < first + length; id++) given.add(id);
      count += length;
    }
  }
  assert.equal(given.size, count);
  await one.raiseAbove(1_000_000);
  assert.ok((await one.take()) > 1_000_000);
  await assert.rejects(
    one.raiseAbove(Number.MAX_SAFE_INTEGER).then(() => one.take(2000)),
    /below 2\^53/,
  );
});

test('whoever takes an id by hand is told when somebody may still give it', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-ids-'));
  context.after(() => rm(folder, { recursive: true }));
  await using registry = await openSqliteRegistry({
    path: join(folder, 'registry.sqlite'),
    clock: systemClock,
    log: silentLogger,
  });
  const one = new IdBlocks(registry, 'shop', 'items');
  const other = new IdBlocks(registry, 'shop', 'items');
  assert.equal(await one.take(), 1);
  assert.equal(await other.raiseAbove(BLOCK_IDS), true, 'the block of another');
  assert.equal(await one.raiseAbove(1), true, 'it was given, perhaps to a row on its way');
  assert.equal(await one.raiseAbove(5), false, 'nobody else has it, and here it is passed over');
  assert.equal(await one.take(), 6);
  assert.equal(await other.raiseAbove(BLOCK_IDS + 1), false, 'in no block');
  assert.ok((await other.take()) > BLOCK_IDS + 1);
});
