/** Keeps the description of one database in the file store true, where its stripe 0 is led; see `description.ts`. */
import type { SnapshotRecord, TimeMark } from '../database/database.ts';
import type { DatabaseConfig } from './control.ts';
import {
  DATABASE_DESCRIPTION,
  type DatabaseDescription,
  DESCRIPTION_FORMAT,
  leadTo,
} from './description.ts';
import { stripeName } from './records.ts';
import type { SnapshotVault } from './snapshot-vault.ts';

export interface DescriptionDutyOptions {
  readonly vault: SnapshotVault;
  readonly config: () => DatabaseConfig;
  readonly log: {
    snapshot(stripe: string): Promise<SnapshotRecord | undefined>;
    ids(): Promise<Readonly<Record<string, string>>>;
  };
  /** All that are noted; undefined while that is not known here. */
  readonly marks: () => readonly TimeMark[] | undefined;
}

export class DescriptionDuty {
  readonly #options: DescriptionDutyOptions;
  /** What the newest description was made of. */
  #told: string | undefined;

  constructor(options: DescriptionDutyOptions) {
    this.#options = options;
  }

  /** Throws what the file store refuses. */
  async tend(): Promise<void> {
    const { vault, config, log, marks } = this.#options;
    const noted = marks();
    if (!vault.isThere || noted === undefined) return;
    const { name, stripes, splits, copies, regions } = config();
    const about = { name, stripes, splits, copies, regions };
    const names = Array.from({ length: stripes }, (_, number) => stripeName(number));
    const snapshots = await Promise.all(names.map((stripe) => log.snapshot(stripe)));
    const moments = noted.filter((mark) => leadTo(snapshots, mark));
    const made = JSON.stringify([about, snapshots.map((one) => one?.id), moments.at(-1)?.at]);
    if (made === this.#told) return;
    // After the moments: no row that they have got an id above these.
    const ids = await log.ids();
    const told: DatabaseDescription = { format: DESCRIPTION_FORMAT, ...about, moments, ids };
    await vault.describe(DATABASE_DESCRIPTION, JSON.stringify(told));
    this.#told = made;
  }
}
