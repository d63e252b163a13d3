/** The house rules as tests. Every message says what to do instead. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { LEVELS, OPEN_PARTS } from '../src/layers.ts';
import { ENTRY, OWN_CLOCK, SPREAD_PACKAGES } from './tidy/allowed.ts';
import { FILES, lineAt, read, ROOT, SOURCES, type SourceFile } from './tidy/files.ts';
import { IMPORTS, packageOf, type Import } from './tidy/imports.ts';

/** Data for the rules themselves. */
const LAYERS = 'src/layers.ts';
const LINES_GOOD = 500;
const LINES_MAX = 800;
const FILE_BYTES_MAX: number = 1024 * 1024;

function expectNone(problems: readonly string[]): void {
  assert.equal(problems.length, 0, `\n${problems.join('\n')}`);
}

/** One problem for each match in files that `applies` to. */
function matches(
  pattern: RegExp,
  applies: (file: SourceFile) => boolean,
  message: string,
  where: 'code' | 'text' = 'code',
): readonly string[] {
  return SOURCES.filter(applies).flatMap((file) =>
    [...file[where].matchAll(pattern)].map(
      (match) => `${file.path}:${lineAt(file.text, match.index)}: ${match[0].trim()}: ${message}`,
    ),
  );
}

const inSrc = (file: SourceFile): boolean => file.path.startsWith('src/') && !file.isTest;

test('imports point down, through doors', () => {
  expectNone(IMPORTS.flatMap((one) => levelProblem(one) ?? []));
});

function levelProblem({ from, path, typeOnly, byUrl }: Import): string | undefined {
  const target = path === undefined ? undefined : /^src\/([^/]+)\//.exec(path)?.[1];
  if (!inSrc(from) || byUrl || from.part === undefined || target === undefined) return undefined;
  if (from.part === target || from.part === 'node') return undefined;
  const own = LEVELS[from.part];
  const other = LEVELS[target];
  const head = `${from.path} imports ${path}`;
  if (own === undefined || other === undefined) {
    return `${head}: "${own === undefined ? from.part : target}" is not in src/layers.ts: add it`;
  }
  const model = typeOnly && path === 'src/api/model.ts';
  if (model && (from.part === 'console' || from.part === 'cli')) return undefined;
  if (other >= own) {
    return `${head}: ${target} (${other}) is not below ${from.part} (${own}): declare a small interface and let src/node hand it in`;
  }
  if (OPEN_PARTS.has(target) || path === `src/${target}/${target}.ts`) return undefined;
  return `${head}: use the door src/${target}/${target}.ts`;
}

test('the thread of a stripe, of which there are many, loads no part but the base', () => {
  const loaded = new Set(['src/database/stripe-main.ts']);
  for (const file of loaded) {
    for (const { from, path, typeOnly, byUrl } of IMPORTS) {
      if (from.path === file && path !== undefined && !typeOnly && !byUrl) loaded.add(path);
    }
  }
  assert.ok(loaded.has('src/database/writer.ts'));
  expectNone(
    [...loaded]
      .filter((path) => !/^src\/(?:base|database)\//.test(path))
      .map((path) => `${path} is loaded in each stripe's thread: that costs memory of each`),
  );
});

test('every import names a file that is there', () => {
  expectNone(
    IMPORTS.flatMap(({ from, path, specifier }) => {
      if (path === undefined || existsSync(join(ROOT, path))) return [];
      if (/\/(?:dist|node_modules)\//.test(`/${path}/`)) return [];
      return `${from.path} names "${specifier}", which is not there`;
    }),
  );
});

test('every source file is used by an entry, a test or a script', () => {
  const users = new Map<string, string[]>();
  for (const { from, path } of IMPORTS) {
    if (path !== undefined && !from.isTest)
      users.set(from.path, [...(users.get(from.path) ?? []), path]);
  }
  const seen = new Set<string>();
  const todo = SOURCES.map(({ path }) => path).filter(
    (path) =>
      ENTRY.test(path) || !path.startsWith('src/') || /\.config\.|\/(?:main|app)\.tsx$/.test(path),
  );
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    todo.push(...(users.get(path) ?? []));
  }
  expectNone(
    SOURCES.filter((file) => inSrc(file) && file.path !== LAYERS && !seen.has(file.path)).map(
      ({ path }) => `${path} is used by nothing that runs: remove it, or wire it in`,
    ),
  );
});

test('a third-party package is imported by one file and listed in docs/dependencies.md', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
    read('package.json'),
  ) as Readonly<Record<string, Readonly<Record<string, string>>>>;
  const versions = { ...dependencies, ...devDependencies, ...optionalDependencies };
  const rows = read('docs/dependencies.md');
  const problems: string[] = [];
  for (const [name, version] of Object.entries(versions)) {
    const row = rows.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
    if (row === undefined)
      problems.push(`docs/dependencies.md has no row for "${name}": say why it is worth it`);
    else if (!row.includes(`| ${version} |`))
      problems.push(`docs/dependencies.md: "${name}" is ${version} now: correct its row`);
    const importers = importersOf(name);
    if (importers.length > 1 && !(name in SPREAD_PACKAGES)) {
      problems.push(`"${name}" is imported by ${importers.join(', ')}: let one file wrap it`);
    }
    const [importer] = importers;
    if (
      row !== undefined &&
      importers.length === 1 &&
      importer !== undefined &&
      !row.includes(importer)
    ) {
      problems.push(
        `docs/dependencies.md: "${name}" is imported by ${importer}: say so in its row`,
      );
    }
  }
  for (const { from, specifier } of IMPORTS) {
    const name = packageOf(specifier);
    if (name !== undefined && !(name in versions)) {
      problems.push(`${from.path} imports "${name}", which package.json does not list`);
    }
  }
  expectNone(problems);
});

