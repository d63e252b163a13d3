/**
 * Brings the snapshots of a database's stripes that are led here into the file store: what a stripe's record names belongs there, and nothing else. Nothing
 * waits for it, least of all the trimming of a log: to put something is itself written to a log, that of the catalogue.
 */
import { join } from 'node:path';
import { removeTree, temporaryName } from '../base/disk.ts';
import type { Clock } from '../base/time.ts';
import {
  type CommitLog,
  filesOf,
  hashFile,
  type KeptFile,
  restoreSnapshot,
  type SnapshotStore,
} from '../database/database.ts';
import { DESCRIPTION_FORMAT, type StripeDescription } from './description.ts';
import { VAULT_LIST_MS } from './limits.ts';
import type { SnapshotVault } from './snapshot-vault.ts';
import type { Snapshots } from './snapshots.ts';

export interface VaultDutyOptions {
  readonly vault: SnapshotVault;
  /** Those on nodes. */
  readonly snapshots: Snapshots;
  readonly log: Pick<CommitLog, 'snapshot'>;
  /** For files that come from other nodes, while they are put. */
  readonly folder: string;
  readonly clock: Clock;
}

/** What this node knows of a stripe. */
interface Known {
  /** When it was looked what is there. */
  readonly listedMs: number;
  /** What was there, and has been put since. */
  readonly there: Set<string>;
  /** Of what belongs there. */
  lacking: number;
  /** Id of the newest snapshot that it is described with. */
  described: string | undefined;
}

export class VaultDuty {
  readonly #options: VaultDutyOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: VaultDutyOptions) {
    this.#options = options;
  }

  /** Whether that snapshot is there; undefined: not known here. */
  has(stripe: string, id: string): boolean | undefined {
    return this.#options.vault.isThere ? this.#known.get(stripe)?.there.has(id) : undefined;
  }

  /** Files of a stripe that are not there yet, as far as is known here. */
  lacking(stripe: string): number {
    return this.#known.get(stripe)?.lacking ?? 0;
  }

  /** Of one stripe, up to what is there now. One that cannot be put holds up no other, and is the error. */
  async tend(stripe: string, signal: AbortSignal): Promise<void> {
    const { vault, log, clock } = this.#options;
    if (!vault.isThere) return;
    const known = this.#known.get(stripe);
    const listedMs = clock.monotonicMs();
    const isOld = known === undefined || listedMs - known.listedMs > VAULT_LIST_MS;
    const newest = await log.snapshot(stripe);
    if (newest === undefined) return;
    if (!isOld && known.described === newest.id) return;
    const there = new Set(await vault.list(stripe));
    // Read after that: what is put was named by a record before, so what this one does not name never will be again.
    const record = (await log.snapshot(stripe)) ?? newest;
    const files = filesOf(record);
    const lacking = files.filter(({ id }) => !there.has(id));
    // Somebody who led it before may have been late with what he had to tell.
    const described = isOld ? undefined : known.described;
    const now: Known = { listedMs, there, lacking: lacking.length, described };
    this.#known.set(stripe, now);
    const failures: unknown[] = [];
    for (const file of lacking) {
      signal.throwIfAborted();
      try {
        await this.#put(stripe, file, signal);
        there.add(file.id);
        now.lacking--;
      } catch (error) {
        failures.push(error);
      }
    }
    // While something lacks, what was there before stays, and is what is described.
    if (failures.length > 0) throw failures[0];
    if (now.described !== record.id) {
      const told: StripeDescription = { format: DESCRIPTION_FORMAT, snapshot: record };
      await vault.describe(stripe, JSON.stringify(told));
      now.described = record.id;
    }
    for (const id of there) {
      if (files.some((file) => file.id === id)) continue;
      await vault.remove(stripe, id);
      there.delete(id);
    }
  }

  async #put(stripe: string, file: KeptFile, signal: AbortSignal): Promise<void> {
    const { vault, snapshots, folder } = this.#options;
    const { id, bytes } = file;
    const here = await snapshots.pathHere(stripe, id);
    if (here !== undefined && (await hashFile(here)) === file.sha256)
      return await vault.put(stripe, id, { path: here, bytes }, signal);
    const path = temporaryName(join(folder, `${stripe}.sqlite`));
    const nodes: Pick<SnapshotStore, 'get' | 'further'> = {
      further: [],
      get: (...asked) => snapshots.get(...asked),
    };
    try {
      await restoreSnapshot(nodes, stripe, file, path);
      await vault.put(stripe, id, { path, bytes }, signal);
    } finally {
      await removeTree(path);
    }
  }
}
