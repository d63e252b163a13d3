/**
 * A wall clock of a node's own, that a test sets while the node runs (libfaketime, Debian's package `faketime`). It is that of
 * the agent, the gateways and the CLI; the monotonic clock stays true. etcd reads the kernel's, past any library.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestLife } from './test-node.ts';

const LIBRARY_FOLDERS = '/usr/lib';
/** For programs with threads. */
const LIBRARY = join('faketime', 'libfaketimeMT.so.1');

export class JumpingClock {
  /** What a node is started with, to go by this clock. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  private constructor(library: string, file: string) {
    this.#file = file;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      // In seconds: how soon a jump is noticed.
      FAKETIME_CACHE_DURATION: '1',
    };
  }

  /** True until it is told otherwise. Undefined where the library is not installed. */
  static create(t: TestLife): JumpingClock | undefined {
    const library = findLibrary();
    if (library === undefined) return undefined;
    const folder = mkdtempSync(join(tmpdir(), 'moln-clock-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const clock = new JumpingClock(library, join(folder, 'offset'));
    clock.jumpTo('+0');
    return clock;
  }

  /** Off by so much from now on: `+6h`, `-2d`, `+0` is true again. */
  jumpTo(offset: string): void {
    writeFileSync(this.#file, `${offset}\n`);
  }
}

/** Below a folder named after the machine's architecture. */
function findLibrary(): string | undefined {
  return readdirSync(LIBRARY_FOLDERS)
    .map((name) => join(LIBRARY_FOLDERS, name, LIBRARY))
    .find((path) => existsSync(path));
}
