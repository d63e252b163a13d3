/** Open files of packs: a few are kept, and none is closed under a read. */
import { type FileHandle, open } from 'node:fs/promises';
import { PACKS_OPEN_MAX } from './limits.ts';

interface Held {
  readonly opening: Promise<FileHandle>;
  users: number;
  dropped: boolean;
}

export class PackHandles implements AsyncDisposable {
  readonly #pathOf: (pack: number) => string;
  readonly #flags: () => 'r' | 'r+';
  /** Least recently used first. */
  readonly #held = new Map<number, Held>();

  constructor(options: {
    readonly pathOf: (pack: number) => string;
    readonly flags: () => 'r' | 'r+';
  }) {
    this.#pathOf = options.pathOf;
    this.#flags = options.flags;
  }

  async use<T>(pack: number, work: (file: FileHandle) => Promise<T>): Promise<T> {
    const held = this.#take(pack);
    held.users++;
    try {
      return await work(await held.opening);
    } catch (error) {
      // An open that failed is tried again the next time.
      await held.opening.catch(() => this.#held.delete(pack));
      throw error;
    } finally {
      held.users--;
      if (held.dropped && held.users === 0) await close(held);
    }
  }

  #take(pack: number): Held {
    const known = this.#held.get(pack);
    this.#held.delete(pack);
    const held = known ?? {
      opening: open(this.#pathOf(pack), this.#flags()),
      users: 0,
      dropped: false,
    };
    this.#held.set(pack, held);
    if (this.#held.size > PACKS_OPEN_MAX) {
      const [oldest] = [...this.#held].find(([, { users }]) => users === 0) ?? [];
      if (oldest !== undefined && oldest !== pack) void this.drop(oldest);
    }
    return held;
  }

  /** Closed as soon as nobody reads it. */
  async drop(pack: number): Promise<void> {
    const held = this.#held.get(pack);
    this.#held.delete(pack);
    if (held === undefined) return;
    held.dropped = true;
    if (held.users === 0) await close(held);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pack of this.#held.keys()) await this.drop(pack);
  }
}

async function close({ opening }: Held): Promise<void> {
  // One that could not be opened need not be closed; who wanted it has the error.
  const file = await opening.catch(() => undefined);
  await file?.close();
}
