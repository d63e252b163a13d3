/** What is under a key, as a document of MongoDB, and the blocks of bodies that it names. What was damaged is not there. */
import { crc32 } from 'node:zlib';
import type { Block, Body, Piece } from './body.ts';
import { PieceBody } from './body.ts';
import { Entry, type EntryValues } from './entry.ts';
import type { MongoConnection, MongoDocument } from './mongo-driver.ts';
import { Stored } from './tier.ts';

/** Grows with incompatible changes; records of another one are not read. */
const FORMAT = 1;
/** What a document takes beside what it is for: its id, its names, its place in the index of ids. */
const DOCUMENT_OVERHEAD_BYTES = 300;

export interface BlockPlace {
  readonly id: string;
  readonly length: number;
  readonly checksum: number;
}

export interface RecordPiece {
  readonly block: MongoBlock;
  readonly from: number;
  readonly length: number;
  /** Learns where it is when that is sure. */
  readonly piece: Piece;
  readonly body: Body;
}

export interface RecordVariant {
  readonly entry: Entry;
  readonly stamp: number;
  readonly pieces: readonly RecordPiece[];
}

export class MongoBlock implements Block {
  readonly connection: MongoConnection;
  readonly place: BlockPlace;
  readonly #on: { freed(block: MongoBlock): void; trouble(error: unknown): void };
  #pins = 0;
  #isDropped = false;

  constructor(
    connection: MongoConnection,
    place: BlockPlace,
    on: { freed(block: MongoBlock): void; trouble(error: unknown): void },
  ) {
    this.connection = connection;
    this.place = place;
    this.#on = on;
  }

  get id(): string {
    return this.place.id;
  }

  get length(): number {
    return this.place.length;
  }

  get alive(): boolean {
    return !this.#isDropped;
  }

  /** Bytes in the database. */
  get takes(): number {
    return this.place.length + DOCUMENT_OVERHEAD_BYTES;
  }

  async load(): Promise<Buffer | undefined> {
    try {
      const document = await this.connection.blocks.findOne({ _id: this.id });
      const bytes: unknown = document?.['bytes'];
      if (!Buffer.isBuffer(bytes) || bytes.length !== this.length) return undefined;
      return crc32(bytes) === this.place.checksum ? bytes : undefined;
    } catch (error) {
      this.#on.trouble(error);
      return undefined;
    }
  }

  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
    if (this.#isDropped && this.#pins === 0) this.#on.freed(this);
  }

  /** It is removed when nobody reads it any more. */
  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    if (this.#pins === 0) this.#on.freed(this);
  }
}

/** What is known here of a record in the database. */
export class Held {
  readonly id: string;
  readonly stamp: number;
  readonly blocks: readonly MongoBlock[];
  /** The record itself, in the database. */
  takes = 0;

  constructor(id: string, stamp: number, blocks: readonly MongoBlock[]) {
    this.id = id;
    this.stamp = stamp;
    this.blocks = blocks;
  }

  get allTakes(): number {
    return this.blocks.reduce((sum, block) => sum + block.takes, this.takes);
  }
}

export type RecordDocument = MongoDocument & { readonly text: string };

export function documentOf(
  held: Held,
  of: {
    readonly key: string;
    readonly hash: number;
    readonly owner: string;
    readonly variants: readonly RecordVariant[];
  },
): RecordDocument {
  const variants = of.variants.map(({ entry, stamp, pieces }) => ({
    entry,
    stamp,
    pieces: pieces.map(({ block, from, length }) => [block.id, from, length]),
  }));
  const text = JSON.stringify({ key: of.key, variants });
  held.takes = Buffer.byteLength(text) + held.blocks.length * 64 + DOCUMENT_OVERHEAD_BYTES;
  return {
    _id: held.id,
    format: FORMAT,
    owner: of.owner,
    hash: of.hash,
    stamp: held.stamp,
    takes: held.takes,
    blocks: held.blocks.map(({ place }) => place),
    text,
    checksum: crc32(text),
  };
}

/** Of a document without its text; undefined when it is none of ours. */
export function heldOf(
  document: Readonly<Record<string, unknown>>,
  blockOf: (place: BlockPlace) => MongoBlock,
): { readonly hash: number; readonly number: number; readonly held: Held } | undefined {
  const { _id: id, format, hash, stamp, takes, blocks } = document;
  if (format !== FORMAT || typeof id !== 'string' || !Array.isArray(blocks)) return undefined;
  if (typeof hash !== 'number' || typeof stamp !== 'number' || typeof takes !== 'number')
    return undefined;
  const held = new Held(id, stamp, (blocks as readonly BlockPlace[]).map(blockOf));
  held.takes = takes;
  return { hash, number: Number(id.slice(id.lastIndexOf('-') + 1)), held };
}

interface PlainVariant {
  readonly entry: EntryValues;
  readonly stamp: number;
  readonly pieces: readonly (readonly [string, number, number])[];
}

/** What the document says about the key; undefined when it is damaged, or about another key. */
export function revive(
  key: string,
  document: Readonly<Record<string, unknown>> | null | undefined,
  held: Held,
): readonly Stored[] | undefined {
  const { text, checksum } = document ?? {};
  if (typeof text !== 'string' || crc32(text) !== checksum) return undefined;
  const record = JSON.parse(text) as {
    readonly key: string;
    readonly variants: readonly PlainVariant[];
  };
  if (record.key !== key) return undefined;
  const blocks = new Map(held.blocks.map((block) => [block.id, block]));
  return record.variants.map(({ entry, stamp, pieces }) => {
    const revived = pieces.map(([id, from, length]) => ({
      bytes: undefined,
      block: blocks.get(id),
      from,
      length,
    }));
    return new Stored(key, new Entry(entry), PieceBody.of(revived), stamp);
  });
}
