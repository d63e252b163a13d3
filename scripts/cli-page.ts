/** Writes `docs/cli.md` from the table of commands, which is also what `--help` prints. A test keeps the two equal. */
import { writeFileSync } from 'node:fs';
import { COMMANDS } from '../src/cli/commands.ts';
import type { ArgumentSpec, CommandSpec, OptionSpec } from '../src/cli/command.ts';
import { COMMON_OPTIONS, REMOTE_OPTIONS } from '../src/cli/parser.ts';

export const CLI_PAGE: URL = new URL('../docs/cli.md', import.meta.url);

/** The whole page. */
export function cliPage(): string {
  const parts = [INTRODUCTION, ...COMMANDS.flatMap((command) => section(command, 'moln', '##'))];
  return `${parts.join('\n\n')}\n`;
}

const INTRODUCTION = `# The command line

All commands of \`moln\`, as \`moln COMMAND --help\` shows them. This page is made by
\`node scripts/cli-page.ts\`.

Results go to stdout, progress and errors to stderr. An error is one sentence and a hint with what
to type; with \`--json\` also \`{ "error": { "code", "message", "hint", "retryable" } }\` on stdout.
Exit codes: 0 done, 1 failed, 2 mistyped, 3 no node runs or it cannot be reached; \`run\` and \`exec\`
end with the command's own. Colours and spinners are for terminals only, and \`NO_COLOR\` turns
colours off.

Every command takes:

${COMMON_OPTIONS.map(option).join('\n')}

Every command that asks a node also takes:

${REMOTE_OPTIONS.map(option).join('\n')}

The variables keep a token out of the list of processes, where every user of the machine could read
it.`;

function section(spec: CommandSpec, path: string, heading: string): readonly string[] {
  const subject = spec.subject === undefined ? '' : ` ${spec.subject.name}`;
  const name = `${path} ${spec.name}${subject}`;
  const words = (spec.arguments ?? []).map(wordOf).join(' ');
  const lines = [...(spec.arguments ?? []).map(argument), ...(spec.options ?? []).map(option)];
  const examples = spec.examples ?? [];
  return [
    `${heading} ${name}`,
    ...(words === '' ? [] : [`\`${name} ${words}\``]),
    spec.summary,
    ...(lines.length === 0 ? [] : [lines.join('\n')]),
    ...(examples.length === 0 ? [] : [`\`\`\`sh\n${exampleLines(examples)}\n\`\`\``]),
    ...(spec.commands ?? []).flatMap((child) => section(child, name, `${heading}#`)),
  ];
}

function wordOf({ name, required, variadic }: ArgumentSpec): string {
  const word = variadic === true && !name.endsWith('…') ? `${name}…` : name;
  return required === true ? word : `[${word}]`;
}

function argument(spec: ArgumentSpec): string {
  return `- \`${wordOf(spec)}\`: ${spec.description}`;
}

function option({ flags, description, repeat }: OptionSpec): string {
  return `- \`${flags}\`: ${description}${repeat === true ? '; may be given several times' : ''}`;
}

function exampleLines(examples: readonly (readonly [string, string])[]): string {
  const width = Math.max(...examples.map(([line]) => line.length));
  return examples
    .map(([line, meaning]) => (meaning === '' ? line : `${line.padEnd(width)}  # ${meaning}`))
    .join('\n');
}

if (import.meta.main) writeFileSync(CLI_PAGE, cliPage());
