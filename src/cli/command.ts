/**
 * A command as plain data: what it is called, what it takes, what it does. The parser turns a table of these
 * into a command line, so that commands know nothing of the library that parses.
 */
import type { Clock } from '../base/time.ts';
import type { MolnClient } from './client.ts';
import type { CliIo } from './io.ts';
import type { JoinNode, StartNode } from './up.ts';
import type { Words } from './words.ts';

export interface ArgumentSpec {
  /** `DIR`, or `CMD…` for the rest of the line. */
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  readonly variadic?: boolean;
}

export interface OptionSpec {
  /** `-f, --follow` or `--tail <N>`. */
  readonly flags: string;
  readonly description: string;
  /** May be given several times; read it with `input.texts`. */
  readonly repeat?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Whole command lines, each with what it does. */
  readonly examples?: readonly (readonly [command: string, meaning: string])[];
  /** Everything after the first argument belongs to another program and is not read as options. */
  readonly passThrough?: boolean;
  /** About this machine only: takes no --url. */
  readonly local?: boolean;
  /** It lives by signals of its own; everything else ends its streams and returns. */
  readonly ownSignals?: boolean;
  /** Prints the result and returns the exit code. */
  readonly run?: (context: Context, input: Input) => Promise<number>;
  readonly commands?: readonly CommandSpec[];
  /** The thing that the subcommands are about, named before them: `moln app NAME logs`. */
  readonly subject?: ArgumentSpec;
}

/** What was typed, checked for shape only. */
export interface Input {
  /** The subject's name, `''` for commands without one. */
  readonly subject: string;
  argument(name: string): string | undefined;
  rest(name: string): readonly string[];
  flag(option: string): boolean;
  text(option: string): string | undefined;
  texts(option: string): readonly string[];
}

/** What a command may use. */
export interface Context {
  readonly io: CliIo;
  readonly words: Words;
  readonly clock: Clock;
  readonly json: boolean;
  readonly version: string;
  /** Absolute; the node on this machine that is meant. */
  readonly dataFolder: string;
  /** True when --data or MOLN_DATA named it: hints must then name it too. */
  readonly dataFolderGiven: boolean;
  /** Undefined when the CLI is used without a node to start, as in some tests. */
  readonly startNode: StartNode | undefined;
  readonly joinNode: JoinNode | undefined;
  /** A connection to the node that is meant; opening it does nothing yet. */
  client(): MolnClient;
  /** Aborted by Ctrl-C: for commands that stream. */
  readonly signal: AbortSignal;
}
