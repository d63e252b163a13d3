/** A CLI command that goes on until it is interrupted: `logs -f`, `up`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { MOLN, type CliResult } from './moln.ts';
import { until } from './until.ts';

export class FollowedCli implements AsyncDisposable {
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  /** `program`: another copy of it. */
  constructor(words: readonly string[], env: NodeJS.ProcessEnv, program: string = MOLN) {
    const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#child = child;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when the pattern has been printed on stdout. */
  async says(pattern: RegExp): Promise<void> {
    await until(
      `${pattern} on stdout`,
      () => pattern.test(this.#stdout) || Promise.reject(new Error(this.#stdout + this.#stderr)),
    );
  }

  /** Sends Ctrl-C and waits for the end. */
  async interrupt(): Promise<CliResult> {
    if (this.#isRunning()) this.#child.kill('SIGINT');
    return this.ended();
  }

  async ended(withinMs = 30_000): Promise<CliResult> {
    await until('the command to end', () => !this.#isRunning(), { withinMs });
    return { code: this.#child.exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isRunning()) this.#child.kill('SIGKILL');
    await this.ended();
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
}
