/**
 * Tells when anything below some folders changes. Each folder is watched by itself: whoever watches files loses sight of those
 * that an editor replaces.
 */
import { type Dirent, type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';

/** Editors write a file in several steps. */
const QUIET_MS = 25;

export class FolderWatch implements Disposable {
  readonly #roots: readonly string[];
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: Disposable | undefined;

  /** `changed` is called once for changes that come together. */
  constructor(roots: readonly string[], changed: () => void) {
    this.#roots = roots;
    this.#changed = changed;
    this.#look();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Watches folders that are new; those that are gone end by themselves. */
  #look(): void {
    for (const folder of this.#roots.flatMap(foldersBelow)) {
      if (this.#watchers.has(folder)) continue;
      const watcher = watch(folder, () => this.#noticed());
      const forget = (): void => void this.#watchers.delete(folder);
      watcher.once('error', forget).once('close', forget);
      this.#watchers.set(folder, watcher);
    }
  }

  #noticed(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = systemClock.after(QUIET_MS, () => {
      this.#look();
      this.#changed();
    });
  }
}

function foldersBelow(root: string): readonly string[] {
  let entries: readonly Dirent[];
  try {
    entries = readdirSync(root, { withFileTypes: true, recursive: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
  const inside = entries.filter((entry) => entry.isDirectory());
  return [root, ...inside.map((entry) => join(entry.parentPath, entry.name))];
}
