/** Adds records to the newest pack: whoever comes while a group is being synced goes with the next. */
import { writeAll } from './file-writer.ts';
import { GROUP_BYTES_MAX } from './limits.ts';
import type { BlobId } from './model.ts';
import { encodeRecordHead, RECORD_HEAD_BYTES } from './pack-format.ts';
import type { PackHandles } from './pack-handles.ts';
import type { PackPlace } from './pack-index.ts';

export interface AppendTarget {
  readonly pack: number;
  readonly nonce: Buffer;
  /** Where the next record goes. */
  bytes: number;
}

export interface PackAppenderOptions {
  readonly handles: PackHandles;
  /** One that has room for so many bytes more, durable by name. */
  readonly target: (bytes: number) => Promise<AppendTarget>;
  /** A write to it has failed: what is behind its good bytes is unknown. */
  readonly retire: (target: AppendTarget) => Promise<void>;
}

interface Waiting {
  readonly id: BlobId;
  readonly pieces: readonly Uint8Array[];
  readonly imageBytes: number;
  readonly done: PromiseWithResolvers<PackPlace>;
}

export class PackAppender {
  readonly #options: PackAppenderOptions;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(options: PackAppenderOptions) {
    this.#options = options;
  }

  /** Durable when it resolves. */
  append(id: BlobId, pieces: readonly Uint8Array[], imageBytes: number): Promise<PackPlace> {
    const done = Promise.withResolvers<PackPlace>();
    this.#waiting.push({ id, pieces, imageBytes, done });
    this.#running ??= this.#run();
    return done.promise;
  }

  /** Nothing is under way any more. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // After this turn, so that those who come together go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#write(group);
      } catch (error) {
        for (const { done } of group) done.reject(error);
      }
    }
    this.#running = undefined;
  }

  #nextGroup(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { imageBytes } of this.#waiting) {
      bytes += RECORD_HEAD_BYTES + imageBytes;
      if (count > 0 && bytes > GROUP_BYTES_MAX) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const { handles, target: targetFor, retire } = this.#options;
    const bytes = group.reduce((sum, { imageBytes }) => sum + RECORD_HEAD_BYTES + imageBytes, 0);
    const target = await targetFor(bytes);
    const buffers = group.flatMap(({ id, imageBytes, pieces }) => [
      encodeRecordHead({ id, imageBytes, deletedAt: undefined }, target.nonce),
      ...pieces,
    ]);
    try {
      await handles.use(target.pack, async (file) => {
        // One copy costs less than handing hundreds of small buffers to the kernel.
        await writeAll(file, [Buffer.concat(buffers)], target.bytes);
        await file.datasync();
      });
    } catch (error) {
      // After a failed sync nobody knows which bytes are on disk: nothing is added to this file again.
      await retire(target);
      throw error;
    }
    for (const { imageBytes, done } of group) {
      done.resolve({ pack: target.pack, offset: target.bytes, imageBytes });
      target.bytes += RECORD_HEAD_BYTES + imageBytes;
    }
  }
}
