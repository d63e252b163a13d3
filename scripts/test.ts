/**
 * `npm test`: what the tests need, then `check`, then the scenarios of `tests/` and the stories of whole clusters in
 * `tests/cluster/`, each file in processes of its own. `npm test -- deploy cluster/three` runs the named ones only, and a
 * folder's name with a slash means all of it; those in `tests/long/` take minutes each and run only when they are named.
 */
import { globSync } from 'node:fs';
import { check } from './check.ts';
import { ensurePackages } from './packages.ts';
import { ownRuntime, ROOT, runLoudly } from './run.ts';

/** Two nodes' worth of processes at a time are what two cores carry without flakes. */
const CONCURRENCY = 2;
const FILE_TIMEOUT_MS = 300_000;
const ALL_TIMEOUT_MS = 1_500_000;
/** Runs with `check` already. */
const NOT_A_SCENARIO = 'tidy.test.ts';

interface Group {
  readonly title: string;
  /** Relative to `tests/`. */
  readonly pattern: string;
  readonly onlyIfNamed?: boolean;
}

const GROUPS: readonly Group[] = [
  { title: 'Scenarios', pattern: '*.test.ts' },
  { title: 'Clusters', pattern: 'cluster/*.test.ts' },
  { title: 'Long stories', pattern: 'long/*.test.ts', onlyIfNamed: true },
];

function filesOf(
  { pattern, onlyIfNamed = false }: Group,
  names: readonly string[],
): readonly string[] {
  if (onlyIfNamed && names.length === 0) return [];
  return globSync(pattern, { cwd: `${ROOT}/tests` })
    .filter((file) => file !== NOT_A_SCENARIO)
    .filter((file) => names.length === 0 || names.some((name) => file.startsWith(name)))
    .sort();
}

async function run(files: readonly string[]): Promise<boolean> {
  const command = [
    process.execPath,
    '--test',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...files.map((file) => `tests/${file}`),
  ];
  return (await runLoudly(command, { timeoutMs: ALL_TIMEOUT_MS })).ok;
}

async function main(names: readonly string[]): Promise<boolean> {
  const groups = GROUPS.map((group) => ({ ...group, files: filesOf(group, names) }));
  if (groups.every(({ files }) => files.length === 0)) {
    console.error(`No scenario is called ${names.join(' or ')}`);
    return false;
  }
  section('What the tests need');
  if (!(await ensurePackages())) return false;
  console.log('All there');
  section('Check');
  const checked = await check();
  let passed = true;
  for (const { title, files } of groups) {
    if (files.length === 0) continue;
    section(title);
    passed = (await run(files)) && passed;
  }
  if (!checked) console.error('\nThe scenarios are done, but "check" failed above');
  return checked && passed;
}

function section(title: string): void {
  console.log(`\n=== ${title} ===`);
}

ownRuntime();
process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
