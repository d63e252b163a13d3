/**
 * Turns the table of commands into a command line. The only file that knows commander; its messages are
 * replaced by our sentences with the nearest known name.
 */
import { Command, CommanderError, Option } from 'commander';
import { nearestName } from '../base/suggest.ts';
import type { ArgumentSpec, CommandSpec, Input, OptionSpec } from './command.ts';
import { usageError } from './errors.ts';

/** What was chosen: run `spec` with `input`, or print `text` (help, version) and be done. */
export type Parsed =
  | { readonly kind: 'run'; readonly spec: CommandSpec; readonly input: Input }
  | { readonly kind: 'text'; readonly text: string };

const HELP_WIDTH = 100;
/** Taken by every command. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { flags: '--json', description: 'print the result as JSON on stdout, for scripts' },
  { flags: '--data <DIR>', description: 'data folder of the node that is meant (or MOLN_DATA)' },
];
/** Taken by every command that asks a node. */
export const REMOTE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--url <URL>', description: 'another machine, as https://HOST:7420 (or MOLN_URL)' },
  { flags: '--token <TOKEN>', description: 'token for --url (or MOLN_TOKEN)' },
  {
    flags: '--pin <SHA256>',
    description: "fingerprint of that cluster's certificate (or MOLN_PIN)",
  },
];

/** Parses the words after the program's name. Throws `CLI_USAGE`. */
export function parseCommandLine(
  argv: readonly string[],
  commands: readonly CommandSpec[],
  topHelp: string,
): Parsed {
  const build = new Building();
  const root = build.command({ name: 'moln', summary: '', commands }, 'moln');
  root.helpInformation = () => topHelp;
  root.helpCommand('help [command]', 'explain a command');
  return build.parse(root, argv.length === 0 ? ['help'] : argv);
}

class Building {
  #result: Parsed | undefined;
  #text = '';

  parse(root: Command, argv: readonly string[]): Parsed {
    try {
      root.parse([...argv], { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
      return { kind: 'text', text: this.#text };
    }
    return this.#result ?? { kind: 'text', text: this.#text };
  }

  command(spec: CommandSpec, path: string, subject = ''): Command {
    const command = new Command(spec.name)
      .description(spec.summary)
      .allowExcessArguments(false)
      .enablePositionalOptions()
      .addHelpOption(new Option('-h, --help', 'show this help').helpGroup('Common options:'))
      .helpCommand(false)
      .configureHelp({ subcommandTerm: (child) => `${child.name()} ${argumentsOf(child)}`.trim() })
      .configureOutput({
        writeOut: (text) => (this.#text += text),
        writeErr: (text) => (this.#text += text),
        outputError: () => {},
        getOutHelpWidth: () => HELP_WIDTH,
      })
      .exitOverride((error) => {
        if (error.exitCode === 0 || error.code === 'commander.help') {
          throw new CommanderError(0, error.code, error.message);
        }
        throw sentenceOf(error, command, path, spec);
      });
    const common = spec.local === true ? COMMON_OPTIONS : [...COMMON_OPTIONS, ...REMOTE_OPTIONS];
    for (const option of spec.options ?? []) addOption(command, option, 'Options:');
    for (const option of common) addOption(command, option, 'Common options:');
    if (spec.passThrough === true) command.passThroughOptions();
    command.addHelpText('after', examplesText(spec));
    if (spec.subject === undefined) this.#addChildren(command, spec, path, subject);
    else this.#addSubject(command, spec, spec.subject, path);
    return command;
  }

  #addChildren(command: Command, spec: CommandSpec, path: string, subject: string): void {
    for (const argument of spec.arguments ?? []) addArgument(command, argument);
    for (const child of spec.commands ?? []) {
      command.addCommand(this.command(child, `${path} ${child.name}`, subject));
    }
    if (spec.run === undefined) return;
    command.action(() => {
      this.#result = { kind: 'run', spec, input: new TypedInput(command, spec, subject) };
    });
  }

  /** `moln app NAME verb`: commander has no such grammar, so the rest of the line is parsed by a second command. */
  #addSubject(command: Command, spec: CommandSpec, subject: ArgumentSpec, path: string): void {
    const verbs = { ...spec, arguments: [], name: `${path.split(' ').at(-1)} ${subject.name}` };
    const inner = (name: string): Command => {
      const { subject: _subject, ...rest } = verbs;
      const built = this.command(rest, `${path} ${name === '' ? subject.name : name}`, name);
      built.parent = command.parent;
      return built;
    };
    command.argument('<subject>').argument('[rest...]').passThroughOptions();
    command.helpInformation = () => inner('').helpInformation();
    command.action((name: string, rest: readonly string[]) => {
      const built = inner(name);
      for (const [key, value] of Object.entries(command.opts<Record<string, unknown>>())) {
        built.setOptionValueWithSource(key, value, 'config');
      }
      built.parse([...rest], { from: 'user' });
    });
  }
}

function addArgument(command: Command, argument: ArgumentSpec): void {
  const name = argument.variadic === true ? `${argument.name}...` : argument.name;
  command.argument(argument.required === true ? `<${name}>` : `[${name}]`, argument.description);
}

function addOption(command: Command, spec: OptionSpec, group: string): void {
  const option = new Option(spec.flags, spec.description).helpGroup(group);
  if (spec.repeat === true) {
    option.argParser((value: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      value,
    ]);
  }
  command.addOption(option);
}

function examplesText(spec: CommandSpec): string {
  if (spec.examples === undefined) return '';
  const width = Math.max(...spec.examples.map(([line]) => line.length));
  const lines = spec.examples.map(([line, meaning]) => `  ${line.padEnd(width)}  ${meaning}`);
  return `\nExamples:\n${lines.join('\n')}\n`;
}

function argumentsOf(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    // Some are named with their dots.
    const isMarked = !argument.variadic || argument.name().endsWith('…');
    const name = `${argument.name()}${isMarked ? '' : '…'}`;
    return argument.required ? name : `[${name}]`;
  });
  return words.join(' ');
}

/** Reads commander's values with the options of the levels above as defaults: `moln --json status`. */
class TypedInput implements Input {
  readonly subject: string;
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #arguments: ReadonlyMap<string, unknown>;

