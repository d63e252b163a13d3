/** A copy of a stripe as a node has it: when it is read. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { look, run, startDatabase } from '../../testing/database-kit.ts';
import { until } from '../../testing/until.ts';
import { MolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { SnapshotStore } from '../database/database.ts';
import { Copy } from './copy.ts';

test('a copy that could not be filled yet is not read', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  assert.ok(await primary.lead());
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
  await run(primary, 'INSERT INTO t VALUES (1), (2)');
  await primary.snapshot(0);
  let isCut = true;
  const { snapshots } = on;
  const store: SnapshotStore = {
    further: [],
    put: (...args) => snapshots.put(...args),
    keepOnly: (...args) => snapshots.keepOnly(...args),
    get: async (...args) => {
      if (isCut) throw new MolnError('DATABASES_PEER_AWAY', 'Cut off', { retryable: true });
      await snapshots.get(...args);
    },
  };
  await mkdir(join(on.folder, 'n2'), { recursive: true });
  await using copy = new Copy(on.newCopy('n2', { snapshots: store }));
  await copy.start({
    log: on.log,
    record: { node: 'n2', life: 'l2' },
    rank: 1,
    mayLead: () => false,
    isGone: () => false,
    isKeptElsewhere: () => false,
    clock: systemClock,
    logger: silentLogger,
  });
  assert.equal(copy.started, undefined);
  isCut = false;
  await until('it is filled', () => copy.started !== undefined);
  await copy.stripe.catchUp();
  assert.deepEqual(await look(copy.stripe, 'SELECT count(*) FROM t'), [[2n]]);
});
