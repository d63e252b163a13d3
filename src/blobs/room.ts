/** How much of a disk one back end may take, as it is now: what it uses, what has been promised to writes under way. */
import { statfs } from 'node:fs/promises';
import type { Clock } from '../base/time.ts';
import { full } from './errors.ts';
import { LOOK_EVERY_MS } from './limits.ts';
import { type DiskFigures, type SpaceNow, spaceNow, type SpaceRules } from './space.ts';

export interface RoomOptions {
  readonly path: string;
  readonly rules: SpaceRules;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** Bytes that a write under way may still take; dispose of it when the write has ended. */
export class Reservation implements Disposable {
  readonly #room: Room;
  #bytes = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Throws `BLOBS_FULL`. */
  grow(bytes: number, freeBytes: number = this.#room.freeBytes): void {
    if (freeBytes < bytes) throw full(bytes, freeBytes);
    this.#bytes += bytes;
    this.#room.reservedBytes += bytes;
  }

  [Symbol.dispose](): void {
    this.#room.reservedBytes -= this.#bytes;
    this.#bytes = 0;
  }
}

export class Room {
  readonly #options: RoomOptions;
  /** Of all files of the back end. */
  usedBytes = 0;
  reservedBytes = 0;
  /** Not for new blobs: what it takes to get rid of old ones. */
  heldBackBytes = 0;
  #disk: DiskFigures = { freeBytes: 0, sizeBytes: 0, usedBytes: 0 };
  #lookedAtMs = -Infinity;

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  now(): SpaceNow {
    return spaceNow(this.#options.rules, this.#disk, this);
  }

  /** For new blobs. */
  get freeBytes(): number {
    return this.now().roomBytes - this.heldBackBytes;
  }

  /** Of the whole disk. */
  get diskBytes(): number {
    return this.#disk.sizeBytes;
  }

  /** Looks at the disk, if the last time is long ago. */
  async look(force = false): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (!force && nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    // Others must not look too, meanwhile.
    this.#lookedAtMs = nowMs;
    try {
      const { bavail, bsize, blocks } = await statfs(this.#options.path);
      this.#disk = {
        freeBytes: bavail * bsize,
        sizeBytes: blocks * bsize,
        usedBytes: this.usedBytes,
      };
    } catch (error) {
      // Else a disk that is gone would be good until the next look.
      this.#lookedAtMs = -Infinity;
      throw error;
    }
  }

  /** Throws `BLOBS_FULL` when not even `makeRoom` helps, which is tried once. */
  async reserve(bytes: number, makeRoom: () => Promise<void>): Promise<Reservation> {
    await this.look();
    if (this.freeBytes < bytes) {
      await makeRoom();
      await this.look(true);
    }
    const reservation = new Reservation(this);
    reservation.grow(bytes);
    return reservation;
  }
}
