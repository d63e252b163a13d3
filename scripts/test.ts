/**
 * `npm test`: what the tests need, then `check`, then the scenarios of `tests/`, each file in processes of its own.
 * `npm test -- deploy two-nodes` runs the named scenarios only.
 */
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { check } from './check.ts';
import { ensurePackages } from './packages.ts';
import { ownRuntime, ROOT, runLoudly } from './run.ts';

/** Two nodes' worth of processes at a time are what two cores carry without flakes. */
const CONCURRENCY = 2;
const FILE_TIMEOUT_MS = 240_000;
const ALL_TIMEOUT_MS = 900_000;
/** Runs with `check` already. */
const NOT_A_SCENARIO = 'tidy.test.ts';

async function scenarios(names: readonly string[]): Promise<boolean> {
  const files = globSync('tests/*.test.ts', { cwd: ROOT })
    .filter((file) => basename(file) !== NOT_A_SCENARIO)
    .filter((file) => names.length === 0 || names.some((name) => basename(file).startsWith(name)))
    .sort();
  if (files.length === 0) {
    console.error(`No scenario is called ${names.join(' or ')}`);
    return false;
  }
  const command = [
    process.execPath,
    '--test',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...files,
  ];
  return (await runLoudly(command, { timeoutMs: ALL_TIMEOUT_MS })).ok;
}

async function main(names: readonly string[]): Promise<boolean> {
  section('What the tests need');
  if (!(await ensurePackages())) return false;
  console.log('All there');
  section('Check');
  const checked = await check();
  section('Scenarios');
  const passed = await scenarios(names);
  if (!checked) console.error('\nThe scenarios are done, but "check" failed above');
  return checked && passed;
}

function section(title: string): void {
  console.log(`\n=== ${title} ===`);
}

ownRuntime();
process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
