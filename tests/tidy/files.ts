/** The project's files as the house rules see them: what git tracks or would track, read once. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Paths relative to the root, with `/`. */
export const FILES: readonly string[] = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '-z'],
  { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
)
  .split('\0')
  .filter((path) => path !== '' && statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile());

/**
 * Comments, strings and regular expressions, roughly: enough to look for calls. A template's `${…}` is blanked with
 * it, which hides calls in there from the rules.
 */
const NOT_CODE =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[(,=:[!&|?{};\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;

function blank(text: string): string {
  return text.replace(NOT_CODE, (match) => match.replace(/[^\n]/g, ' '));
}

/** Not an app that is measured: it is written as its own users would. */
const CODE = /^(?!bench\/web\/app\/)(?:src|testing|tests|scripts|bench)\/.*\.tsx?$/;

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** The text with comments and the insides of strings blanked; lines and columns are kept. */
  readonly code: string;
  /** `gateway` for `src/gateway/proxy.ts`; undefined outside `src/` and for files right in it. */
  readonly part: string | undefined;
  readonly isTest: boolean;
}

export const SOURCES: readonly SourceFile[] = FILES.filter((path) => CODE.test(path)).map(
  (path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    return {
      path,
      text,
      code: blank(text),
      part: /^src\/([^/]+)\//.exec(path)?.[1],
      isTest: /\.test\.tsx?$/.test(path) || /^(?:tests|testing)\//.test(path),
    };
  },
);

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
