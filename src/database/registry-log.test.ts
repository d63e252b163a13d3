/** The commit log on the embedded registry. On etcd the same runs in `tests/database-log.test.ts`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import { testCommitLog } from '../../testing/commit-log-conformance.ts';
import { RegistryLog } from './registry-log.ts';

testCommitLog('the embedded registry', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-log-'));
  const registry = await openSqliteRegistry({
    path: join(folder, 'log.sqlite'),
    clock: systemClock,
    log: silentLogger,
  });
  return {
    log: new RegistryLog({ registry, database: 'shop', clock: systemClock }),
    async dispose() {
      await registry[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
});
