/**
 * Copies of blocks that are there already, made and taken away. Each is written down before it is made, so that it is no garbage on the
 * way, and counts once it is there and is what the catalogue says.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { BlobStore, Written } from '../blobs/blobs.ts';
import type { CatalogueLink, Statement } from './catalogue-link.ts';
import type { Places } from './block-writer.ts';
import { nearest } from './nearest.ts';
import type { Block } from './repair-plan.ts';
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

  /** From the nearest place that can. Undefined when it counts; else why it could not be made. */
  async make(block: Block, to: string, from: readonly string[]): Promise<string | undefined> {
    const { places, sessions, log } = this.#options;
    await using session = await sessions.take();
    let why = 'no copy can be read';
    for (const source of nearest(places, from)) {
      try {
        if (!(await this.announce([{ block, place: to }], session.seq))) return STILL_TO_REMOVE;
        const written = await places.copy(block.cid, {
          from: source.id,
          to,
          maxBytes: block.length,
          allocSeq: session.seq,
        });
        if (written.sha256 === block.sha256) {
          return (await this.enter(block, to)) ? undefined : TOO_LATE;
        }
        why = `${source.name} has other bytes`;
      } catch (error) {
        why = messageOf(error);
        places.suspect(source.id);
      }
      log.warn('A copy could not be made', { cid: block.cid, from: source.id, to, why });
    }
    return why;
  }

  /** It counts no more, and the place removes it. */
  async drop(block: Block, place: string): Promise<void> {
    const { link, clock } = this.#options;
    await link.run(dropStatements({ block, place }, clock.now()));
  }

  /** It counts no more; should its place come back, it is garbage. */
  async forget({ bucket, cid }: Block, place: string): Promise<void> {
    await this.#options.link.run([
      { sql: `DELETE FROM copy WHERE ${COPY}`, args: [bucket, cid, place] },
    ]);
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

  /** From now on what lies there is no garbage. False when one of the places still has to remove the same. */
  async announce(held: readonly Held[], session: number): Promise<boolean> {
    const reads = held.flatMap(({ block: { bucket, cid }, place }): readonly Statement[] => {
      const args = [bucket, cid, place];
      const drop = "bucket = ? AND kind = 'drop' AND ref = ? AND place = ?";
      return [
        { sql: `SELECT 1 FROM todo WHERE ${drop}`, args },
        { sql: `SELECT session FROM alloc WHERE ${COPY}`, args },
      ];
    });
    return await this.#options.link.transaction(reads, (rows) => {
      if (held.some((_, at) => (rows[2 * at] ?? []).length > 0))
        return { writes: [], result: false };
      const writes = held.map(({ block: { bucket, cid }, place }, at): Statement => {
        const args = [bucket, cid, place];
        return (rows[2 * at + 1] ?? []).length > 0
          ? { sql: `UPDATE alloc SET session = ? WHERE ${COPY}`, args: [session, ...args] }
          : {
              sql: 'INSERT INTO alloc (bucket, cid, place, session) VALUES (?, ?, ?, ?)',
              args: [...args, session],
            };
      });
      return { writes, result: true };
    });
  }

  /** What was announced is not made after all: what lies there is garbage. */
  async withdraw(held: readonly Held[]): Promise<void> {
    await this.#options.link.run(
      held.map(({ block: { bucket, cid }, place }) => ({
        sql: `DELETE FROM alloc WHERE ${COPY}`,
        args: [bucket, cid, place],
      })),
    );
  }

  /** The copy counts, unless the block has been given up meanwhile: then it is garbage. False when it was not announced any more. */
  async enter({ bucket, fid, cid, index }: Block, place: string): Promise<boolean> {
    const args = [bucket, cid, place];
    const reads: readonly Statement[] = [
      {
        sql: 'SELECT 1 FROM chunk WHERE bucket = ? AND fid = ? AND idx = ?',
        args: [bucket, fid, index],
      },
      { sql: `SELECT 1 FROM copy WHERE ${COPY}`, args },
      { sql: `SELECT 1 FROM alloc WHERE ${COPY}`, args },
    ];
    return await this.#options.link.transaction(reads, ([chunks, copies, allocs]) => {
      if ((allocs ?? []).length === 0) return { writes: [], result: (copies ?? []).length > 0 };
      return {
        writes: [
          { sql: `DELETE FROM alloc WHERE ${COPY}`, args },
          ...((chunks ?? []).length > 0 && (copies ?? []).length === 0
            ? [{ sql: 'INSERT INTO copy (bucket, cid, place) VALUES (?, ?, ?)', args }]
            : []),
        ],
        result: true,
      };
    });
  }
}

/** It counts no more, and its place is to remove it. */
export function dropStatements(
  { block: { bucket, cid }, place }: Held,
  now: number,
): readonly Statement[] {
  const args = [bucket, cid, place];
  return [
    { sql: `DELETE FROM copy WHERE ${COPY}`, args },
    {
      sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'drop', ?, ?, 1, ?, 0)`,
      args: [...args, now],
    },
  ];
}
