/** fsync of folders, shared: whoever asks while one is under way waits for the next, which is one for all of them. */
import { syncFolder } from '../base/disk.ts';

interface Line {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

export class GroupSync {
  readonly #lines = new Map<string, Line>();
  readonly #sync: (folder: string) => Promise<void>;

  constructor(sync: (folder: string) => Promise<void> = syncFolder) {
    this.#sync = sync;
  }

  /** Resolves when a sync that began after this call has ended. */
  sync(folder: string): Promise<void> {
    const line = this.#lines.get(folder);
    if (line === undefined) {
      const first: Line = { running: this.#sync(folder), next: undefined };
      this.#lines.set(folder, first);
      this.#follow(folder, first);
      return first.running;
    }
    // Not with the one under way: it may have passed over what the caller has just done.
    line.next ??= line.running.then(
      () => this.#sync(folder),
      () => this.#sync(folder),
    );
    return line.next;
  }

  #follow(folder: string, line: Line): void {
    const ended = (): void => {
      if (line.next === undefined) {
        this.#lines.delete(folder);
        return;
      }
      line.running = line.next;
      line.next = undefined;
      this.#follow(folder, line);
    };
    line.running.then(ended, ended);
  }
}
