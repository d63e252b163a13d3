/**
 * Turns copies of blocks into shares and shares into copies, and makes lost shares anew. What is made is durable where it belongs, read back
 * there and in the catalogue before anything else goes; each step may be the last one of this process.
 */
import { messageOf } from '../base/errors.ts';
import { shareCount, sharesOf } from '../erasure/erasure.ts';
import type { BlobMeta, PutOptions } from '../blobs/blobs.ts';
import { decodeAbout, encodeAbout } from './about.ts';
import type { Row, Statement } from './catalogue-link.ts';
import {
  type Copies,
  type CopiesOptions,
  dropStatements,
  removals,
  STILL_TO_REMOVE,
  TOO_LATE,
  withoutRows,
} from './copies.ts';
import { CopyReader } from './copy-reader.ts';
import { blockNotThere } from './errors.ts';
import { nearest } from './nearest.ts';
import { isHere } from './placement.ts';
import type { Block } from './repair-plan.ts';
import { text } from './rows.ts';
import type { Held, ShareTask } from './share-plan.ts';
import { blockOfShares, sumOf } from './share-reader.ts';
import {
  type Coded,
  codedInsert,
  codedOf,
  codedReads,
  isSameCode,
  shareBlock,
  shareId,
  shareRange,
} from './shares.ts';

export interface BlockCoderOptions extends CopiesOptions {
  readonly copies: Copies;
}

/** What there is of a block now. */
interface Sources {
  /** Ids of places that have all of it. */
  readonly copies: readonly string[];
  readonly coded: Coded | undefined;
}

export class BlockCoder {
  readonly #options: BlockCoderOptions;
  /** As the other places are read for copies: clients go first. */
  readonly #reader: CopyReader;
  /** One block at a time is in memory, with its shares. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(options: BlockCoderOptions) {
    this.#options = options;
    const { places, copies, log } = options;
    this.#reader = new CopyReader({
      places: {
        get self() {
          return places.self;
        },
        all: () => places.all(),
        blobs: (place) => places.background(place),
        suspect: (place) => places.suspect(place),
      },
      onBadCopy: (...copy) => {
        copies.miss(...copy).catch((error: unknown) => {
          log.warn('A bad copy is not noted', { why: messageOf(error) });
        });
      },
      log,
    });
  }

  /** Makes shares. Undefined when they count; else why they could not be made. A block gets all its first shares or none. */
  async encode(task: ShareTask): Promise<string | undefined> {
    return await this.#alone(() => this.#encode(task));
  }

  /** Makes a copy, of whatever there is. Undefined when it counts; else why it could not be made. */
  async restore(block: Block, place: string): Promise<string | undefined> {
    return await this.#alone(() => this.#restore(block, place));
  }