  constructor(command: Command, spec: CommandSpec, subject: string) {
    this.subject = subject;
    const levels: Record<string, unknown>[] = [];
    for (let level: Command | null = command; level !== null; level = level.parent) {
      levels.unshift(level.opts());
    }
    this.#options = Object.assign({}, ...levels) as Record<string, unknown>;
    const values = command.processedArgs as readonly unknown[];
    this.#arguments = new Map((spec.arguments ?? []).map(({ name }, at) => [name, values[at]]));
  }

  argument(name: string): string | undefined {
    const value = this.#arguments.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  rest(name: string): readonly string[] {
    const value = this.#arguments.get(name);
    return Array.isArray(value) ? (value as string[]) : [];
  }

  flag(option: string): boolean {
    return this.#options[attributeOf(option)] === true;
  }

  text(option: string): string | undefined {
    const value = this.#options[attributeOf(option)];
    return typeof value === 'string' ? value : undefined;
  }

  texts(option: string): readonly string[] {
    const value = this.#options[attributeOf(option)];
    return Array.isArray(value) ? (value as string[]) : [];
  }
}

/** Commander keeps `--gateway-port` as `gatewayPort`. */
function attributeOf(option: string): string {
  return option.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());
}

/** Our sentence for commander's error. */
function sentenceOf(
  error: CommanderError,
  command: Command,
  path: string,
  spec: CommandSpec,
): Error {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const help = `See "${path} --help"`;
  switch (error.code) {
    case 'commander.unknownOption': {
      const flag = quoted.split('=')[0] ?? quoted;
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      const flags = [...known, '--help'].filter((name) => name !== undefined);
      return usageError(`Unknown option "${flag}"${didYouMean(flag, flags)}`, help);
    }
    case 'commander.unknownCommand':
    case 'commander.excessArguments': {
      const word = error.code === 'commander.unknownCommand' ? quoted : (command.args[0] ?? '');
      if (spec.commands === undefined) {
        const extra = command.args.at(-1) ?? '';
        return usageError(`"${path}" does not know what to do with "${extra}"`, help);
      }
      const names = spec.commands.map(({ name }) => name);
      return usageError(`Unknown command "${path} ${word}"${didYouMean(word, names)}`, help);
    }
    case 'commander.missingArgument':
      return usageError(`"${path}" needs ${quoted === 'subject' ? 'NAME' : quoted}`, help);
    case 'commander.optionMissingArgument':
      return usageError(`Option "${quoted}" needs a value`, help);
    default:
      return usageError(capital(error.message.replace(/^error: /, '')), help);
  }
}

function didYouMean(word: string, known: readonly string[]): string {
  const near = nearestName(word, known);
  return near === undefined ? '' : `: did you mean "${near}"?`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
