/** One database as a node serves it, without the process around it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { OpenDatabase, type OpenDatabaseOptions } from '../src/databases/open-database.ts';
import type { DatabaseUnderTest } from './database-kit.ts';

/** Of node `n1`, which leads what it may; not started. */
export function openDatabase(
  on: DatabaseUnderTest,
  options: Pick<OpenDatabaseOptions, 'config' | 'links'> & Partial<OpenDatabaseOptions>,
): OpenDatabase {
  return new OpenDatabase({
    folder: join(on.folder, 'n1'),
    registry: on.registry,
    confirm: () => Promise.resolve(),
    record: { node: 'n1', life: 'l1' },
    pool: on.pool,
    vault: () => undefined,
    tokens: () => [],
    mayLead: () => true,
    isGone: () => false,
    clock: systemClock,
    logger: silentLogger,
    onStuck: () => assert.fail('a statement is stuck'),
    ...options,
  });
}
