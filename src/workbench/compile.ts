/** TypeScript and JSX to what Node runs, file by file and as one bundle. The only file that knows the compiler. */
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { rolldown } from 'rolldown';
import { transformSync } from 'rolldown/utils';
import { MolnError } from '../base/errors.ts';
import { fill } from './templates.ts';

/** The framework's sources: where `moln` leads. */
const WEB: string = join(import.meta.dirname, '..', 'web');
/** What apps import, by the words that they write. */
export const ENTRIES: Readonly<Record<string, string>> = {
  moln: join(WEB, 'web.ts'),
  'moln/jsx-runtime': join(WEB, 'jsx-runtime.ts'),
  'moln/jsx-dev-runtime': join(WEB, 'jsx-runtime.ts'),
  'moln/kysely': join(WEB, 'kysely-main.ts'),
  'moln/island': join(WEB, 'island-main.ts'),
  'moln/server': join(WEB, 'server-main.ts'),
  'moln/test': join(import.meta.dirname, 'testing-main.ts'),
};
const JSX = { runtime: 'automatic', importSource: 'moln', development: false } as const;
const VIRTUAL_ENTRY = '\0moln-entry';

/** With its source map in it, so that errors name the line that a person wrote. Throws `WORKBENCH_SYNTAX`. */
export function compile(path: string, source: string): string {
  const { code, map, errors } = transformSync(path, source, { jsx: JSX, sourcemap: true });
  const [error] = errors;
  if (error !== undefined) {
    throw new MolnError('WORKBENCH_SYNTAX', `${path} cannot be read as TypeScript`, {
      hint: 'Mend the file: the app goes on as soon as it can be read',
      details: { file: path, frame: stripVTControlCharacters(error.message) },
    });
  }
  if (map === undefined || map === null) return code;
  const text = Buffer.from(JSON.stringify({ ...map, sources: [path] })).toString('base64');
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${text}`;
}

/**
 * One file with the app and all of the framework that it uses; packages of the app's own stay outside. `entry` is source text
 * whose relative imports start at `root`. Throws `WORKBENCH_BUILD`.
 */
export async function bundle(root: string, entry: string, outFile: string): Promise<void> {
  try {
    await using build = await rolldown({
      input: VIRTUAL_ENTRY,
      cwd: root,
      platform: 'node',
      logLevel: 'silent',
      resolve: { alias: { ...ENTRIES } },
      transform: { jsx: JSX },
      external: (id, importer) => isForeign(root, id, importer),
      plugins: [
        {
          name: 'moln-entry',
          resolveId: (id, importer) => {
            if (id === VIRTUAL_ENTRY) return id;
            return importer === VIRTUAL_ENTRY && id.startsWith('./') ? join(root, id) : null;
          },
          load: (id) => (id === VIRTUAL_ENTRY ? { code: entry, moduleType: 'ts' } : null),
        },
      ],
    });
    await build.write({ file: outFile, format: 'esm', sourcemap: true, codeSplitting: false });
  } catch (error) {
    throw buildError(error);
  }
}

function foreignImport(from: string, id: string): MolnError {
  return new MolnError('WORKBENCH_ISLAND', `${from} imports "${id}", which browsers do not have`, {
    hint: 'Islands import "moln/island" and packages for browsers; what they need of the server is handed in by <Island with={…} />',
  });
}

function buildError(error: unknown): MolnError {
  const text = error instanceof Error ? error.message : String(error);
  return new MolnError(
    'WORKBENCH_BUILD',
    `The app cannot be built: ${stripVTControlCharacters(text).trim()}`,
    { cause: error },
  );
}

/** What islands import, in the browser. */
const BROWSER_ENTRIES: Readonly<Record<string, string>> = {
  'moln/island': 'preact/hooks',
  'moln/jsx-runtime': 'preact/jsx-runtime',
};

/**
 * The script that makes islands go on in the browser; empty when there are none. `files`: paths from `root` by names. Throws `WORKBENCH_BUILD` or `WORKBENCH_ISLAND`.
 */
export async function bundleIslands(
  root: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  if (Object.keys(files).length === 0) return '';
  const imports = Object.values(files).map(
    (path, at) => `import * as island${at} from ${JSON.stringify(join(root, path))};`,
  );
  const named = Object.keys(files).map((name, at) => `${JSON.stringify(name)}: island${at}`);
  let refused: MolnError | undefined;
  const entry = fill('islands.js', { imports: imports.join('\n'), islands: named.join(', ') });
  try {
    await using build = await rolldown({
      input: VIRTUAL_ENTRY,
      cwd: root,
      platform: 'browser',
      logLevel: 'silent',
      transform: { jsx: JSX },
      plugins: [
        {
          name: 'moln-islands',
          resolveId: (id, importer) => {
            if (id === VIRTUAL_ENTRY) return id;
            const entryId = BROWSER_ENTRIES[id] ?? (id === 'preact' ? id : undefined);
            if (entryId !== undefined) return fileURLToPath(import.meta.resolve(entryId));
            if (id !== 'moln' && !id.startsWith('node:')) return null;
            refused = foreignImport(relative(root, importer ?? ''), id);
            throw refused;
          },
          load: (id) => (id === VIRTUAL_ENTRY ? { code: entry, moduleType: 'js' } : null),
        },
      ],
    });
    const { output } = await build.generate({ format: 'esm', minify: true, codeSplitting: false });
    return output[0].code;
  } catch (error) {
    throw refused ?? buildError(error);
  }
}

/** Packages that the app itself imports are installed where it runs. */
function isForeign(root: string, id: string, importer: string | undefined): boolean {
  if (id in ENTRIES || id.startsWith('.') || id.startsWith('/') || id.startsWith('\0'))
    return false;
  if (importer === undefined || importer === VIRTUAL_ENTRY) return false;
  return !relative(root, importer).startsWith('..');
}
