/**
 * Copies of blocks that are there already, made and taken away. Each is written down before it is made, so that it is no garbage on the
 * way, and counts once it is there and is what the catalogue says.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Written } from '../blobs/blobs.ts';
import type { CatalogueLink, Statement } from './catalogue-link.ts';
import type { Places } from './block-writer.ts';
import { nearest } from './nearest.ts';
import type { Block } from './repair-plan.ts';
import type { Sessions } from './sessions.ts';

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
}

export interface CopiesOptions {
  readonly link: CatalogueLink;
  readonly places: CopyPlaces;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Logger;
}

const COPY = 'bucket = ? AND cid = ? AND place = ?';

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
        if (!(await this.#announce(block, to, session.seq)))
          return 'the place still has to remove the same block';
        const written = await places.copy(block.cid, {
          from: source.id,
          to,
          maxBytes: block.length,
          allocSeq: session.seq,
        });
        if (written.sha256 === block.sha256) {
          await this.#enter(block, to);
          return undefined;
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
  async drop({ bucket, cid }: Block, place: string): Promise<void> {
    const { link, clock } = this.#options;
    const args = [bucket, cid, place];
    await link.run([
      { sql: `DELETE FROM copy WHERE ${COPY}`, args },
      {
        sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'drop', ?, ?, 1, ?, 0)`,
        args: [...args, clock.now()],
      },
    ]);
  }

  /** It counts no more; should its place come back, it is garbage. */
  async forget({ bucket, cid }: Block, place: string): Promise<void> {
    await this.#options.link.run([
      { sql: `DELETE FROM copy WHERE ${COPY}`, args: [bucket, cid, place] },
    ]);
  }

  /** It is damaged or not there: it counts no more if there is another one, and repair is told. True when it did not count any more. */
  async miss(bucket: string, cid: string, place: string): Promise<boolean> {
    const { link, clock, log } = this.#options;
    const args = [bucket, cid, place];
    const todo = "bucket = ? AND kind = 'copy' AND ref = ? AND place = ?";
    const reads: readonly Statement[] = [
      { sql: 'SELECT 1 FROM copy WHERE bucket = ? AND cid = ? AND place <> ?', args },
      { sql: `SELECT 1 FROM todo WHERE ${todo}`, args },
    ];
    const isForgotten = await link.transaction(reads, ([others, known]) => {
      if ((others ?? []).length === 0) return { writes: [], result: false };
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

  /** From now on what lies there is no garbage. False when that place still has to remove the same block. */
  async #announce({ bucket, cid }: Block, place: string, session: number): Promise<boolean> {
    const args = [bucket, cid, place];
    const reads: readonly Statement[] = [
      {
        sql: "SELECT 1 FROM todo WHERE bucket = ? AND kind = 'drop' AND ref = ? AND place = ?",
        args,
      },
      { sql: `SELECT 1 FROM alloc WHERE ${COPY}`, args },
    ];
    return await this.#options.link.transaction(reads, ([drops, allocs]) => {
      if ((drops ?? []).length > 0) return { writes: [], result: false };
      if ((allocs ?? []).length > 0) return { writes: [], result: true };
      const sql = 'INSERT INTO alloc (bucket, cid, place, session) VALUES (?, ?, ?, ?)';
      return { writes: [{ sql, args: [...args, session] }], result: true };
    });
  }

  /** The copy counts, unless the block has been given up meanwhile: then it is garbage. */
  async #enter({ bucket, fid, cid, index }: Block, place: string): Promise<void> {
    const args = [bucket, cid, place];
    const reads: readonly Statement[] = [
      {
        sql: 'SELECT 1 FROM chunk WHERE bucket = ? AND fid = ? AND idx = ?',
        args: [bucket, fid, index],
      },
      { sql: `SELECT 1 FROM copy WHERE ${COPY}`, args },
    ];
    await this.#options.link.transaction(reads, ([chunks, copies]) => ({
      writes: [
        { sql: `DELETE FROM alloc WHERE ${COPY}`, args },
        ...((chunks ?? []).length > 0 && (copies ?? []).length === 0
          ? [{ sql: 'INSERT INTO copy (bucket, cid, place) VALUES (?, ?, ?)', args }]
          : []),
      ],
      result: undefined,
    }));
  }
}
