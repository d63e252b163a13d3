/**
 * Copies of blocks that are there already, made and taken away. Each is written down before it is made, so that it is no garbage on the
 * way, and counts once it is there and is what the catalogue says.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { BlobStore, Written } from '../blobs/blobs.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import { insertsOf } from './changes.ts';
import type { Places } from './block-writer.ts';
import { COPIES_ENTERED_MS, REPAIR_AT_A_TIME } from './limits.ts';
import { marksOf } from './lookups.ts';
import { nearest } from './nearest.ts';
import type { CopyTask } from './repair-plan.ts';
import { text } from './rows.ts';
import type { Sessions } from './sessions.ts';
import type { Held } from './share-plan.ts';
import { blockOfBlob, codedOf, codedReads } from './shares.ts';

export interface CopyPlaces extends Places {
  /** From place to place: a far one fetches it itself. What is kept with the blob goes along. */
  copy(
    cid: string,
    way: {
      readonly from: string;
      readonly to: string;
      readonly maxBytes: number;
      readonly allocSeq: number;
    },
  ): Promise<Written>;
  /** As `blobs`, for what lets clients go first. */
  background(place: string): BlobStore | undefined;
}

export interface CopiesOptions {
  readonly link: CatalogueLink;
  readonly places: CopyPlaces;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Logger;
}

const COPY = 'bucket = ? AND cid = ? AND place = ?';
export const STILL_TO_REMOVE = 'the place still has to remove the same block';
export const TOO_LATE = 'it took so long that it was given up';

export class Copies {
  readonly #options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /**
   * Makes all of them, some at a time to each place, and tells of each once it counts, or why it could not be made; not of those that `signal` kept from
   * being begun. What is written down, and what is entered, goes together.
   */
  async make(
    tasks: readonly CopyTask[],
    onEnd: (task: CopyTask, why: string | undefined) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (tasks.length === 0) return;
    const { sessions, clock } = this.#options;
    const open = new Set(tasks);
    const end = (task: CopyTask, why: string | undefined): void => {
      open.delete(task);
      onEnd(task, why);
    };
    let made: CopyTask[] = [];
    let entering = Promise.resolve();
    const enterMade = (): void => {
      entering = entering.then(async () => {
        const some = made;
        made = [];
        try {
          for (const own of byBucket(some)) {
            const counts = await this.enter(own);
            for (const [at, task] of own.entries())
              end(task, counts[at] === true ? undefined : TOO_LATE);
          }
        } catch (error) {
          for (const task of some) if (open.has(task)) end(task, messageOf(error));
        }
      });
    };
    try {
      await using session = await sessions.take();
      const due: CopyTask[] = [];
      for (const own of byBucket(tasks)) {
        const held = own.map(({ block, to }) => [{ block, place: to }]);
        const mayLie = await this.announce(held, session.seq);
        for (const [at, task] of own.entries())
          if (mayLie[at] === true) due.push(task);
          else end(task, STILL_TO_REMOVE);
      }
      using _beat = clock.every(COPIES_ENTERED_MS, enterMade);
      const lane = async (own: CopyTask[]): Promise<void> => {
        while (!signal.aborted) {
          const task = own.shift();
          if (task === undefined) return;
          const why = await this.#copy(task, session.seq);
          if (why === undefined) made.push(task);
          else end(task, why);
        }
      };
      // Of each place by itself, or all may go to one while the others wait.
      const byPlace = [...Map.groupBy(due, ({ to }) => to).values()];
      const lanes = byPlace.flatMap((own) => Array.from({ length: REPAIR_AT_A_TIME }, () => own));
      await Promise.all(lanes.map(lane));
      enterMade();
      await entering;
    } catch (error) {
      for (const task of open) end(task, messageOf(error));
    }
  }

