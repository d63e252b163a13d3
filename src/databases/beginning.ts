/**
 * What a new database begins with: each stripe as another one had it at an entry, as the first snapshot of a log of its own, and counters of ids
 * that go on from there.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../base/disk.ts';
import { randomId } from '../base/ids.ts';
import { settleAll } from '../base/settle-all.ts';
import type { Clock } from '../base/time.ts';
import {
  buildCopyAt,
  type CopySource,
  FolderSnapshots,
  hashFile,
  type ReaderPool,
  RegistryLog,
  TimeMarks,
} from '../database/database.ts';
import type { Registry } from '../registry/registry.ts';
import { stripeName } from './records.ts';

/** Where the new database is made. */
export interface BeginningPlace {
  readonly registry: Registry;
  /** Its id, and the folder of that. */
  readonly id: string;
  readonly folder: string;
  /** This node's id. */
  readonly node: string;
  readonly pool: ReaderPool;
  readonly clock: Clock;
}

export interface BeginningSource extends CopySource {
  /** The last entry of each stripe, by its number. */
  readonly indexes: readonly number[];
  /** By table; none of them was smaller at those entries. */
  readonly ids: Readonly<Record<string, string>>;
}

/** Leaves nothing of it when it throws. */
export async function beginDatabase(source: BeginningSource, place: BeginningPlace): Promise<void> {
  const { registry, id, folder, clock } = place;
  try {
    const log = new RegistryLog({ registry, database: id, clock });
    await settleAll(
      source.indexes.map((index, number) =>
        beginStripe(source, place, { stripe: stripeName(number), index, log }),
      ),
    );
    await log.setIds(source.ids);
    // One can go back to its beginning, which its snapshots alone lead to.
    await new TimeMarks(registry, id).add({ at: clock.now(), indexes: source.indexes });
  } catch (error) {
    await registry.commit([], [{ kind: 'deletePrefix', prefix: `/db/${id}/` }]);
    await removeTree(folder);
    throw error;
  }
}

async function beginStripe(
  { log: from, snapshots }: CopySource,
  { folder, node, pool, clock }: BeginningPlace,
  {
    stripe,
    index,
    log,
  }: { readonly stripe: string; readonly index: number; readonly log: RegistryLog },
): Promise<void> {
  const built = join(folder, 'restored', `${stripe}.sqlite`);
  const packed = join(folder, 'restored', `${stripe}-packed.sqlite`);
  await buildCopyAt({ stripe, log: from, snapshots, path: built, index });
  const applied = await pool.copy(built, packed);
  const snapshot = {
    id: `${applied.index.toString(16).padStart(16, '0')}-${randomId()}`,
    index: applied.index,
    hash: Buffer.from(applied.hash).toString('hex'),
    schemaVersion: applied.schemaVersion,
    sha256: await hashFile(packed),
    bytes: (await stat(packed)).size,
    at: clock.now(),
    nodes: [node],
  };
  const own = new FolderSnapshots(new Map([[node, join(folder, 'snapshots')]]));
  await own.put(stripe, snapshot.id, packed);
  await log.begin(stripe, snapshot);
  for (const path of [built, packed])
    for (const suffix of ['', '-wal', '-shm']) await removeTree(`${path}${suffix}`);
}
