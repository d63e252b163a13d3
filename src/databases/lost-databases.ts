/** Which databases of a lost cluster there are snapshots of: those in the file store whose id no record has, nor is it a dropped one. */
import type { Clock } from '../base/time.ts';
import type { Logger } from '../base/log.ts';
import { messageOf } from '../base/errors.ts';
import type { ObjectSocket } from '../net/net.ts';
import type { Registry } from '../registry/registry.ts';
import { lostNotFound, lostSeveral, notReady } from './errors.ts';
import { type LostDatabase, readLost } from './lost-database.ts';
import { databaseRecords, droppedRecords } from './records.ts';
import { described } from './snapshot-vault.ts';

export interface LostDatabasesOptions {
  /** Where snapshots lie: `ID/…`. */
  readonly objects: Pick<ObjectSocket, 'list' | 'get'> & { isThere(): boolean };
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface FoundDatabase extends LostDatabase {
  readonly id: string;
}

export class LostDatabases {
  readonly #options: LostDatabasesOptions;

  constructor(options: LostDatabasesOptions) {
    this.#options = options;
  }

  /** By name. Throws what the file store throws. One whose description cannot be read is told in the log and left out; where that leaves none, it is thrown. */
  async list(): Promise<readonly FoundDatabase[]> {
    const { found, failures } = await this.#look();
    if (found.length === 0 && failures.length > 0) throw failures[0];
    return found;
  }

  async #look(): Promise<{
    readonly found: readonly FoundDatabase[];
    readonly failures: readonly unknown[];
  }> {
    const { objects, registry, log } = this.#options;
    const failures: unknown[] = [];
    if (!objects.isThere()) return { found: [], failures };
    // Before the records: a database of this cluster has one before it has anything there, and is a dropped one before it has none.
    const { folders } = await objects.list('', true);
    const known = new Set([
      ...(await databaseRecords(registry).list()).map(({ value }) => value.id),
      ...(await droppedRecords(registry).list()).map(({ id }) => id),
    ]);
    const found: FoundDatabase[] = [];
    for (const id of folders.map((folder) => folder.slice(0, -1))) {
      if (known.has(id)) continue;
      try {
        const lost = await readLost((what) => described(objects, id, what));
        if (lost !== undefined) found.push({ id, ...lost });
      } catch (error) {
        log.warn('A lost database cannot be read', { id, why: messageOf(error) });
        failures.push(error);
      }
    }
    found.sort((a, b) => (a.description.name < b.description.name ? -1 : 1));
    return { found, failures };
  }

  /** By name or id. Throws `DATABASES_LOST_NOT_FOUND`, `DATABASES_LOST_SEVERAL`, and why one that it may be cannot be read. */
  async get(name: string): Promise<FoundDatabase> {
    const { found: all, failures } = await this.#look();
    const found = all.filter(({ id, description }) => id === name || description.name === name);
    const [only] = found;
    const names = all.map(({ description }) => description.name);
    if (only === undefined) throw failures[0] ?? lostNotFound(name, names);
    if (found.length === 1) return only;
    throw lostSeveral(
      name,
      found.map(({ id }) => id),
    );
  }

  /** Its snapshots leave the file store soon: as with a dropped database, see `VaultSweeper`. */
  async forget(name: string, by: string): Promise<void> {
    const { registry, clock, log } = this.#options;
    const { id, description } = await this.get(name);
    const records = databaseRecords(registry);
    const live = await records.get(description.name);
    if (live?.value.id === id) throw lostNotFound(name, []);
    // What was read may be an old copy, and what counts as dropped goes from all nodes: a database of this cluster has a record of that name.
    const result = await registry.commit(
      [{ key: records.keyOf(description.name), revision: live?.revision ?? 0 }],
      [
        droppedRecords(registry).putOperation(id, {
          name: description.name,
          at: clock.now(),
        }),
      ],
    );
    if (result.kind === 'conflict') throw notReady(name, 'it was changed just now');
    log.info('Lost database forgotten', { audit: true, name: description.name, id, by });
  }
}
