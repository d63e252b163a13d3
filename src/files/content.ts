/** The bytes of objects and parts: cut into blocks when they come, put together again when they are read. */
import { createHash, type Hash } from 'node:crypto';
import { randomHex } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { giveBack, share } from '../base/piece-pool.ts';
import type { Clock } from '../base/time.ts';
import { type About, encodeAbout } from './about.ts';
import { type Places, BlockWriter, type StoredBlock } from './block-writer.ts';
import type { CatalogueLink, Row, Value } from './catalogue-link.ts';
import type { Insert } from './changes.ts';
import { CopyReader } from './copy-reader.ts';
import { coderOf } from './encryption.ts';
import { sizeWrong, storageFull, unreadable } from './errors.ts';
import { BLOCKS_ENDING_MAX, CHUNK_BYTES, INLINE_BYTES_MAX } from './limits.ts';
import type { Range, Received } from './model.ts';
import type { Lookups } from './lookups.ts';
import { isHere, mayFit } from './placement.ts';
import type { Policy } from './policy.ts';
import { number, text } from './rows.ts';
import { type CodedBlock, readShares } from './share-reader.ts';
import { codedOf, codedReads } from './shares.ts';

/** A content that is written and not yet in the catalogue. */
export interface StoredContent extends Received {
  readonly fid: string;
  /** All of it when it is small; then there are no blocks. */
  readonly data: Uint8Array | null;
  readonly blocks: readonly StoredBlock[];
  readonly policy: string;
  /** Of the session that wrote it. */
  readonly session: number;
}

export interface WriteWish {
  /** `bucket/key`, for whoever has only the disks. */
  readonly name: string;
  readonly policy: Policy;
  /** As announced. */
  readonly size: number | undefined;
  /** Held until it is committed. */
  readonly session: number;
  /** False for what may not lie in the catalogue: parts. */
  readonly mayInline: boolean;
  readonly about?: About;
  /** Default: a new one. */
  readonly fid?: string;
  /** Of what is to be encrypted. */
  readonly secret?: Uint8Array | undefined;
}

export interface ReadWish {
  /** Ids of the places that have its first block, when they are known. */
  readonly places?: readonly string[] | undefined;
  /** Of what is encrypted. */
  readonly secret?: Uint8Array | undefined;
}

/** A piece of a content that others are made of. */
export interface Segment {
  /** Of an upload; 1 where there were none. */
  readonly part: number;
  readonly source: string;
  readonly start: number;
  readonly length: number;
}

