/**
 * The door of the CLI: one call from the words that were typed to an exit code. Prints errors: one sentence, then
 * the hint, on stderr; with `--json` also `{ "error": … }` on stdout.
 */
import { readFileSync } from 'node:fs';
import { systemCode } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import { MolnClient } from './client.ts';
import type { CommandSpec, Context, Input } from './command.ts';
import { JOIN } from './commands/join.ts';
import { UP } from './commands/up.ts';
import { chooseDataFolder } from './data-folder.ts';
import { errorBody, EXIT, exitCodeOf, interruptedError } from './errors.ts';
import { topHelp } from './help.ts';
import type { CliIo } from './io.ts';
import { parseCommandLine } from './parser.ts';
import { onStopSignals } from './signals.ts';
import { remoteTarget, Transport, type Target } from './transport.ts';
import type { JoinNode, StartNode } from './up.ts';
import { printable, Words } from './words.ts';

export type { CliIo } from './io.ts';
export type { JoinNode, RunningNode, StartNode, UpOptions } from './up.ts';

/** What the CLI cannot import: the node, made by the composition root. */
export interface CliParts {
  readonly startNode?: StartNode;
  readonly joinNode?: JoinNode;
}

/** Runs one command line (without the program's name); resolves with the exit code, never rejects. */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  parts: CliParts = {},
): Promise<number> {
  const readerGone = watchReader(io);
  try {
    const commands = nodeCommands(argv) ?? (await import('./commands.ts')).COMMANDS;
    const parsed = parseCommandLine(versionWord(argv), commands, topHelp(commands));
    if (parsed.kind === 'text') {
      io.stdout.write(parsed.text);
      return EXIT.ok;
    }
    return await runCommand(parsed.spec, parsed.input, io, { ...parts, readerGone });
  } catch (error) {
    return readerGone.aborted ? EXIT.ok : printError(error, argv, io);
  }
}

/** A node stays, so its process loads no command but its own. */
function nodeCommands([first]: readonly string[]): readonly CommandSpec[] | undefined {
  const node = [UP, JOIN];
  return node.some(({ name }) => name === first) ? node : undefined;
}

/** A reader such as `head` that has seen enough ends the command, silently: that is no error. */
function watchReader(io: CliIo): AbortSignal {
  const gone = new AbortController();
  for (const stream of [io.stdout, io.stderr]) {
    stream.on('error', (error) => {
      if (systemCode(error) !== 'EPIPE') throw error;
      if (stream === io.stdout) gone.abort();
    });
  }
  return gone.signal;
}

async function runCommand(
  spec: CommandSpec,
  input: Input,
  io: CliIo,
  parts: CliParts & { readonly readerGone: AbortSignal },
): Promise<number> {
  if (spec.run === undefined) throw new Error(`Command "${spec.name}" does nothing`);
  const stop = new AbortController();
  using _signals =
    spec.ownSignals === true
      ? undefined
      : onStopSignals(() => stop.abort(interruptedError()), io.signals);
  const signal = AbortSignal.any([stop.signal, parts.readerGone]);
  return await spec.run(contextOf(input, io, parts, signal), input);
}

function contextOf(input: Input, io: CliIo, parts: CliParts, signal: AbortSignal): Context {
  const dataFolder = chooseDataFolder(io, input.text('data'), process.getuid?.());
  return {
    io,
    words: new Words(io),
    clock: systemClock,
    json: input.flag('json'),
    version: ownVersion(),
    dataFolder,
    dataFolderGiven: (input.text('data') ?? io.env['MOLN_DATA'] ?? '') !== '',
    startNode: parts.startNode,
    joinNode: parts.joinNode,
    client: () => {
      const target = targetOf(input, io, dataFolder);
      return new MolnClient(new Transport(target, () => systemClock.now(), signal));
    },
    signal,
  };
}

function targetOf(input: Input, io: CliIo, dataFolder: string): Target {
  const value = (option: string, variable: string): string | undefined => {
    const text = input.text(option) ?? io.env[variable];
    return text === '' ? undefined : text;
  };
  const url = value('url', 'MOLN_URL');
  // A folder named on the command line means this machine, whatever the environment says.
  if (url === undefined || (input.text('url') === undefined && input.text('data') !== undefined)) {
    return { kind: 'local', dataFolder };
  }
  return remoteTarget(url, value('token', 'MOLN_TOKEN'), value('pin', 'MOLN_PIN'));
}

function printError(error: unknown, argv: readonly string[], io: CliIo): number {
  const words = new Words(io);
  const body = errorBody(error);
  const end = argv.indexOf('--');
  if ((end === -1 ? argv : argv.slice(0, end)).includes('--json')) words.json({ error: body });
  // Of a node that may be anybody's: its words must not steer this terminal.
  words.note(`${words.style('red', 'Error')}: ${printable(body.message)}`);
  if (body.hint !== undefined) words.note(`  ${printable(body.hint)}`);
  if (body.code === 'CLI_BUG' && error instanceof Error) words.note(error.stack ?? '');
  return exitCodeOf(error);
}

/** `--version` and `-V` are what people try first. */
function versionWord(argv: readonly string[]): readonly string[] {
  return argv[0] === '--version' || argv[0] === '-V' ? ['version', ...argv.slice(1)] : argv;
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
