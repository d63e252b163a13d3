/** A disk of its own for a folder, small enough to be filled up: a tmpfs, which only root may mount. */
import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../src/base/errors.ts';
import type { TestLife } from './test-node.ts';

const BALLAST = 'ballast';
const CHUNK_BYTES = 1024 * 1024;
/** The last of the room is taken in pieces this small. */
const CHUNK_BYTES_MIN = 4096;

export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** On the folder, which must exist, until the test has ended; undefined where that is not allowed. */
  static mount(t: TestLife, folder: string, bytes: number): SmallDisk | undefined {
    try {
      const options = ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder];
      execFileSync('mount', options, { stdio: 'ignore' });
    } catch {
      rmSync(folder, { recursive: true, force: true });
      return undefined;
    }
    t.after(() => {
      execFileSync('umount', ['--lazy', folder]);
      rmSync(folder, { recursive: true, force: true });
    });
    return new SmallDisk(folder);
  }

  /** Not one more block can be written, or not more than these bytes. */
  fill(leaveBytes = 0): void {
    const file = openSync(join(this.folder, BALLAST), 'a');
    try {
      for (let bytes = CHUNK_BYTES; bytes >= CHUNK_BYTES_MIN;) {
        try {
          writeSync(file, Buffer.alloc(bytes));
        } catch (error) {
          if (systemCode(error) !== 'ENOSPC') throw error;
          bytes /= 2;
        }
      }
      ftruncateSync(file, Math.max(0, fstatSync(file).size - leaveBytes));
    } finally {
      closeSync(file);
    }
  }

  /** There is room again. */
  free(): void {
    rmSync(join(this.folder, BALLAST));
  }
}
