/** The examples, to be changed and deployed. */
import { cpSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What tools make in the folder of an app. */
const MADE: ReadonlySet<string> = new Set(['node_modules', '.moln']);

/** Copies one of `examples/` as it is in the repository. */
export function copyExample(name: string, to: string): void {
  const from = join(import.meta.dirname, '..', 'examples', name);
  cpSync(from, to, { recursive: true, filter: (path) => !MADE.has(basename(path)) });
}
