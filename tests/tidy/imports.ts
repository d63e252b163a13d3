/** Who imports whom, read from the import lines. */
import { dirname, join, normalize } from 'node:path';
import { SOURCES, type SourceFile } from './files.ts';

export interface Import {
  readonly from: SourceFile;
  /** As written: `../base/errors.ts`, `node:fs`, `commander`. */
  readonly specifier: string;
  /** Root-relative path of a relative import. */
  readonly path: string | undefined;
  readonly typeOnly: boolean;
  /** Named by `new URL(…)`: an entry to start or a folder, whose code is not ours to call. */
  readonly byUrl: boolean;
}

/** Static, dynamic and re-exporting imports, and files named by `new URL('./x', import.meta.url)`. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|\bnew URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url/g;

export const IMPORTS: readonly Import[] = SOURCES.flatMap((from) =>
  [...(from.path.startsWith('tests/tidy/') ? '' : from.text).matchAll(IMPORT)].map(
    (match): Import => {
      const url = match[5] === undefined ? undefined : `./${match[5]}`;
      const specifier = match[2] ?? match[3] ?? match[4] ?? url ?? '';
      const relative = specifier.startsWith('.');
      return {
        from,
        specifier,
        path: relative ? normalize(join(dirname(from.path), specifier)) : undefined,
        typeOnly: match[1] !== undefined,
        byUrl: url !== undefined,
      };
    },
  ),
);

/** `@peculiar/x509` of `@peculiar/x509/build/x`; undefined for relative imports and Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (/^[./]|^node:/.test(specifier)) return undefined;
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}
