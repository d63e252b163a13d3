/**
 * The past of one database: notes now and then what its stripes have, and makes of it, while the log still reaches back so far, what a new
 * database begins with.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { isoTime, type Clock } from '../base/time.ts';
import {
  isInReach,
  markAt,
  type ReaderPool,
  type RegistryLog,
  type SnapshotStore,
  surplus,
  type TimeMark,
  TimeMarks,
} from '../database/database.ts';
import type { Registry } from '../registry/registry.ts';
import { beginDatabase } from './beginning.ts';
import type { Restorable, Restored } from './control.ts';
import { outOfReach } from './errors.ts';
import { MARK_EVERY_MS, MARKS_COARSE_MS, MARKS_FINE_MS, RESTORE_WINDOW_MS } from './limits.ts';
import { stripeName } from './records.ts';

/** At once: what one commit takes. */
const MARKS_REMOVED_MAX = 100;

export interface HistoryOptions {
  /** Of the database: name for people, id, stripes. */
  readonly name: string;
  readonly id: string;
  readonly stripes: () => number;
  /** This node's id. */
  readonly node: string;
  readonly registry: Registry;
  readonly log: RegistryLog;
  readonly snapshots: SnapshotStore;
  readonly pool: ReaderPool;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class History {
  readonly #options: HistoryOptions;
  readonly #marks: TimeMarks;
  /** As this node has read and noted them; undefined while another one notes. */
  #known: readonly TimeMark[] | undefined;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#marks = new TimeMarks(options.registry, options.id);
  }

  get #names(): readonly string[] {
    return Array.from({ length: this.#options.stripes() }, (_, number) => stripeName(number));
  }

  /** Known where stripe 0 is led. */
  get reach(): Restorable | undefined {
    const [oldest] = this.#known ?? [];
    const newest = this.#known?.at(-1);
    if (oldest === undefined || newest === undefined) return undefined;
    return { from: oldest.at, to: newest.at };
  }

  /** As noted; undefined where it is not known. */
  get marks(): readonly TimeMark[] | undefined {
    return this.#known;
  }

  /** Runs until the signal aborts. `isMine`: whether this node notes, which is where stripe 0 is led. */
  async run(isMine: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, logger, name } = this.#options;
    while (!signal.aborted) {
      try {
        if (isMine()) await this.#note();
        else this.#known = undefined;
      } catch (error) {
        logger.warn('Cannot note what a database has now', {
          database: name,
          why: messageOf(error),
        });
      }
      await clock.sleep(MARK_EVERY_MS, signal).catch(() => undefined);
    }
  }

  /**
   * What the database had at `at` becomes the beginning of database `id`, in `folder` and in the logs. Throws `DATABASES_OUT_OF_REACH`.
   */
  async restore(at: number, id: string, folder: string): Promise<Restored> {
    const { registry, name, clock } = this.#options;
    const floors = await this.#floors();
    const marks = (await this.#marks.list()).filter((mark) => isInReach(mark, floors));
    const [oldest] = marks;
    const mark = at > clock.now() ? undefined : markAt(marks, at);
    if (mark === undefined) throw outOfReach(name, isoTime(at), oldest && isoTime(oldest.at));
    const { log, snapshots, node, pool } = this.#options;
    await beginDatabase(
      { log, snapshots, indexes: mark.indexes, ids: await log.ids() },
      { registry, id, folder, node, pool, clock },
    );
    return { at: mark.at, stripes: mark.indexes.length };
  }

  async #note(): Promise<void> {
    const { log, clock } = this.#options;
    const before = this.#known ?? (await this.#marks.list());
    // Before the question: what was acknowledged up to then is in the answer.
    const at = clock.now();
    const indexes = await log.indexesNow(this.#names);
    this.#known = before;
    // One has no primary yet.
    if (indexes.includes(0)) return;
    if (indexes.join() === before.at(-1)?.indexes.join()) return;
    await this.#marks.add({ at, indexes });
    const all = [...before, { at, indexes }];
    const gone = surplus(all, {
      now: at,
      floors: await this.#floors(),
      windowMs: RESTORE_WINDOW_MS,
      fineMs: MARKS_FINE_MS,
      coarseMs: MARKS_COARSE_MS,
    }).slice(0, MARKS_REMOVED_MAX);
    await this.#marks.remove(gone);
    this.#known = all.filter((mark) => !gone.includes(mark));
  }

  async #floors(): Promise<readonly number[]> {
    return await Promise.all(this.#names.map((stripe) => this.#options.log.floor(stripe)));
  }
}
