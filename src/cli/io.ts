/** What the CLI touches of the outside: streams, environment, folder. `main.ts` hands in the real ones. */
import type { Readable, Writable } from 'node:stream';

/** The part of `process` that tells of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface CliIo {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** `isTTY` is true when a person types there: a file or pipe may feed it while the output is a terminal. */
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when a person watches: in-place progress and colours. */
  readonly isTerminal: boolean;
  /** Where Ctrl-C and its kin come from; the process itself when not given. */
  readonly signals?: SignalSource;
  /** Relative folders on the command line start here. */
  readonly cwd: string;
}

/** Whether questions can be asked: a person sees them and types the answer. */
export function isConversation(io: CliIo): boolean {
  return io.isTerminal && io.stdin.isTTY === true;
}
