/**
 * `npm run check`: format, lint, types, house rules and unit tests, side by side, in seconds.
 * Prints one line a check and the output of those that failed.
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ownRuntime, ROOT, runQuietly, type Outcome } from './run.ts';

/** A check that hangs is a failed check. */
const TIMEOUT_MS = 300_000;

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** How to mend what it finds. */
  readonly fix: string;
}

const bin = (name: string): string => join(ROOT, 'node_modules', '.bin', name);

function checks(): readonly Check[] {
  const units = globSync('{src,testing,scripts}/**/*.test.ts', { cwd: ROOT }).sort();
  return [
    {
      name: 'format',
      command: [bin('oxfmt'), '--check', '.'],
      fix: 'Run "npm run format"',
    },
    { name: 'lint', command: [bin('oxlint'), '--deny-warnings'], fix: 'Mend what it names' },
    { name: 'types', command: [bin('tsc'), '-p', '.'], fix: 'Mend what it names' },
    {
      name: 'house rules',
      command: [process.execPath, '--test', 'tests/tidy.test.ts'],
      fix: 'Each message says what to do',
    },
    {
      name: `unit tests (${units.length} files)`,
      command: [process.execPath, '--test', '--test-isolation=none', ...units],
      fix: 'Run one file with "node --test FILE"',
    },
  ];
}

/** True when everything passed. */
export async function check(): Promise<boolean> {
  const outcomes = await Promise.all(
    checks().map(async (one) => ({
      one,
      outcome: await runQuietly(one.command, { timeoutMs: TIMEOUT_MS }),
    })),
  );
  for (const { one, outcome } of outcomes) console.log(line(one.name, outcome));
  for (const { one, outcome } of outcomes.filter((each) => !each.outcome.ok)) {
    console.log(`\n── ${one.name} ──\n${outcome.output.trim()}\n   ${one.fix}`);
  }
  return outcomes.every(({ outcome }) => outcome.ok);
}

function line(name: string, { ok, tookMs }: Outcome): string {
  return `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(28)} ${(tookMs / 1000).toFixed(1)} s`;
}

if (import.meta.main) {
  ownRuntime();
  parseArgs({ strict: true });
  process.exitCode = (await check()) ? 0 : 1;
}
