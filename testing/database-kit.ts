/** Stripes of a database for tests: copies on several "nodes" of one process, over one commit log. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { randomId } from '../src/base/ids.ts';
import { type Logger, silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import {
  FolderSnapshots,
  ReaderPool,
  RegistryLog,
  type SqlValue,
  Stripe,
  type StripeOptions,
} from '../src/database/database.ts';
import { openSqliteRegistry, type Registry } from '../src/registry/registry.ts';

export interface DatabaseUnderTest extends AsyncDisposable {
  readonly folder: string;
  readonly registry: Registry;
  readonly log: RegistryLog;
  readonly pool: ReaderPool;
  readonly snapshots: FolderSnapshots;
  /** A started copy of stripe `s1` on that node. */
  copy(node: string, changes?: Partial<StripeOptions>): Promise<Stripe>;
  /** The same, not started. */
  newCopy(node: string, changes?: Partial<StripeOptions>): Stripe;
}

export interface DatabaseOptions {
  /** Left out: an embedded one, in the folder. */
  readonly registry?: Registry;
  readonly folder?: string;
  readonly logger?: Logger;
}

export async function startDatabase(options: DatabaseOptions = {}): Promise<DatabaseUnderTest> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'moln-database-')));
  const logger = options.logger ?? silentLogger;
  const registry =
    options.registry ??
    (await openSqliteRegistry({
      path: join(folder, 'log.sqlite'),
      clock: systemClock,
      log: silentLogger,
    }));
  const log = new RegistryLog({ registry, database: 'shop', clock: systemClock });
  const pool = new ReaderPool({ clock: systemClock });
  const snapshots = new FolderSnapshots(
    new Map(['n1', 'n2'].map((node) => [node, join(folder, node, 'snapshots')])),
  );
  const copies: Stripe[] = [];
  const newCopy = (node: string, changes: Partial<StripeOptions> = {}): Stripe => {
    const name = changes.name ?? 's1';
    const stripe = new Stripe({
      name,
      path: join(folder, node, `${name}.sqlite`),
      record: { node, life: randomId() },
      log,
      slowReads: pool,
      snapshots,
      clock: systemClock,
      logger,
      onStuck: () => process.kill(process.pid, 'SIGKILL'),
      ...changes,
    });
    copies.push(stripe);
    return stripe;
  };
  return {
    folder,
    registry,
    log,
    pool,
    snapshots,
    newCopy,
    async copy(node, changes) {
      await mkdir(join(folder, node), { recursive: true });
      const stripe = newCopy(node, changes);
      await stripe.start();
      return stripe;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(copies.map((stripe) => stripe[Symbol.asyncDispose]()));
      await pool[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      if (options.folder === undefined) await rm(folder, { recursive: true });
    },
  };
}

/** Its primary on n1, with some rows. */
export async function filled(
  on: DatabaseUnderTest,
  changes: Parameters<DatabaseUnderTest['copy']>[1] = {},
): Promise<Stripe> {
  const primary = await on.copy('n1', changes);
  assert.ok(await primary.lead());
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
  for (let id = 1n; id <= 20n; id++) await run(primary, 'INSERT INTO t VALUES (?, ?)', id, 'x');
  return primary;
}

/** Changes a copy's file behind its back. */
export async function tamper(on: DatabaseUnderTest, node: string, sql: string): Promise<void> {
  const db = new DatabaseSync(join(on.folder, node, 's1.sqlite'), {
    defensive: false,
    // What was answered already may still be written.
    timeout: 5000,
  });
  db.exec(sql);
  db.close();
}

/** All rows of one statement that is sent alone. */
export async function run(
  stripe: Stripe,
  sql: string,
  ...args: readonly SqlValue[]
): Promise<readonly (readonly SqlValue[])[]> {
  const { results } = await stripe.execute([{ sql, args }]);
  return results[0]?.rows ?? [];
}

/** What a copy has, as it is. */
export async function look(
  stripe: Stripe,
  sql: string,
  ...args: readonly SqlValue[]
): Promise<readonly (readonly SqlValue[])[]> {
  return (await stripe.query({ sql, args }, { kind: 'stale' })).rows;
}

/** Throws when two copies differ in any table. Both must have caught up. */
export async function sameCopies(one: Stripe, other: Stripe): Promise<void> {
  const [a, b] = [await one.digest(), await other.digest()];
  if (!isDeepStrictEqual(a, b)) {
    throw new Error(`Two copies differ:\n${JSON.stringify(a)}\n${JSON.stringify(b)}`);
  }
}
