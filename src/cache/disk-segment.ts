/** A pair of append-only files, `.keys` and `.blocks`. Knows places and checksums; what they mean is the tier's affair. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Block } from './body.ts';
import { KEYS_MAGIC, type BlockPlace } from './disk-format.ts';

const NAME = /^(\d{10})\.(?:keys|blocks)$/;

/** The number of the segment that a file belongs to; undefined for what is none of ours. */
export function segmentOf(fileName: string): number | undefined {
  const digits = NAME.exec(fileName)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function segmentPaths(
  folder: string,
  number: number,
): { readonly keys: string; readonly blocks: string } {
  const name = String(number).padStart(10, '0');
  return { keys: join(folder, `${name}.keys`), blocks: join(folder, `${name}.blocks`) };
}

export async function removeSegment(folder: string, number: number): Promise<void> {
  const { keys, blocks } = segmentPaths(folder, number);
  // Records first: without its records a block is nothing, the other way round it would be a failure to read.
  await rm(keys, { force: true });
  await rm(blocks, { force: true });
}

export class Segment {
  readonly number: number;
  /** Hashes of the records in it. */
  readonly hashes: number[] = [];
  keysBytes: number;
  blocksBytes: number;
  #folder: string;
  #keys: FileHandle;
  #blocks: FileHandle;
  #pins = 0;
  #unsynced = true;
  #dropped = false;
  #closed = false;

  private constructor(
    folder: string,
    number: number,
    files: { readonly keys: FileHandle; readonly blocks: FileHandle },
    sizes: { readonly keys: number; readonly blocks: number },
  ) {
    this.#folder = folder;
    this.number = number;
    this.#keys = files.keys;
    this.#blocks = files.blocks;
    this.keysBytes = sizes.keys;
    this.blocksBytes = sizes.blocks;
  }

  static async create(folder: string, number: number): Promise<Segment> {
    const files = await openBoth(folder, number, 'wx+');
    const segment = new Segment(folder, number, files, { keys: 0, blocks: 0 });
    try {
      await segment.#write(files.keys, KEYS_MAGIC, 0);
    } catch (error) {
      await segment.drop();
      throw error;
    }
    segment.keysBytes = KEYS_MAGIC.length;
    return segment;
  }

  /** One of an earlier run, only to be read. */
  static async reopen(folder: string, number: number): Promise<Segment> {
    const files = await openBoth(folder, number, 'r');
    const [keys, blocks] = await Promise.all([files.keys.stat(), files.blocks.stat()]);
    const segment = new Segment(folder, number, files, { keys: keys.size, blocks: blocks.size });
    segment.#unsynced = false;
    return segment;
  }

  get bytes(): number {
    return this.keysBytes + this.blocksBytes;
  }

  get alive(): boolean {
    return !this.#dropped;
  }

  /** Throws what the disk says; nothing was added then. */
  async appendBlock(bytes: Buffer): Promise<DiskBlock> {
    const offset = this.blocksBytes;
    await this.#write(this.#blocks, bytes, offset);
    this.blocksBytes += bytes.length;
    const place = {
      segment: this.number,
      offset,
      length: bytes.length,
      checksum: crc32(bytes),
    };
    return new DiskBlock(this, place);
  }

  /** Returns where the record is. */
  async appendRecord(record: Buffer, hash: number): Promise<number> {
    const offset = this.keysBytes;
    await this.#write(this.#keys, record, offset);
    this.keysBytes += record.length;
    this.hashes.push(hash);
    return offset;
  }

  async sync(): Promise<void> {
    if (!this.#unsynced) return;
    await this.#blocks.datasync();
    await this.#keys.datasync();
    this.#unsynced = false;
  }

  readKeys(offset: number, length: number): Promise<Buffer> {
    return this.#read(this.#keys, offset, length);
  }

  readBlocks(offset: number, length: number): Promise<Buffer> {
    return this.#read(this.#blocks, offset, length);
  }

  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
    // A failure to close takes nothing away from anybody.
    if (this.#dropped) this.#closeUnpinned().catch(() => undefined);
  }

  /** Its files go at once, their bytes when nobody reads them any more. */
  async drop(): Promise<void> {
    this.#dropped = true;
    await removeSegment(this.#folder, this.number);
    await this.#closeUnpinned();
  }

  async close(): Promise<void> {
    this.#dropped = true;
    this.#pins = 0;
    await this.#closeUnpinned();
  }

  async #closeUnpinned(): Promise<void> {
    if (this.#closed || this.#pins > 0) return;
    this.#closed = true;
    await Promise.all([this.#keys.close(), this.#blocks.close()]);
  }

  async #write(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
    let written = 0;
    this.#unsynced = true;
    try {
      while (written < bytes.length) {
        const left = bytes.length - written;
        const { bytesWritten } = await file.write(bytes, written, left, offset + written);
        written += bytesWritten;
      }
    } catch (error) {
      // What was half written would look like damage behind the next record. If this fails too, it does: a loss, no lie.
      await file.truncate(offset).catch(() => undefined);
      throw error;
    }
  }

  /** Shorter when the file is. */
  async #read(file: FileHandle, offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let read = 0;
    this.pin();
    try {
      while (read < length) {
        const { bytesRead } = await file.read(bytes, read, length - read, offset + read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
    } finally {
      this.unpin();
    }
    return read === length ? bytes : bytes.subarray(0, read);
  }
}

async function openBoth(
  folder: string,
  number: number,
  flags: string,
): Promise<{ readonly keys: FileHandle; readonly blocks: FileHandle }> {
  const paths = segmentPaths(folder, number);
  const blocks = await open(paths.blocks, flags, 0o600);
  try {
    return { blocks, keys: await open(paths.keys, flags, 0o600) };
  } catch (error) {
    await blocks.close();
    throw error;
  }
}

export class DiskBlock implements Block {
  readonly segment: Segment;
  readonly place: BlockPlace;
  #loading: Promise<Buffer | undefined> | undefined;

  constructor(segment: Segment, place: BlockPlace) {
    this.segment = segment;
    this.place = place;
  }

  get length(): number {
    return this.place.length;
  }

  get alive(): boolean {
    return this.segment.alive;
  }

  pin(): void {
    this.segment.pin();
  }

  unpin(): void {
    this.segment.unpin();
  }

  /** Readers at the same place share one read. */
  load(): Promise<Buffer | undefined> {
    return (this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    }));
  }

  async #load(): Promise<Buffer | undefined> {
    const { offset, length, checksum } = this.place;
    try {
      const bytes = await this.segment.readBlocks(offset, length);
      return bytes.length === length && crc32(bytes) === checksum ? bytes : undefined;
    } catch {
      // Whatever the disk says: these bytes cannot be had, and their reader is told so.
      return undefined;
    }
  }
}
