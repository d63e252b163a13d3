/**
 * Takes away what is not used any more: trash whose time is over, contents that nothing refers to, blocks that no catalogue knows. No clock
 * decides about data: a block is garbage only when the session that wrote it, and all before it, are over (`sessions.ts`).
 */
import { randomId } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { BlobEntry, BlobStore } from '../blobs/blobs.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import type { Copies } from './copies.ts';
import { COLLECT_PAGE, DROP_AGAIN_MS, DROP_AGAIN_MOST_MS, UPLOAD_KEPT_MS } from './limits.ts';
import { number, text } from './rows.ts';
import { blockOfBlob } from './shares.ts';

export interface CollectorOptions {
  readonly link: CatalogueLink;
  readonly places: {
    views(): readonly { readonly id: string; readonly state: string }[];
    blobs(place: string): BlobStore | undefined;
  };
  readonly copies: Pick<Copies, 'miss'>;
  /** Blocks were found missing: repair is to look. */
  readonly onMissing: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Drop {
  readonly bucket: string;
  readonly cid: string;
  readonly place: string;
  readonly fails: number;
}

export class Collector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** One round of what is due. True when there is more at once. */
  async step(): Promise<boolean> {
    const trash = await this.#emptyTrash();
    await this.#forgetUploads();
    const releases = await this.#release();
    const drops = await this.#drop();
    const isGone = await this.#closeSessions();
    if (isGone) await this.takeInventory();
    return trash || releases || drops;
  }

  /** Compares what lies in each place with what the catalogue says: removes garbage, and finds what is missing. */
  async takeInventory(): Promise<void> {
    const { places, log } = this.#options;
    await this.#forgetAllocs();
    for (const { id, state } of places.views()) {
      const blobs = places.blobs(id);
      if (blobs === undefined || !['good', 'full', 'drain'].includes(state)) continue;
      try {
        await this.#inventory(id, blobs, await this.#watermark());
      } catch (error) {
        log.warn('The inventory of a storage broke off', { place: id, why: messageOf(error) });
      }
    }
  }