  async #encode({ block, code, shares: wanted }: ShareTask): Promise<string | undefined> {
    const { copies, sessions } = this.#options;
    await using session = await sessions.take();
    const sources = await this.#sourcesOf(block);
    const { coded } = sources;
    if (coded !== undefined && !isSameCode(coded.code, code))
      return 'it has shares of another code';
    const shares = sharesOf(code, await this.#bytesOf(block, sources));
    const sums = coded?.sums ?? shares.map(sumOf);
    const known = { code, sums };
    const meta = await this.#metaOf(block, sources);
    const held = wanted.map(({ number, to }) => ({
      block: shareBlock(block, known, number),
      place: to,
    }));
    const [mayLie] = await copies.announce([held], session.seq);
    if (mayLie !== true) return STILL_TO_REMOVE;
    const tries = await Promise.all(
      wanted.map(async ({ number }, at) =>
        this.#store(held[at], shares[number], {
          ...meta,
          allocSeq: session.seq,
          about: encodeAbout({
            ...decodeAbout(meta.about),
            share: { code, number, length: block.length, sha256: block.sha256 },
          }),
        }),
      ),
    );
    const why = tries.find((one) => one !== undefined);
    const made = held.filter((_, at) => tries[at] === undefined);
    const isEnough = made.length >= (coded === undefined ? shareCount(code) : 1);
    await copies.withdraw(isEnough ? held.filter((one) => !made.includes(one)) : held);
    if (!isEnough) return why ?? 'not all of its shares were asked for';
    return (await this.#enter(block, known, made)) ? why : TOO_LATE;
  }

  async #restore(block: Block, place: string): Promise<string | undefined> {
    const { copies, sessions } = this.#options;
    await using session = await sessions.take();
    const sources = await this.#sourcesOf(block);
    const bytes = await this.#bytesOf(block, sources);
    const meta = await this.#metaOf(block, sources);
    const held = { block, place };
    const [mayLie] = await copies.announce([[held]], session.seq);
    if (mayLie !== true) return STILL_TO_REMOVE;
    const why = await this.#store(held, bytes, { ...meta, allocSeq: session.seq });
    if (why === undefined) {
      const [counts] = await copies.enter([{ block, to: place, instead: undefined }]);
      return counts === true ? undefined : TOO_LATE;
    }
    await copies.withdraw([held]);
    return why;
  }

  /** Copies of a block whose shares are all there; looked at once more in the transaction that takes them away, as are the places. */
  async dropCopies(block: Block, places: readonly string[]): Promise<void> {
    const { link, clock } = this.#options;
    const { bucket, cid } = block;
    const now = clock.now();
    await link.transaction([copyRead(block), ...codedReads(bucket, cid)], (rows) => {
      const [copies = [], coded, shares] = rows;
      const found = codedOf(coded, shares).get(cid);
      const here = this.#here();
      const isWhole = found?.places.every((ids) => ids.some((id) => here.has(id))) === true;
      const going = copies.map(([place]) => text(place)).filter((place) => places.includes(place));
      const held = isWhole ? going.map((place) => ({ block, place })) : [];
      return { writes: dropStatements(held, now), result: undefined };
    });
  }

  /** Shares of a block that has so many copies; looked at once more, as above. */
  async dropShares(block: Block, copiesMin: number): Promise<void> {
    const { link, clock, places } = this.#options;
    const { bucket, cid } = block;
    const now = clock.now();
    const lost = new Set(places.all().flatMap(({ id, state }) => (state === 'lost' ? [id] : [])));
    await link.transaction([copyRead(block), codedReads(bucket, cid)[1]], ([copies, shares]) => {
      const here = this.#here();
      const left = (copies ?? []).filter(([place]) => here.has(text(place)));
      if (left.length < copiesMin) return { writes: [], result: undefined };
      const held = (shares ?? []).map(([id, place]): Held => {
        return { block: { ...block, cid: text(id) }, place: text(place) };
      });
      const rest = { sql: 'DELETE FROM coded WHERE bucket = ? AND cid = ?', args: [bucket, cid] };
      // Should a lost place come back, what it has is garbage.
      const there = held.filter(({ place }) => !lost.has(place));
      return {
        writes: [...withoutRows('copy', held), ...removals(there, now), rest],
        result: undefined,
      };
    });
  }

  /** Ids of places whose copies can be read now. */
  #here(): ReadonlySet<string> {
    return new Set(this.#options.places.all().flatMap((place) => (isHere(place) ? place.id : [])));
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#before.then(work);
    this.#before = turn.catch(() => undefined);
    return await turn;
  }

  async #sourcesOf(block: Block): Promise<Sources> {
    const { bucket, cid } = block;
    const [copies, coded, shares] = await this.#options.link.read([
      copyRead(block),
      ...codedReads(bucket, cid),
    ]);
    return {
      copies: (copies ?? []).map(([place]) => text(place)),
      coded: codedOf(coded, shares).get(cid),
    };
  }

  /** All of it, checked. */
  async #bytesOf(block: Block, { copies, coded }: Sources): Promise<Buffer> {
    const { bucket, cid, length, sha256 } = block;
    for (const place of nearest(this.#options.places, copies)) {
      const bytes = await this.#reader.bytes(bucket, cid, { start: 0, end: length }, [place.id]);
      if (bytes !== undefined && sumOf(bytes) === sha256) return bytes;
    }
    if (coded === undefined) throw blockNotThere(cid);
    return await blockOfShares(this.#reader, { ...block, coded });
  }

  /** What is kept with the block, as the first place says that answers. */
  async #metaOf(block: Block, { copies, coded }: Sources): Promise<BlobMeta> {
    const { places } = this.#options;
    const shares = (coded?.places ?? []).map(
      (ids, number) => [shareId(block.cid, number), ids] as const,
    );
    for (const [id, ids] of [[block.cid, copies] as const, ...shares])
      for (const place of nearest(places, ids)) {
        const stat = await places
          .background(place.id)
          ?.stat(id)
          .catch(() => undefined);
        if (stat === undefined) continue;
        const { about: words, ...meta } = stat.meta;
        if (words === undefined) return meta;
        const { share: _share, ...about } = decodeAbout(words);
        return { ...meta, about: encodeAbout(about) };
      }
    throw blockNotThere(block.cid);
  }

  /** Durable and read back when it resolves with undefined; else why not. */
  async #store(
    held: Held | undefined,
    bytes: Uint8Array | undefined,
    meta: BlobMeta,
  ): Promise<string | undefined> {
    const { places, log } = this.#options;
    if (held === undefined || bytes === undefined) return 'there is no such share';
    const { block, place } = held;
    const put: PutOptions = {
      ...meta,
      index: block.index,
      maxBytes: bytes.length,
      length: bytes.length,
      sha256: block.sha256,
    };
    try {
      const blobs = places.background(place);
      if (blobs === undefined) return 'its place is not known any more';
      await blobs.put(block.cid, one(bytes), put);
      const verdict = await blobs.verify(block.cid);
      if (verdict === 'good') return undefined;
      throw new Error(`it is ${verdict} after it was written`);
    } catch (error) {
      const why = messageOf(error);
      log.warn('A storage did not take a block', { cid: block.cid, place, why });
      places.suspect(place);
      return why;
    }
  }

  /** They count, unless the block has been given up meanwhile: then they are garbage. False when they were not announced any more. */
  async #enter(
    block: Block,
    known: Pick<Coded, 'code' | 'sums'>,
    made: readonly Held[],
  ): Promise<boolean> {
    const { bucket, fid, index, cid } = block;
    const range = [bucket, ...shareRange(cid)];
    const reads: readonly Statement[] = [
      {
        sql: 'SELECT 1 FROM chunk WHERE bucket = ? AND fid = ? AND idx = ?',
        args: [bucket, fid, index],
      },
      ...codedReads(bucket, cid),
      {
        sql: 'SELECT cid, place FROM alloc WHERE bucket = ? AND cid >= ? AND cid <= ?',
        args: range,
      },
    ];
    return await this.#options.link.transaction(reads, ([chunks, coded, copies, allocs]) => {
      const isIn = (rows: readonly Row[] | undefined, { block: share, place }: Held): boolean =>
        (rows ?? []).some(([id, at]) => id === share.cid && at === place);
      // A try whose end was not heard of did it.
      if (made.every((held) => isIn(copies, held))) return { writes: [], result: true };
      const before = codedOf(coded, []).get(cid);
      const isOther = before !== undefined && !isSameCode(before.code, known.code);
      if (isOther || !made.every((held) => isIn(allocs, held)))
        return { writes: [], result: false };
      const args = ({ block: share, place }: Held): readonly string[] => [bucket, share.cid, place];
      const isUsed = (chunks ?? []).length > 0;
      const counted = made.filter((held) => isUsed && !isIn(copies, held));
      return {
        writes: [
          ...made.map((held) => ({
            sql: 'DELETE FROM alloc WHERE bucket = ? AND cid = ? AND place = ?',
            args: args(held),
          })),
          ...(isUsed && before === undefined ? [codedInsert(block, known)] : []),
          ...counted.map((held) => ({
            sql: 'INSERT INTO copy (bucket, cid, place) VALUES (?, ?, ?)',
            args: args(held),
          })),
        ],
        result: true,
      };
    });
  }
}

function copyRead({ bucket, cid }: Block): Statement {
  return { sql: 'SELECT place FROM copy WHERE bucket = ? AND cid = ?', args: [bucket, cid] };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
