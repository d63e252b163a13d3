/** Reads a pack from its beginning: what is in it, and up to where it is good. */
import type { FileHandle } from 'node:fs/promises';
import { isMolnError } from '../base/errors.ts';
import { checkBlocks, imageOf } from './image.ts';
import { BLOCK_BYTES } from './limits.ts';
import {
  decodePackHead,
  decodeRecordHead,
  NONCE_AT,
  NONCE_BYTES,
  PACK_HEAD_BYTES,
  RECORD_HEAD_BYTES,
  type RecordHead,
} from './pack-format.ts';

export interface PackRecord extends RecordHead {
  /** Of its head. */
  readonly offset: number;
}

export interface PackScan {
  /** Undefined when the file is no pack any more. */
  readonly nonce: Buffer | undefined;
  /** Behind the last good record. */
  readonly end: number;
  /** Places where something was that is no record. */
  readonly damages: number;
}

const WINDOW_BYTES: number = 1024 * 1024;

/**
 * `deep` reads the blobs too, and passes over those that are not whole: for the file that was written to when the process
 * ended, whose last records may not be all there.
 */
export async function scanPack(
  file: FileHandle,
  deep: boolean,
  found: (record: PackRecord) => void,
): Promise<PackScan> {
  const { size } = await file.stat();
  const window = new Window(file, size);
  const nonce = await nonceOf(window);
  if (nonce === undefined) return { nonce, end: 0, damages: 1 };
  let damages = 0;
  let end = PACK_HEAD_BYTES;
  for (let at = PACK_HEAD_BYTES; at < size;) {
    const head = decodeRecordHead(await window.at(at, RECORD_HEAD_BYTES), nonce);
    const behind = head === undefined ? Infinity : at + RECORD_HEAD_BYTES + head.imageBytes;
    const good =
      head !== undefined &&
      behind <= size &&
      (!deep || head.deletedAt !== undefined || (await isWhole(window, at, head)));
    if (good) {
      found({ ...head, offset: at });
      end = behind;
      at = behind;
      continue;
    }
    damages++;
    const next = await findNonce(window, at + NONCE_AT + 1, nonce);
    if (next === undefined) break;
    at = next - NONCE_AT;
  }
  return { nonce, end, damages };
}

/** From the file's head, or from its first record when that is damaged. */
async function nonceOf(window: Window): Promise<Buffer | undefined> {
  const nonce = decodePackHead(await window.at(0, PACK_HEAD_BYTES));
  if (nonce !== undefined) return nonce;
  const first = await window.at(PACK_HEAD_BYTES, RECORD_HEAD_BYTES);
  const guess = Buffer.from(first.subarray(NONCE_AT, NONCE_AT + NONCE_BYTES));
  return decodeRecordHead(first, guess) === undefined ? undefined : guess;
}

async function isWhole(window: Window, at: number, head: RecordHead): Promise<boolean> {
  const bytes = await window.at(at + RECORD_HEAD_BYTES, head.imageBytes);
  try {
    const image = imageOf(bytes, head.id);
    checkBlocks(bytes.subarray(0, image.length), 0, image);
    return true;
  } catch (error) {
    if (isMolnError(error, 'BLOBS_CORRUPT')) return false;
    throw error;
  }
}

async function findNonce(window: Window, from: number, nonce: Buffer): Promise<number | undefined> {
  for (let at = from; at + NONCE_BYTES <= window.size; at += BLOCK_BYTES) {
    // Overlapping by one less than it is long: it may lie across the border.
    const bytes = await window.at(at, BLOCK_BYTES + NONCE_BYTES - 1);
    const found = bytes.indexOf(nonce);
    if (found >= 0) return at + found;
  }
  return undefined;
}

/** A part of the file in memory, read in large steps. */
class Window {
  readonly #file: FileHandle;
  readonly size: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Fewer bytes at the end of the file. Good until the next call. */
  async at(position: number, length: number): Promise<Buffer> {
    const end = Math.min(position + length, this.size);
    if (position < this.#start || end > this.#start + this.#bytes.length) {
      const bytes = Buffer.allocUnsafe(
        Math.min(Math.max(WINDOW_BYTES, length), Math.max(0, this.size - position)),
      );
      let done = 0;
      while (done < bytes.length) {
        const { bytesRead } = await this.#file.read(
          bytes,
          done,
          bytes.length - done,
          position + done,
        );
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      this.#bytes = bytes.subarray(0, done);
      this.#start = position;
    }
    return this.#bytes.subarray(position - this.#start, Math.max(0, end - this.#start));
  }
}
