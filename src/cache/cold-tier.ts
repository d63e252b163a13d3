/** A tier outside of memory: what it has may be there after a restart, and what was purged must not be. */
import type { Block } from './body.ts';
import type { Purges } from './purges.ts';
import type { Tier } from './tier.ts';

export interface ColdTier extends Tier {
  /** The highest stamp that was ever stored: those of this run must be higher. */
  readonly lastStamp: number;
  /** Takes bytes of a body that is still on its way; undefined when there is no room for them. Absent: it takes whole ones only. */
  spill?(bytes: Buffer): Promise<Block | undefined>;
  /** Resolves when what was set before would survive whatever the tier survives. */
  sync(): Promise<void>;
  /** Of earlier runs. */
  readPurges(): Promise<Purges>;
  writePurges(purges: Purges): Promise<void>;
}
