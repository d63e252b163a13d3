/** Runs the real `./moln` once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const MOLN: string = fileURLToPath(new URL('../moln', import.meta.url));

const WITHIN_MS = 90_000;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `./moln` with a time limit; the environment is exactly `env`. */
export async function runMoln(
  words: readonly string[],
  options: {
    readonly env: NodeJS.ProcessEnv;
    readonly input?: string;
    readonly cwd?: string;
    readonly uid?: number;
    readonly gid?: number;
  },
): Promise<CliResult> {
  const { input, ...where } = options;
  const child = spawn(MOLN, words, {
    ...where,
    stdio: 'pipe',
    timeout: WITHIN_MS,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  // A command that does not read its input closes it early: that is its right.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  await once(child, 'close');
  return { code: child.exitCode, ...output };
}
