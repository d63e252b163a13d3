/** A copy of the program that a test may change: the next release of it. */
import { appendFileSync, cpSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MOLN } from './moln.ts';

const ROOT = dirname(MOLN);

export class ProgramCopy {
  /** The command. */
  readonly moln: string;
  readonly #folder: string;

  /** `folder` is removed by whoever made it. */
  constructor(folder: string) {
    this.#folder = folder;
    this.moln = join(folder, 'moln');
    for (const name of ['src', 'moln', 'package.json']) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    symlinkSync(join(ROOT, 'dist'), join(folder, 'dist'));
  }

  /** Adds to one of its sources, such as `src/gateway/limits.ts`. */
  add(source: string, text: string): void {
    appendFileSync(join(this.#folder, source), `\n${text}\n`);
  }

  /** As it was at first. */
  restore(source: string): void {
    cpSync(join(ROOT, source), join(this.#folder, source));
  }
}
