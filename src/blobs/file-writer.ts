/**
 * Writing bytes to a file in few large calls: one is under way while the next is being filled. What was written goes to the disk meanwhile, so that
 * little is left to wait for at the end.
 */
import type { FileHandle } from 'node:fs/promises';
import { SETTLE_BYTES, WRITE_BYTES } from './limits.ts';

export interface FileWriterOptions {
  readonly position?: number;
  readonly onWritten?: ((piece: Uint8Array) => void) | undefined;
}

export class FileWriter {
  readonly #file: FileHandle;
  readonly #onWritten: FileWriterOptions['onWritten'];
  #position: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #underWay: Promise<void> | undefined;
  /** Written, and not asked of the disk. */
  #unsettledBytes = 0;
  #settling: Promise<void> | undefined;

  /** `onWritten`: for each piece, once the kernel has it. */
  constructor(file: FileHandle, { position = 0, onWritten }: FileWriterOptions = {}) {
    this.#file = file;
    this.#position = position;
    this.#onWritten = onWritten;
  }

  /** The bytes must stay as they are until `flush`, or until `onWritten` is called with them. */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes < WRITE_BYTES) return;
    this.#settle();
    await this.#send();
  }

  /** All has been handed to the kernel; not durable yet. */
  async flush(): Promise<void> {
    try {
      if (this.#waitingBytes > 0) await this.#send();
      await this.#underWay;
    } finally {
      await this.#settling;
    }
  }

  /** One sync at a time: a disk to which each is dear has few of them. */
  #settle(): void {
    if (this.#unsettledBytes < SETTLE_BYTES || this.#settling !== undefined) return;
    this.#unsettledBytes = 0;
    this.#settling = this.#sync();
    // The kernel tells it once: whoever flushes hears it.
    this.#settling.catch(() => undefined);
  }

  async #sync(): Promise<void> {
    await this.#file.datasync();
    this.#settling = undefined;
  }

  async #send(): Promise<void> {
    await this.#underWay;
    const buffers = this.#waiting;
    const position = this.#position;
    this.#position += this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#underWay = this.#write(buffers, position);
    // Whoever waits next gets the error; until then it must not count as nobody's.
    this.#underWay.catch(() => undefined);
  }

  async #write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await writeAll(this.#file, buffers, position);
    for (const { length } of buffers) this.#unsettledBytes += length;
    if (this.#onWritten !== undefined) for (const piece of buffers) this.#onWritten(piece);
  }
}

/** A call of the kernel takes at most so many buffers (IOV_MAX). */
const BUFFERS_MAX = 1024;

/** Writes all of it, however little a call takes. */
export async function writeAll(
  file: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = [...buffers];
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest.slice(0, BUFFERS_MAX), at);
    at += bytesWritten;
    rest = behind(rest, bytesWritten);
  }
}

function behind(buffers: Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  let first = 0;
  for (; first < buffers.length; first++) {
    const length = buffers[first]?.length ?? 0;
    if (length > left) break;
    left -= length;
  }
  const rest = buffers.slice(first);
  const [partly] = rest;
  if (left > 0 && partly !== undefined) rest[0] = partly.subarray(left);
  return rest;
}
