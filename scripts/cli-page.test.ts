/** Keeps `docs/cli.md` true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { COMMANDS } from '../src/cli/commands.ts';
import { parseCommandLine } from '../src/cli/parser.ts';
import { CLI_PAGE, cliPage } from './cli-page.ts';

const page: string = readFileSync(CLI_PAGE, 'utf8');

test('docs/cli.md is what the commands say now: run "node scripts/cli-page.ts"', () => {
  assert.equal(page, cliPage());
});

test('every option that --help shows stands on the page', () => {
  const lines = COMMANDS.flatMap((command) => [
    [command.name],
    ...(command.commands ?? []).map((verb) => [
      command.name,
      ...(command.subject === undefined ? [] : ['NAME']),
      verb.name,
    ]),
  ]);
  for (const words of lines) {
    const parsed = parseCommandLine([...words, '--help'], COMMANDS, '');
    assert.ok(parsed.kind === 'text');
    const flags = [...parsed.text.matchAll(/^ {2}(-\S.*?) {2,}/gm)].map((match) => match[1] ?? '');
    assert.ok(flags.length > 1, words.join(' '));
    for (const flag of flags.filter((each) => each !== '-h, --help')) {
      assert.ok(page.includes(`\`${flag}\``), `${words.join(' ')}: ${flag}`);
    }
  }
});
