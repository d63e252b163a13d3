/** An import of the app that leads nowhere: whose it is, in which line, and what may be meant. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { MolnError, systemCode } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';

/** `importer`: the file that imports, below `root`. The details have `file` and `line`. */
export function missingImport(root: string, importer: string, specifier: string): MolnError {
  const lines = readFileSync(importer, 'utf8').split('\n');
  const at = lines.findIndex((line) => /['"]/.test(line) && line.includes(specifier));
  const line = at === -1 ? 1 : at + 1;
  return new MolnError(
    'WORKBENCH_NO_MODULE',
    `${relative(root, importer)}:${line} imports "${specifier}", which is not there`,
    { hint: hintOf(importer, specifier), details: { file: importer, line } },
  );
}

function hintOf(importer: string, specifier: string): string {
  // Of what is imported only the package: npm takes "a/b" for a repository of somebody's.
  if (!/^\.{0,2}\//.test(specifier))
    return `Install it with "npm install ${/^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier}"`;
  const folder = dirname(specifier);
  const near = nearestName(basename(specifier), namesIn(join(dirname(importer), folder)));
  return near === undefined
    ? 'Write that file, or mend its name here'
    : `Write that file, or did you mean "${folder}/${near}"?`;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