export interface ContentOptions {
  readonly link: CatalogueLink;
  readonly lookups: Lookups;
  readonly places: Places;
  /** A copy that was read is damaged or gone. */
  readonly onBadCopy?: (bucket: string, cid: string, place: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Of a block's name, behind the fid. */
const INDEX_DIGITS = 8;
/** Of a fid, behind its first digit: some that it has in common with those made before and after it, then its number among them. */
const RANDOM_DIGITS = 13;
const RUN_DIGITS = 3;
const RUN_LENGTH: number = 16 ** RUN_DIGITS;
const MINUTE_DIGITS = 7;
const MINUTE_MS = 60_000;
/** Blocks whose copies are asked for at once. */
const BLOCKS_AHEAD = 32;
const COPIES_ROWS_MAX = 320;
const SEGMENTS_PAGE = 2000;
/** First digit of a fid; 0 in older ones, which do not end with a time. */
const PLAIN = '1';
const SEGMENTED = 'f';

/** Of the fids to come. */
let run = { random: '', next: RUN_LENGTH };

/**
 * Of a content that is blocks: 24 hex digits, what it is made of, random ones, a number, the minute. Those of one process that follow
 * each other lie side by side in the catalogue, so that a transaction of many changes few of its pages.
 */
export function blocksFid(nowMs: number): string {
  if (run.next === RUN_LENGTH) run = { random: randomHex(RANDOM_DIGITS), next: 0 };
  const number = hex(run.next, RUN_DIGITS);
  run.next += 1;
  return `${PLAIN}${run.random}${number}${hex(Math.floor(nowMs / MINUTE_MS), MINUTE_DIGITS)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** Of one that is pieces of others. */
export function segmentsFid(): string {
  return `${SEGMENTED}${randomHex(RANDOM_DIGITS + RUN_DIGITS + MINUTE_DIGITS)}`;
}

/** When its bytes were written; undefined when its name does not tell: before names did. */
export function writtenAt(fid: string): number | undefined {
  if (!fid.startsWith(PLAIN)) return undefined;
  return Number.parseInt(fid.slice(-MINUTE_DIGITS), 16) * MINUTE_MS;
}

export function isSegmented(fid: string): boolean {
  return fid.startsWith(SEGMENTED);
}

/** A block's name says what it is a piece of. */
export function blockId(fid: string, index: number): string {
  return `${fid}${hex(index, INDEX_DIGITS)}`;
}

function partsOf(cid: string): readonly [fid: string, index: number] {
  return [cid.slice(0, -INDEX_DIGITS), Number.parseInt(cid.slice(-INDEX_DIGITS), 16)];
}

export class Contents {
  readonly #options: ContentOptions;
  readonly #reader: CopyReader;

  constructor(options: ContentOptions) {
    this.#options = options;
    this.#reader = new CopyReader(options);
  }

  /** Before a byte of it is asked for. Throws `FILES_FULL`; where no place is here at all, the first block says why. */
  checkRoom({ policy, size = 0 }: Pick<WriteWish, 'policy' | 'size'>): void {
    const places = this.#options.places.all();
    if (size > INLINE_BYTES_MAX && places.some(isHere) && !mayFit(policy, places, size))
      throw storageFull();
  }

  /** Nothing of it counts before its rows are in the catalogue; what fails on the way is collected as garbage. Pieces of the body are given back. */
  async write(body: AsyncIterable<Uint8Array>, wish: WriteWish): Promise<StoredContent> {
    this.checkRoom(wish);
    const writer = new ContentWriter(this.#options, wish);
    try {
      for await (const piece of body) await writer.push(piece);
      return await writer.finish();
    } catch (error) {
      await writer.abandon(error);
      throw error;
    }
  }

  async *read(
    bucket: string,
    fid: string,
    range: Range,
    how: ReadWish = {},
  ): AsyncGenerator<Uint8Array> {
    if (!isSegmented(fid)) return yield* this.#readPlain(bucket, fid, range, how);
    let at = 0;
    for await (const { source, start, length } of this.segments(bucket, fid)) {
      const from = Math.max(range.start, at);
      const to = Math.min(range.end, at + length);
      if (from < to) {
        const offset = start - at;
        const piece = { start: from + offset, end: to + offset };
        yield* this.#readPlain(bucket, source, piece, { secret: how.secret });
      }
      at += length;
      if (at >= range.end) return;
    }
  }

  async *segments(bucket: string, fid: string): AsyncGenerator<Segment> {
    for (let after = -1; ;) {
      const rows = await this.#options.link.all(
        `SELECT idx, part, source, start, length FROM segment WHERE bucket = ? AND fid = ? AND idx > ?
         ORDER BY idx LIMIT ${SEGMENTS_PAGE}`,
        [bucket, fid, after],
      );
      for (const [idx, part, source, start, length] of rows) {
        yield {
          part: number(part),
          source: text(source),
          start: number(start),
          length: number(length),
        };
        after = number(idx);
      }
      if (rows.length < SEGMENTS_PAGE) return;
    }
  }

  /** Sizes of the parts that it came in. */
  async partSizes(bucket: string, fid: string): Promise<readonly number[]> {
    const rows = await this.#options.link.all(
      'SELECT part, sum(length) FROM segment WHERE bucket = ? AND fid = ? GROUP BY part ORDER BY part',
      [bucket, fid],
    );
    return rows.map(([, length]) => number(length));
  }

  async *#readPlain(
    bucket: string,
    fid: string,
    range: Range,
    { places, secret }: ReadWish,
  ): AsyncGenerator<Uint8Array> {
    const blocks = this.#readBlocks(bucket, fid, range, places);
    if (secret === undefined) return yield* blocks;
    const decode = coderOf(secret, fid, range.start);
    for await (const piece of blocks) yield decode(piece);
  }

  async *#readBlocks(
    bucket: string,
    fid: string,
    { start, end }: Range,
    places?: readonly string[],
  ): AsyncGenerator<Uint8Array> {
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    let at = start;
    let known: ReadonlyMap<string, readonly string[]> = new Map(
      places === undefined ? [] : [[blockId(fid, 0), places]],
    );
    while (at < end) {
      const index = Math.floor(at / CHUNK_BYTES);
      const cid = blockId(fid, index);
      // Most contents are one block: many are asked for together.
      if (!known.has(cid) && index === last)
        known = new Map([[cid, await this.#options.lookups.places(bucket, cid)]]);
      else if (!known.has(cid))
        known = await this.#copies(bucket, fid, index, Math.min(last, index + BLOCKS_AHEAD - 1));
      const from = at - index * CHUNK_BYTES;
      const to = Math.min(end - index * CHUNK_BYTES, CHUNK_BYTES);
      yield* this.#readBlock(bucket, cid, {
        range: { start: from, end: to },
        places: known.get(cid) ?? [],
      });
      at += to - from;
    }
  }

  /** From the nearest copy; when there is none (any more), from shares. */
  async *#readBlock(
    bucket: string,
    cid: string,
    { range, places: ids }: { readonly range: Range; readonly places: readonly string[] },
  ): AsyncGenerator<Uint8Array> {
    const { places } = this.#options;
    let at = range.start;
    let why: string | undefined;
    for (const round of ['known', 'asked again'] as const) {
      const where = round === 'known' ? ids : await this.#placesOf(bucket, cid);
      const isStrange = where.some((id) => places.blobs(id) === undefined);
      if (round === 'asked again' && isStrange) await places.look();
      const left = { start: at, end: range.end };
      const ended = yield* this.#reader.read(bucket, cid, left, where);
      if (ended.at === range.end) return;
      ({ at } = ended);
      why = ended.why ?? why;
    }
    const block = await this.#codedBlock(bucket, cid);
    if (block === undefined) throw unreadable(cid, why ?? 'no copy is known');
    yield* readShares(this.#reader, block, { start: at, end: range.end });
  }

  /** Undefined when it has no shares. */
  async #codedBlock(bucket: string, cid: string): Promise<CodedBlock | undefined> {
    const [coded, copies, chunk] = await this.#options.link.read([
      ...codedReads(bucket, cid),
      {
        sql: 'SELECT length FROM chunk WHERE bucket = ? AND fid = ? AND idx = ?',
        args: [bucket, ...partsOf(cid)],
      },
    ]);
    const found = codedOf(coded, copies).get(cid);
    const length = chunk?.[0]?.[0];
    if (found === undefined || length === undefined) return undefined;
    return { bucket, cid, length: number(length), coded: found };
  }

  async #placesOf(bucket: string, cid: string): Promise<readonly string[]> {
    const rows = await this.#options.link.all(
      'SELECT place FROM copy WHERE bucket = ? AND cid = ?',
      [bucket, cid],
    );
    return rows.map(([place]) => text(place));
  }

  async #copies(
    bucket: string,
    fid: string,
    from: number,
    to: number,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const rows = await this.#options.link.all(
      `SELECT cid, place FROM copy WHERE bucket = ? AND cid >= ? AND cid <= ? ORDER BY cid LIMIT ${COPIES_ROWS_MAX}`,
      [bucket, blockId(fid, from), blockId(fid, to)],
    );
    // The first one is asked for: it counts as known even when nobody has it.
    const found = new Map<string, readonly string[]>([[blockId(fid, from), []]]);
    for (const row of rows) {
      const cid = text(row[0]);
      found.set(cid, [...(found.get(cid) ?? []), text(row[1])]);
    }
    return found;
  }
}

/** The rows that make a content count. */
export function contentInserts(content: StoredContent): readonly Insert[] {
  if (content.data !== null) return [];
  const { fid, blocks, size, policy } = content;
  return [
    {
      table: 'content',
      columns: 'fid, refs, size, kind, policy',
      rows: [[fid, 1, size, 'blocks', policy]],
    },
    {
      table: 'chunk',
      columns: 'fid, idx, cid, length, sha256',
      rows: blocks.map(({ cid, length, sha256 }, index): readonly Value[] => [
        fid,
        index,
        cid,
        length,
        sha256,
      ]),
    },
    {
      table: 'copy',
      columns: 'cid, place',
      rows: blocks.flatMap(({ cid, places }) => places.map((place): Row => [cid, place])),
    },
  ];
}

class ContentWriter {
  readonly #options: ContentOptions;
  readonly #wish: WriteWish;
  readonly #fid: string;
  readonly #md5 = createHash('md5');
  /** Of the plain bytes; undefined while the sums of the first block are of the same. */
  #sha256: Hash | undefined;
  readonly #encode: ((piece: Uint8Array) => Uint8Array) | undefined;
  readonly #blocks: StoredBlock[] = [];
  /** Of a content that may still be small. */
  #head: Uint8Array[] | undefined = [];
  #size = 0;
  #open: BlockWriter | undefined;
  #openBytes = 0;
  /** The blocks before, which are being made durable while the next one comes. */
  #ending: readonly Promise<StoredBlock>[] = [];

  constructor(options: ContentOptions, wish: WriteWish) {
    this.#options = options;
    this.#wish = wish;
    this.#fid = wish.fid ?? blocksFid(options.clock.now());
    if (!wish.mayInline) this.#head = undefined;
    if (wish.secret === undefined) return;
    this.#encode = coderOf(wish.secret, this.#fid, 0);
    this.#sha256 = createHash('sha256');
  }

  async push(plain: Uint8Array): Promise<void> {
    if (plain.length === 0) return;
    this.#md5.update(plain);
    if (this.#encode !== undefined) this.#sha256?.update(plain);
    this.#size += plain.length;
    const { size } = this.#wish;
    if (size !== undefined && this.#size > size) throw sizeWrong(size, this.#size);
    const piece = this.#encode === undefined ? plain : this.#encode(plain);
    if (piece !== plain) giveBack(plain);
    if (this.#head === undefined) return await this.#store(piece);
    this.#head.push(piece);
    if (this.#size <= INLINE_BYTES_MAX) return;
    const head = this.#head;
    this.#head = undefined;
    for (const one of head) await this.#store(one);
  }

  async finish(): Promise<StoredContent> {
    const { size, policy, session } = this.#wish;
    if (size !== undefined && this.#size !== size) throw sizeWrong(size, this.#size);
    if (this.#open !== undefined) await this.#close(this.#open);
    await this.#await(0);
    const data = this.#head === undefined ? null : Buffer.concat(this.#head);
    const sha256 = this.#sha256 ?? createHash('sha256').update(data ?? '');
    const received = {
      size: this.#size,
      md5: this.#md5.digest('hex'),
      sha256: sha256.digest('hex'),
    };
    return {
      ...received,
      fid: this.#fid,
      data,
      blocks: this.#blocks,
      policy: policy.text,
      session,
    };
  }

  async abandon(error: unknown): Promise<void> {
    await this.#open?.abandon(error);
    // It failed already; why is what the caller hears.
    await Promise.allSettled(this.#ending);
  }

  async #store(piece: Uint8Array): Promise<void> {
    let rest = piece;
    while (rest.length > 0) {
      this.#open ??= this.#begin();
      const some = rest.subarray(0, CHUNK_BYTES - this.#openBytes);
      rest = rest.subarray(some.length);
      if (rest.length > 0) share(rest);
      if (this.#encode === undefined) this.#sha256?.update(some);
      await this.#open.push(some);
      this.#openBytes += some.length;
      if (this.#openBytes === CHUNK_BYTES) await this.#close(this.#open);
    }
  }

  #begin(): BlockWriter {
    const { places, log, clock } = this.#options;
    const { policy, session, name, size, about } = this.#wish;
    const fid = this.#fid;
    const index = this.#blocks.length + this.#ending.length;
    const left = size === undefined ? undefined : size - index * CHUNK_BYTES;
    const writer = new BlockWriter({
      places,
      log,
      wish: {
        cid: blockId(fid, index),
        policy,
        put: {
          fid,
          index,
          allocSeq: session,
          createdAt: clock.now(),
          policy: policy.text,
          ...(index === 0 ? { name, about: encodeAbout({ size, ...about }) } : {}),
          maxBytes: CHUNK_BYTES,
          ...(left === undefined ? {} : { length: Math.min(left, CHUNK_BYTES) }),
        },
      },
    });
    if (writer.sums === undefined) this.#sha256 ??= createHash('sha256');
    return writer;
  }

  async #close(open: BlockWriter): Promise<void> {
    this.#open = undefined;
    this.#openBytes = 0;
    this.#sha256 ??= open.sums?.sha256();
    const ending = open.finish();
    // Whoever awaits it later must find it handled until then.
    ending.catch(() => undefined);
    this.#ending = [...this.#ending, ending];
    await this.#await(BLOCKS_ENDING_MAX);
  }

  /** Until no more than so many are being made durable. */
  async #await(most: number): Promise<void> {
    const due = this.#ending.slice(0, Math.max(0, this.#ending.length - most));
    this.#blocks.push(...(await Promise.all(due)));
    this.#ending = this.#ending.slice(due.length);
  }
}
