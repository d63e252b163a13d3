/** A stripe is had as it was at entries whose log has been trimmed twice since, and not beyond what was kept. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { buildCopyAt } from '../src/database/database.ts';
import { run, startDatabase } from '../testing/database-kit.ts';

test('a stripe as it was, from log, newest snapshot, and what is kept from before it', async () => {
  await using on = await startDatabase();
  const stripe = await on.copy('n1');
  assert.ok(await stripe.lead());
  await run(stripe, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
  /** Rows by the entry that brought the last of them. */
  const rowsAt = new Map<number, number>();
  const insert = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const args = ['x'.repeat(500)];
      const { index } = await stripe.execute([{ sql: 'INSERT INTO t (v) VALUES (?)', args }]);
      rowsAt.set(index, rowsAt.size + 1);
    }
  };
  await insert(300);
  await stripe.snapshot(0);
  await insert(40);
  await run(stripe, 'ALTER TABLE t ADD COLUMN more');
  const newest = await stripe.snapshot(0);
  await insert(20);
  assert.equal(await on.log.floor('s1'), 0);
  await assert.rejects(on.log.read('s1', 2), { code: 'DATABASE_TRIMMED' });

  const build = async (index: number): Promise<number> => {
    const path = join(on.folder, `at-${index}.sqlite`);
    const { log, snapshots } = on;
    await buildCopyAt({ stripe: 's1', log, snapshots, path, index });
    using file = new DatabaseSync(path, { readOnly: true });
    return Number(file.prepare('SELECT count(*) AS n FROM t').get()?.['n']);
  };
  const indexes = [...rowsAt.keys()];
  for (const at of [0, 150, 299, 300, 320, 339, 340, 359]) {
    const index = indexes[at] ?? 0;
    assert.equal(await build(index), rowsAt.get(index), `entry ${index}`);
  }

  const [first, second] = newest?.past ?? [];
  assert.deepEqual([first?.base, first?.to], [undefined, second?.from]);
  for (const node of ['n1', 'n2'])
    await rm(join(on.folder, node, 'snapshots', 's1', `${first?.entries.id}.sqlite`));
  await assert.rejects(build(indexes[100] ?? 0), { code: 'DATABASE_NO_SNAPSHOT' });
});