  /** From the nearest place that can. Undefined when it is durable; else why it could not be made. */
  async #copy({ block, to, from }: CopyTask, allocSeq: number): Promise<string | undefined> {
    const { places, log } = this.#options;
    const { cid, length: maxBytes } = block;
    let why = 'no copy can be read';
    for (const source of nearest(places, from)) {
      try {
        const written = await places.copy(cid, { from: source.id, to, maxBytes, allocSeq });
        if (written.sha256 === block.sha256) return undefined;
        why = `${source.name} has other bytes`;
      } catch (error) {
        why = messageOf(error);
        places.suspect(source.id);
      }
      log.warn('A copy could not be made', { cid, from: source.id, to, why });
    }
    return why;
  }

  /**
   * Of one bucket: they count no more, and their places remove them. Those that count no more already, and those without which no other
   * copy would count, are let be: whoever wants them gone has looked some time ago.
   */
  async drop(held: readonly Held[]): Promise<void> {
    if (held.length === 0) return;
    const { link, clock } = this.#options;
    const sql = `SELECT cid, place FROM copy WHERE bucket = ? AND cid IN (${marksOf(held)})`;
    const now = clock.now();
    await link.transaction([{ sql, args: namesOf(held).args }], ([copies = []]) => {
      const asked = new Set(held.map(nameOf));
      const staying = new Set(
        copies.filter((row) => !asked.has(row.join(' '))).map(([cid]) => cid),
      );
      const counted = held.filter(isAmong(copies));
      const going = counted.filter(({ block }) => staying.has(block.cid));
      return { writes: dropStatements(going, now), result: undefined };
    });
  }

  /** They count no more; should a place come back, what it has of them is garbage. */
  async forget(held: readonly Held[]): Promise<void> {
    if (held.length > 0) await this.#options.link.run(withoutRows('copy', held));
  }

  /**
   * It is damaged or not there: it counts no more if the block can be read without it, and repair is told. True when it did not count any
   * more.
   */
  async miss(bucket: string, cid: string, place: string): Promise<boolean> {
    const { link, clock, log } = this.#options;
    const args = [bucket, cid, place];
    const todo = "bucket = ? AND kind = 'copy' AND ref = ? AND place = ?";
    const block = blockOfBlob(cid);
    const reads: readonly Statement[] = [
      { sql: `SELECT 1 FROM todo WHERE ${todo}`, args },
      { sql: 'SELECT place FROM copy WHERE bucket = ? AND cid = ?', args: [bucket, block] },
      ...codedReads(bucket, block),
    ];
    const isForgotten = await link.transaction(reads, ([known, copies, coded, shares]) => {
      const left = {
        copies: (copies ?? []).filter(([one]) => cid !== block || one !== place),
        shares: (shares ?? []).filter(([id, one]) => id !== cid || one !== place),
      };
      const found = codedOf(coded, left.shares).get(block);
      const isCoded =
        found !== undefined &&
        found.places.filter(({ length }) => length > 0).length >= found.code.data;
      if (left.copies.length === 0 && !isCoded) return { writes: [], result: false };
      const note = {
        sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'copy', ?, ?, 0, ?, 0)`,
        args: [...args, clock.now()],
      };
      const drop = { sql: `DELETE FROM copy WHERE ${COPY}`, args };
      return { writes: (known ?? []).length > 0 ? [drop] : [drop, note], result: true };
    });
    log.error('A copy of a block is damaged or gone', { place, cid, bucket, isForgotten });
    return isForgotten;
  }

  /**
   * Of one bucket: from now on what lies there is no garbage. All of a group or none of it: false for each of which a place still has to remove
   * the same.
   */
  async announce(
    groups: readonly (readonly Held[])[],
    session: number,
  ): Promise<readonly boolean[]> {
    const all = groups.flat();
    const { bucket, args } = namesOf(all);
    const reads: readonly Statement[] = [
      {
        sql: `SELECT ref, place FROM todo WHERE bucket = ? AND kind = 'drop' AND ref IN (${marksOf(all)})`,
        args,
      },
      { sql: `SELECT cid, place FROM alloc WHERE bucket = ? AND cid IN (${marksOf(all)})`, args },
    ];
    return await this.#options.link.transaction(reads, ([drops, allocs]) => {
      const [isGoing, isKnown] = [isAmong(drops), isAmong(allocs)];
      const mayLie = groups.map((group) => !group.some(isGoing));
      const free = groups.filter((_, at) => mayLie[at]).flat();
      const rows = free.map(({ block, place }) => [block.cid, place, session]);
      const columns = 'cid, place, session';
      return {
        writes: [
          ...withoutRows('alloc', free.filter(isKnown)),
          ...insertsOf(bucket, [{ table: 'alloc', columns, rows }]),
        ],
        result: mayLie,
      };
    });
  }

  /** What was announced is not made after all: what lies there is garbage. */
  async withdraw(held: readonly Held[]): Promise<void> {
    await this.#options.link.run(withoutRows('alloc', held));
  }

  /**
   * Of one bucket: they count, unless the block has been given up meanwhile: then what was made is garbage. What they are made instead of goes
   * at once. False for each that was not announced any more.
   */
  async enter(
    made: readonly Pick<CopyTask, 'block' | 'to' | 'instead'>[],
  ): Promise<readonly boolean[]> {
    const { link, clock } = this.#options;
    const all = made.map(({ block, to, instead }) => ({ block, place: to, instead }));
    const { bucket, args } = namesOf(all);
    const marks = marksOf(all);
    const reads: readonly Statement[] = [
      {
        sql: `SELECT fid, idx FROM chunk WHERE bucket = ? AND fid IN (${marks}) AND idx IN (${marks})`,
        args: [
          bucket,
          ...all.map(({ block }) => block.fid),
          ...all.map(({ block }) => block.index),
        ],
      },
      { sql: `SELECT cid, place FROM copy WHERE bucket = ? AND cid IN (${marks})`, args },
      { sql: `SELECT cid, place FROM alloc WHERE bucket = ? AND cid IN (${marks})`, args },
    ];
    const now = clock.now();
    return await link.transaction(reads, ([chunks = [], copies, allocs]) => {
      const [counted, announced] = [isAmong(copies), isAmong(allocs)];
      const used = new Set(chunks.map((row) => row.join(' ')));
      const known = all.filter(announced);
      const added = known.filter(
        (one) => used.has(`${one.block.fid} ${one.block.index}`) && !counted(one),
      );
      const replaced = added
        .flatMap(({ block, instead }) => (instead === undefined ? [] : { block, place: instead }))
        .filter(counted);
      const rows = added.map(({ block, place }) => [block.cid, place]);
      return {
        writes: [
          ...withoutRows('alloc', known),
          ...insertsOf(bucket, [{ table: 'copy', columns: 'cid, place', rows }]),
          ...dropStatements(replaced, now),
        ],
        // One that counts was entered by a try whose end was not heard of.
        result: all.map((one) => announced(one) || counted(one)),
      };
    });
  }
}

/** Of one bucket: they count no more, and their places are to remove them. */
export function dropStatements(held: readonly Held[], now: number): readonly Statement[] {
  return [...withoutRows('copy', held), ...removals(held, now)];
}

/** Of one bucket: their places are to remove them. */
export function removals(held: readonly Held[], now: number): readonly Statement[] {
  const rows = held.map(({ block, place }) => ['drop', block.cid, place, 1, now, 0]);
  const columns = 'kind, ref, place, prio, due, fails';
  return insertsOf(namesOf(held).bucket, [{ table: 'todo', columns, rows }]);
}

/** Their rows go, those of one place in one statement. */
export function withoutRows(table: 'alloc' | 'copy', held: readonly Held[]): readonly Statement[] {
  const groups = Map.groupBy(held, ({ block, place }) => `${block.bucket} ${place}`);
  return [...groups.values()].map((own) => ({
    sql: `DELETE FROM ${table} WHERE bucket = ? AND cid IN (${marksOf(own)}) AND place = ?`,
    args: [...namesOf(own).args, own[0]?.place ?? ''],
  }));
}

/** The bucket of the first, and what `bucket = ? AND cid IN (…)` asks for. */
function namesOf(held: readonly Held[]): { readonly bucket: string; readonly args: string[] } {
  const bucket = held[0]?.block.bucket ?? '';
  return { bucket, args: [bucket, ...held.map(({ block }) => block.cid)] };
}

function isAmong(rows: readonly Row[] = []): (held: Held) => boolean {
  const known = new Set(rows.map(([cid, place]) => `${text(cid)} ${text(place)}`));
  return (held) => known.has(nameOf(held));
}

function nameOf({ block, place }: Held): string {
  return `${block.cid} ${place}`;
}

function byBucket(tasks: readonly CopyTask[]): readonly CopyTask[][] {
  return [...Map.groupBy(tasks, ({ block }) => block.bucket).values()];
}
