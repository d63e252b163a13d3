/** What the CLI touches of the outside: streams, environment, folder. `main.ts` hands in the real ones. */
import type { Readable, Writable } from 'node:stream';

export interface CliIo {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when a person watches: in-place progress and colours, questions may be asked. */
  readonly isTerminal: boolean;
  /** Relative folders on the command line start here. */
  readonly cwd: string;
}
