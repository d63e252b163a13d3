/**
 * The instances' output on disk. An instance writes into its file itself (O_APPEND), so nothing is lost while no agent
 * runs. The size limit gives the oldest bytes back to the file system by punching a hole (`fallocate -p`): offsets stay
 * what they are, so no line that is being written can be lost. Where the file system cannot do that, the file is copied
 * to `<name>.1` and emptied, which may lose lines written during the copy.
 *
 * Lines carry no time of their own. `at` is when this agent saw that the file had grown to them, to about a
 * second; for what was written while no agent looked, when the file was last written.
 */
import { execFile } from 'node:child_process';
import { chownSync, openSync } from 'node:fs';
import { copyFile, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readTextIfAny, removeTree, writeFileAtomic } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { AppFolders } from './app-folders.ts';
import { LogMarks } from './log-marks.ts';
import {
  LOG_BYTES_MAX,
  LOG_CHECK_EVERY_MS,
  OLD_LOGS_MAX,
  OLD_LOGS_MAX_AGE_MS,
} from './run-limits.ts';

const run = promisify(execFile);

/** Holes are whole blocks; every file system of today has blocks of at most this. */
const HOLE_ALIGN_BYTES: number = 64 * 1024;
const HOUSEKEEPING_EVERY_MS = 60_000;

/** One instance's log as it is now. */
export interface LogFile {
  readonly instance: string;
  readonly path: string;
  /** First offset that still holds output. */
  readonly start: number;
  readonly size: number;
  /** Epoch milliseconds of the last write. */
  readonly writtenAt: number;
  /** Epoch milliseconds; not after the first write. Some file systems do not know, and say 0. */
  readonly bornAt: number;
  readonly marks: LogMarks;
}

export interface LogStoreOptions {
  readonly folders: AppFolders;
  readonly clock: Clock;
  readonly log: Logger;
  /** True while the instance exists; its log is then never removed. */
  readonly isAlive: (instance: string) => boolean;
  readonly bytesMax?: number;
}

export class LogStore implements Worker {
  readonly name = 'app-logs';
  readonly #options: LogStoreOptions;
  readonly #bytesMax: number;
  /** By path: what was seen when. */
  readonly #marks = new Map<string, LogMarks>();
  /** By path: offset of the hole's end, once known. */
  readonly #starts = new Map<string, number>();
  #housekeptAt = -Infinity;
  #bytes = 0;

  constructor(options: LogStoreOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? LOG_BYTES_MAX;
  }

  status(): string {
    return `${this.#marks.size} logs, ${Math.ceil(this.#bytes / 1024)} KiB`;
  }

  /** A descriptor for stdout and stderr of a new process; the caller closes its copy. */
  open(app: string, instance: string, uid: number | undefined): number {
    const path = this.#options.folders.instance(app, instance).log;
    const descriptor = openSync(path, 'a', 0o640);
    // The app may open /dev/stdout anew, which needs permission on the file itself.
    if (uid !== undefined) chownSync(path, uid, uid);
    return descriptor;
  }

  /** The app's logs, also of instances that are gone. */
  async files(app: string): Promise<LogFile[]> {
    const files: LogFile[] = [];
    for (const name of await namesIn(this.#options.folders.logs(app))) {
      if (!name.endsWith('.log')) continue;
      const path = join(this.#options.folders.logs(app), name);
      const file = await this.#look(name.slice(0, -4), path);
      if (file !== undefined) files.push(file);
    }
    return files;
  }

  /** One instance's log, or undefined before its first start. */
  async file(app: string, instance: string): Promise<LogFile | undefined> {
    return this.#look(instance, this.#options.folders.instance(app, instance).log);
  }

  /** Looks at all sizes, keeps the limits, and forgets old logs. */
  async step(): Promise<StepResult> {
    const housekeep = this.#options.clock.monotonicMs() - this.#housekeptAt > HOUSEKEEPING_EVERY_MS;
    let bytes = 0;
    for (const app of this.#options.folders.list()) {
      const files = await this.files(app);
      for (const file of files) {
        bytes += file.size - file.start;
        if (file.size - file.start > this.#bytesMax) await this.#tryShorten(file);
      }
      if (housekeep) await this.#forget(files);
    }
    if (housekeep) this.#housekeptAt = this.#options.clock.monotonicMs();
    this.#bytes = bytes;
    return { kind: 'idle', retryInMs: LOG_CHECK_EVERY_MS };
  }

  async #look(instance: string, path: string): Promise<LogFile | undefined> {
    try {
      const { size, mtimeMs, birthtimeMs } = await stat(path);
      let marks = this.#marks.get(path);
      if (marks === undefined) this.#marks.set(path, (marks = new LogMarks()));
      const start = await this.#startOf(path, size);
      // The first look comes after the fact; later ones are at most a second late.
      marks.saw(size, marks.empty ? Math.round(mtimeMs) : this.#options.clock.now());
      const [writtenAt, bornAt] = [Math.round(mtimeMs), Math.round(birthtimeMs)];
      return { instance, path, start, size, writtenAt, bornAt, marks };
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      this.#marks.delete(path);
      this.#starts.delete(path);
      return undefined;
    }
  }

  async #startOf(path: string, size: number): Promise<number> {
    let start = this.#starts.get(path);
    if (start === undefined) {
      start = Number((await readTextIfAny(`${path}.start`)) ?? 0);
      this.#starts.set(path, start);
    }
    // Emptied by the fallback, or by the app itself: then it begins anew.
    return start <= size ? start : 0;
  }

  /** One log that cannot be shortened must not keep the others from it. */
  async #tryShorten(file: LogFile): Promise<void> {
    try {
      await this.#shorten(file);
    } catch (error) {
      this.#options.log.warn('Cannot shorten a log', { path: file.path, error });
    }
  }

  async #shorten(file: LogFile): Promise<void> {
    const half = file.size - Math.floor(this.#bytesMax / 2);
    const start = Math.floor(half / HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES;
    if (start <= file.start) return;
    // Written first: a reader must never take the zeros of the hole for output.
    const remember = (): Promise<void> => writeFileAtomic(`${file.path}.start`, String(start));
    const full = await remember().then(
      () => false,
      () => true,
    );
    this.#starts.set(file.path, start);
    try {
      await run('fallocate', ['--punch-hole', '--offset', '0', '--length', `${start}`, file.path]);
      // On a full disk the hole has to make room first.
      if (full) await remember();
    } catch (error) {
      if (full) throw error;
      this.#options.log.warn('This file system cannot punch holes: a log was copied and emptied', {
        path: file.path,
        error,
      });
      await copyFile(file.path, `${file.path}.1`);
      await truncate(file.path, 0);
      await removeTree(`${file.path}.start`);
      this.#starts.set(file.path, 0);
    }
  }

  async #forget(files: readonly LogFile[]): Promise<void> {
    const gone = files.filter((file) => !this.#options.isAlive(file.instance));
    for (const path of logsToForget(gone, this.#options.clock.now())) {
      for (const each of [path, `${path}.start`, `${path}.1`]) await removeTree(each);
      this.#marks.delete(path);
      this.#starts.delete(path);
    }
  }
}

/** Pure: paths of the logs of gone instances that are too old or too many. */
export function logsToForget(
  gone: readonly Pick<LogFile, 'path' | 'writtenAt'>[],
  now: number,
): string[] {
  const newestFirst = gone.toSorted((a, b) => b.writtenAt - a.writtenAt);
  return newestFirst
    .filter((file, index) => index >= OLD_LOGS_MAX || now - file.writtenAt > OLD_LOGS_MAX_AGE_MS)
    .map((file) => file.path);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}
