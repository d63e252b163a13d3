/** A beginning that fails leaves nothing, however late its stripes end. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDatabase } from '../../testing/database-kit.ts';
import { systemClock } from '../base/time.ts';
import { beginDatabase } from './beginning.ts';

test('what fails is told when no stripe is being made any more', async () => {
  await using on = await startDatabase();
  const folder = join(on.folder, 'new');
  const failed = Promise.withResolvers<undefined>();
  let ended = 0;
  const making = beginDatabase(
    {
      indexes: [1, 1],
      ids: {},
      log: {
        snapshot: async (stripe) => {
          if (stripe === 's0') throw new Error('There is none of s0');
          await failed.promise;
          ended++;
          return undefined;
        },
        read: () => Promise.resolve([]),
      },
      snapshots: { further: [], get: () => Promise.reject(new Error('There is none')) },
    },
    { registry: on.registry, id: 'new', folder, node: 'n1', pool: on.pool, clock: systemClock },
  );
  const told = assert.rejects(making, /There is none of s0/).then(() => ended);
  await systemClock.sleep(50);
  failed.resolve(undefined);
  assert.equal(await told, 1);
  assert.ok(!existsSync(folder));
  assert.deepEqual((await on.registry.list('/db/new/')).entries, []);
});