  /** What sessions before it wrote is in the catalogue by now, or never will be. */
  async #watermark(): Promise<number> {
    const [lowest, counter] = await this.#options.link.read([
      { sql: "SELECT min(seq) FROM session WHERE bucket = '' AND open = 1" },
      { sql: "SELECT ord FROM usage WHERE bucket = ''" },
    ]);
    return Number(lowest?.[0]?.[0] ?? number(counter?.[0]?.[0] ?? 0) + 1);
  }

  /** Of copies that processes that are gone did not make to the end. */
  async #forgetAllocs(): Promise<void> {
    await this.#options.link.run([
      { sql: 'DELETE FROM alloc WHERE session < ?', args: [await this.#watermark()] },
    ]);
  }

  async #inventory(place: string, blobs: BlobStore, watermark: number): Promise<void> {
    for (let after: string | undefined; ;) {
      const page = await blobs.list(after, COLLECT_PAGE);
      const last = page.at(-1);
      // The catalogue is read after the storage: what it does not know by then it never will.
      const from = after ?? '';
      const to = page.length < COLLECT_PAGE ? 'g' : (last?.id ?? 'g');
      const args = [place, from, to];
      const [copies, allocs] = await this.#options.link.read([
        { sql: 'SELECT cid, bucket FROM copy WHERE place = ? AND cid > ? AND cid <= ?', args },
        { sql: 'SELECT cid FROM alloc WHERE place = ? AND cid > ? AND cid <= ?', args },
      ]);
      const known = new Set([...(copies ?? []), ...(allocs ?? [])].map(([cid]) => text(cid)));
      for (const id of garbageOf(page, { known, watermark })) await blobs.delete(id);
      await this.#miss(place, blobs, { page, copies: copies ?? [] });
      if (page.length < COLLECT_PAGE || last === undefined) return;
      after = last.id;
    }
  }

  /** A copy that is not there counts no more, if there is another one. */
  async #miss(
    place: string,
    blobs: BlobStore,
    { page, copies }: { readonly page: readonly BlobEntry[]; readonly copies: readonly Row[] },
  ): Promise<void> {
    const { copies: made, onMissing } = this.#options;
    const here = new Set(page.map(({ id }) => id));
    for (const row of copies) {
      const [cid, bucket] = [text(row[0]), text(row[1])];
      if (here.has(cid) || (await blobs.stat(cid)) !== undefined) continue;
      if (await made.miss(bucket, cid, place)) onMissing();
    }
  }

  async #emptyTrash(): Promise<boolean> {
    const { link, clock } = this.#options;
    const now = clock.now();
    const rows = await link.all(
      `SELECT bucket, id, fid, data IS NULL FROM trash WHERE until <= ? ORDER BY until LIMIT ${COLLECT_PAGE}`,
      [now],
    );
    for (const [bucket, some] of Map.groupBy(rows, ([one]) => text(one))) {
      await link.run(
        some.flatMap(([, id, fid, isStored]) => [
          { sql: 'DELETE FROM trash WHERE bucket = ? AND id = ?', args: [bucket, id ?? null] },
          ...(isStored === 1 && typeof fid === 'string' ? [todoRelease(bucket, fid, now)] : []),
        ]),
      );
    }
    return rows.length === COLLECT_PAGE;
  }

  async #forgetUploads(): Promise<void> {
    const { link, clock } = this.#options;
    const rows = await link.all(
      `SELECT bucket, id, done FROM upload WHERE done IS NOT NULL AND created < ? LIMIT ${COLLECT_PAGE}`,
      [clock.now() - UPLOAD_KEPT_MS],
    );
    for (const [bucket, id] of rows)
      await link.run([
        {
          sql: 'DELETE FROM upload WHERE bucket = ? AND id = ?',
          args: [bucket ?? null, id ?? null],
        },
      ]);
  }

  async #release(): Promise<boolean> {
    const { link, clock } = this.#options;
    const rows = await link.all(
      `SELECT bucket, ref, place FROM todo WHERE kind = 'release' AND due <= ? ORDER BY due LIMIT ${COLLECT_PAGE}`,
      [clock.now()],
    );
    for (const [bucket, fid, ref] of rows)
      await this.#releaseOne(text(bucket), text(fid), text(ref));
    return rows.length > 0;
  }

  /** Blocks of one content go in pages: what is left is found at the next step. */
  async #releaseOne(bucket: string, fid: string, ref: string): Promise<void> {
    const { link, clock } = this.#options;
    const args = [bucket, fid];
    const now = clock.now();
    const reads = [
      { sql: 'SELECT refs FROM content WHERE bucket = ? AND fid = ?', args },
      { sql: 'SELECT source FROM segment WHERE bucket = ? AND fid = ? GROUP BY source', args },
      {
        sql: `SELECT idx, cid FROM chunk WHERE bucket = ? AND fid = ? ORDER BY idx LIMIT ${COLLECT_PAGE}`,
        args,
      },
      {
        sql: 'SELECT cid, place FROM copy WHERE bucket = ? AND cid >= ? AND cid <= ? ORDER BY cid',
        args: [bucket, `${fid}00000000`, `${fid}ffffffff`],
      },
      {
        sql: "SELECT 1 FROM todo WHERE bucket = ? AND kind = 'release' AND ref = ? AND place = ?",
        args: [bucket, fid, ref],
      },
    ];
    await link.transaction(reads, ([contents, sources, chunks, copies, todo]) => {
      if ((todo ?? []).length === 0) return { writes: [], result: undefined };
      const done: Statement = {
        sql: "DELETE FROM todo WHERE bucket = ? AND kind = 'release' AND ref = ? AND place = ?",
        args: [bucket, fid, ref],
      };
      const [content] = contents ?? [];
      if (content === undefined) return { writes: [done], result: undefined };
      const refs = number(content[0]);
      const count = { sql: 'UPDATE content SET refs = ? WHERE bucket = ? AND fid = ?' };
      if (refs > 1)
        return { writes: [{ ...count, args: [refs - 1, ...args] }, done], result: undefined };
      const page = new Set((chunks ?? []).map(([, cid]) => text(cid)));
      const isWhole = page.size < COLLECT_PAGE;
      const last = (chunks ?? []).at(-1)?.[0] ?? -1;
      const going = (copies ?? []).filter(([cid]) => page.has(blockOfBlob(text(cid))));
      return {
        writes: [
          ...(sources ?? []).map(([source]) => todoRelease(bucket, text(source), now)),
          ...going.map(([cid, place]) =>
            todoDrop(bucket, { cid: text(cid), place: text(place), now }),
          ),
          ...[...new Set(going.map(([cid]) => text(cid)))].map((cid) => ({
            sql: 'DELETE FROM copy WHERE bucket = ? AND cid = ?',
            args: [bucket, cid],
          })),
          {
            sql: 'DELETE FROM coded WHERE bucket = ? AND cid >= ? AND cid <= ?',
            args: [bucket, text(chunks?.[0]?.[1] ?? ''), text(chunks?.at(-1)?.[1] ?? '')],
          },
          {
            sql: 'DELETE FROM chunk WHERE bucket = ? AND fid = ? AND idx <= ?',
            args: [...args, last],
          },
          { sql: 'DELETE FROM segment WHERE bucket = ? AND fid = ?', args },
          ...(isWhole
            ? [{ sql: 'DELETE FROM content WHERE bucket = ? AND fid = ?', args }, done]
            : [{ ...count, args: [0, ...args] }]),
        ],
        result: undefined,
      };
    });
  }

  async #drop(): Promise<boolean> {
    const { link, clock, places } = this.#options;
    const rows = await link.all(
      `SELECT bucket, ref, place, fails FROM todo WHERE kind = 'drop' AND due <= ? ORDER BY due LIMIT ${COLLECT_PAGE}`,
      [clock.now()],
    );
    const known = new Set(places.views().map(({ id }) => id));
    for (const row of rows) {
      const [bucket, cid, place] = [text(row[0]), text(row[1]), text(row[2])];
      const drop = { bucket, cid, place, fails: number(row[3]) };
      if (known.has(place)) await this.#dropOne(drop);
      else await this.#dropped(drop);
    }
    return rows.length === COLLECT_PAGE;
  }

  async #dropOne(drop: Drop): Promise<void> {
    const { places, log, clock, link } = this.#options;
    try {
      await places.blobs(drop.place)?.delete(drop.cid);
      await this.#dropped(drop);
    } catch (error) {
      log.debug('A storage did not remove a block', { ...drop, why: messageOf(error) });
      const pauseMs = Math.min(DROP_AGAIN_MS * 2 ** drop.fails, DROP_AGAIN_MOST_MS);
      await link.run([
        {
          sql: "UPDATE todo SET due = ?, fails = ? WHERE bucket = ? AND kind = 'drop' AND ref = ? AND place = ?",
          args: [clock.now() + pauseMs, drop.fails + 1, drop.bucket, drop.cid, drop.place],
        },
      ]);
    }
  }

  async #dropped({ bucket, cid, place }: Drop): Promise<void> {
    await this.#options.link.run([
      {
        sql: "DELETE FROM todo WHERE bucket = ? AND kind = 'drop' AND ref = ? AND place = ?",
        args: [bucket, cid, place],
      },
    ]);
  }

  /** Those of processes that are gone. First each bucket refuses them, then they hold up nothing. */
  async #closeSessions(): Promise<boolean> {
    const { link, clock, log } = this.#options;
    const rows = await link.all(
      "SELECT seq, node FROM session WHERE bucket = '' AND open = 1 AND expires < ?",
      [clock.now()],
    );
    for (const [seq, node] of rows) {
      const fence = number(seq) + 1;
      await link.run([
        {
          sql: "UPDATE usage SET fence = ? WHERE bucket <> '' AND fence < ?",
          args: [fence, fence],
        },
      ]);
      await link.run([
        { sql: "DELETE FROM session WHERE bucket = '' AND seq = ?", args: [number(seq)] },
      ]);
      log.info('Writes of a process that is gone are closed', { node, seq });
    }
    return rows.length > 0;
  }
}

/** Blocks that nothing refers to and nothing will. Pure. */
export function garbageOf(
  page: readonly BlobEntry[],
  { known, watermark }: { readonly known: ReadonlySet<string>; readonly watermark: number },
): readonly string[] {
  return page
    .filter(({ id, allocSeq }) => !known.has(id) && allocSeq < watermark)
    .map(({ id }) => id);
}

/** A content is used once less. */
export function todoRelease(bucket: string, fid: string, now: number): Statement {
  return {
    sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'release', ?, ?, 0, ?, 0)`,
    args: [bucket, fid, randomId(8), now],
  };
}

function todoDrop(
  bucket: string,
  { cid, place, now }: { readonly cid: string; readonly place: string; readonly now: number },
): Statement {
  return {
    sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'drop', ?, ?, 0, ?, 0)`,
    args: [bucket, cid, place, now],
  };
}
