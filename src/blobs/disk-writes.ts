/** Whether the disk of a back end takes writes, learnt from what they say. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMolnError } from '../base/errors.ts';
import { fromDisk, readOnly } from './errors.ts';
import { TEMPORARY_FOLDER } from './layout.ts';

export interface DiskWritesOptions {
  /** Of the back end. */
  readonly path: string;
  /** The disk is full, whatever had been thought. */
  readonly onFull: () => Promise<void>;
}

export class DiskWrites {
  readonly #options: DiskWritesOptions;
  #readOnly = false;

  constructor(options: DiskWritesOptions) {
    this.#options = options;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  /** Runs work that writes; what the disk says comes as an error of a storage node. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    const { path, onFull } = this.#options;
    if (this.#readOnly) throw readOnly(path);
    try {
      return await work();
    } catch (error) {
      const failure = this.#note(error);
      // The disk knows better than a figure that is seconds old.
      if (isMolnError(failure, 'BLOBS_FULL') && failure.cause !== undefined) await onFull();
      throw failure;
    }
  }

  /** Tries it. */
  async probe(): Promise<void> {
    const path = join(this.#options.path, TEMPORARY_FOLDER, 'probe');
    try {
      await writeFile(path, '');
      await rm(path);
      this.#readOnly = false;
    } catch (error) {
      // Whatever else it says, as that it is full, it says again to who wants to write.
      this.#note(error);
    }
  }

  #note(error: unknown): unknown {
    const failure = fromDisk(error, this.#options.path);
    if (isMolnError(failure, 'BLOBS_READ_ONLY')) this.#readOnly = true;
    return failure;
  }
}
