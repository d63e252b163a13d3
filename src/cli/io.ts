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
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when a person watches: in-place progress and colours, questions may be asked. */
  readonly isTerminal: boolean;
  /** Where Ctrl-C and its kin come from; the process itself when not given. */
  readonly signals?: SignalSource;
  /** Relative folders on the command line start here. */
  readonly cwd: string;
}