function importersOf(name: string): readonly string[] {
  const files = IMPORTS.filter(({ specifier }) => packageOf(specifier) === name);
  return [...new Set(files.map(({ from }) => from.path))].sort();
}

test('time and randomness come from base', () => {
  const exempt = Object.keys(OWN_CLOCK);
  expectNone(
    matches(
      /\bDate\.now\(|\bnew Date\(|\bMath\.random\(|(?<![.\w])set(?:Timeout|Interval)\(/g,
      (file) =>
        inSrc(file) &&
        !file.path.startsWith('src/console/browser/') &&
        !exempt.some((start) => file.path.startsWith(start)),
      'take a Clock (src/base/time.ts), or ids from src/base/ids.ts',
    ),
  );
});

test('exceptions are still needed', () => {
  expectNone(
    Object.keys(OWN_CLOCK)
      .filter((start) => !SOURCES.some(({ path }) => path.startsWith(start)))
      .map((start) => `tests/tidy/allowed.ts: "${start}" matches no file any more: remove it`),
  );
});

test('only entries read the environment and end the process', () => {
  expectNone(
    matches(
      /(?<![.\w])process\.(?:env|exit|exitCode)\b/g,
      (file) => inSrc(file) && !ENTRY.test(file.path),
      'only main.ts and *-main.ts may: take it as a parameter, or throw',
    ),
  );
});

test('only the CLI prints', () => {
  expectNone(
    matches(
      /\bconsole\.(?:log|info|warn|error|debug|trace|table|dir)\(/g,
      (file) => inSrc(file) && file.part !== 'cli' && !ENTRY.test(file.path),
      'log through a Logger (src/base/log.ts)',
    ),
  );
});

test('no test is switched off or alone, and nothing is left undone without a number', () => {
  const everywhere = (file: SourceFile): boolean => !file.path.startsWith('tests/tidy');
  expectNone([
    ...matches(
      /\b(?:test|it|describe|suite)(?:\.only\(|\(\s*,?\s*\{[^}]*\bonly: true)/g,
      everywhere,
      'remove it',
    ),
    ...matches(
      /\b(?:test|it|describe|suite)\.(?:skip|todo)\(/g,
      everywhere,
      'mend or remove the test',
    ),
    ...matches(/\b(?:FIXME|TODO(?!\(#\d+\)))/g, everywhere, 'write TODO(#issue), or do it', 'text'),
  ]);
});

test('files are of a size that one reads in one go', () => {
  expectNone(
    SOURCES.flatMap(({ path, text }) => {
      const lines = text.split('\n').length - 1;
      const head = text.slice(0, 2000);
      const excused = /^\/\/ size: \S/m.test(head);
      if (/^\/\/ size: generated\b/m.test(head)) return [];
      if (lines > LINES_MAX) return `${path} has ${lines} lines, at most ${LINES_MAX}: split it`;
      if (lines <= LINES_GOOD || excused) return [];
      return `${path} has ${lines} lines, ${LINES_GOOD} are good: find the second noun, or give the reason as "// size: …"`;
    }),
  );
});

test('every file says at its top what it is for', () => {
  expectNone(
    SOURCES.filter(({ path }) => !(path.startsWith('src/') && path.includes('.test.')))
      .filter(({ text }) => !/^(?:#!.*\n)?\/[*/]/.test(text))
      .map(({ path }) => `${path} begins without a comment: say what it is responsible for`),
  );
});

test('every part has a README, a level and a row in the map of ARCHITECTURE.md', () => {
  const parts = [...new Set(SOURCES.flatMap(({ part }) => part ?? []))];
  const map = existsSync(join(ROOT, 'ARCHITECTURE.md')) ? read('ARCHITECTURE.md') : '';
  expectNone(
    parts.flatMap((part) => [
      ...(FILES.includes(`src/${part}/README.md`)
        ? []
        : [`src/${part}/README.md is missing: purpose, words, invariants, failure model`]),
      ...(part in LEVELS ? [] : [`src/${part} has no level: add it to src/layers.ts`]),
      ...(map.includes(`src/${part}`)
        ? []
        : [`ARCHITECTURE.md does not name src/${part}: add a row to the map`]),
    ]),
  );
});

test('an error code is raised in one part, and begins with its name', () => {
  const problems: string[] = [];
  for (const file of SOURCES.filter(inSrc)) {
    if (file.part === undefined || file.part === 'base') continue;
    // `src/node` speaks for the data folder too; disks and settings are base's words for everybody.
    const own = [`${file.part.toUpperCase()}_`, ...(file.part === 'node' ? ['DATA_'] : [])];
    const prefixes = [...own, 'CONFIG_', 'DISK_'];
    for (const match of file.text.matchAll(/new MolnError\(\s*'([A-Z0-9_]+)'/g)) {
      const code = match[1] ?? '';
      if (prefixes.some((prefix) => code.startsWith(prefix))) continue;
      problems.push(
        `${file.path}:${lineAt(file.text, match.index)}: code ${code} of part ${file.part}: begin it with ${prefixes[0]}`,
      );
    }
  }
  expectNone(problems);
});

test('the tree holds what belongs into it', () => {
  expectNone(
    FILES.flatMap((path) => {
      const problems: string[] = [];
      if (/(?:^|\/)test\//.test(path))
        problems.push(`${path}: Node runs every file in "test/": use tests/ or testing/`);
      if (/(?:^|\/)(?:utils?|helpers?|common|misc)(?:\/|\.ts$)/.test(path))
        problems.push(`${path}: name it after the noun that it is about`);
      if (/(?:^|\/)\.npmrc$/.test(path))
        problems.push(`${path}: settings of one machine do not belong here`);
      const { size } = statSync(join(ROOT, path));
      if (size > FILE_BYTES_MAX)
        problems.push(`${path} has ${size} bytes, at most ${FILE_BYTES_MAX}`);
      return problems;
    }),
  );
});

test('every golden file is decoded by a test', () => {
  const tests = SOURCES.filter(({ isTest }) => isTest);
  expectNone(
    FILES.filter((path) => /\/golden\/[^/]+$/.test(path) && !path.endsWith('.md'))
      .filter((path) => {
        const name = path.slice(path.lastIndexOf('/') + 1);
        return !tests.some(({ text }) => text.includes(name));
      })
      .map((path) => `${path} is named by no test: decode it in one, for ever`),
  );
});

test('relative links in Markdown resolve', () => {
  const problems: string[] = [];
  for (const path of FILES.filter(
    (name) => name.endsWith('.md') && !name.startsWith('examples/'),
  )) {
    const text = read(path).replace(/```[\s\S]*?```|`[^`\n]*`/g, (code) =>
      code.replace(/[^\n]/g, ' '),
    );
    for (const match of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      const target = match[1] ?? '';
      if (/^[a-z]+:/.test(target)) continue;
      const file = normalize(join(dirname(path), target));
      if (!existsSync(join(ROOT, file))) {
        problems.push(`${path}:${lineAt(text, match.index)}: "${target}" is not there`);
      }
    }
  }
  expectNone(problems);
});

test('a page has one first-level heading', () => {
  expectNone(
    FILES.filter((path) => path.endsWith('.md')).flatMap((path) => {
      const heads =
        read(path)
          .replace(/```[\s\S]*?```/g, '')
          .match(/^# .+$/gm) ?? [];
      return heads.length === 1 ? [] : `${path} has ${heads.length} first-level headings, want one`;
    }),
  );
});

test('nothing names the machine that it was written on', () => {
  const places = [`${ROOT}/`, homedir() === '/' ? '' : `${homedir()}/.`].filter(
    (place) => place !== '',
  );
  const registry = /"resolved": "https:\/\/(?!registry\.npmjs\.org\/)/;
  expectNone(
    FILES.filter((path) =>
      /\.(?:[cm]?[jt]sx?|json|md|sh|css|html|ya?ml|toml|py|php)$|(?:^|\/)(?:moln|run)$/.test(path),
    ).flatMap((path) => {
      const text = read(path);
      const named = places.filter((place) => text.includes(place));
      const problems = named.map((place) => `${path} names "${place}": no path of one machine`);
      if (registry.test(text))
        problems.push(`${path} names a package registry other than npm's own`);
      return problems;
    }),
  );
});
