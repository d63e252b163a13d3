/** Runs the programs of other databases for benchmarks. Their servers refuse to run as root, so root runs them as the users that Debian's packages make. */
import { execFile, type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { until } from '../testing/until.ts';

const TIMEOUT_MS = 120_000;

export interface PeerProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** Who runs it when we are root; left out: root. */
  readonly user?: string;
}

/** Waits for its end and returns what it printed. Throws with what it complained about. */
export async function output(one: PeerProgram): Promise<string> {
  const [program, ...args] = command(one);
  const done = await promisify(execFile)(program, args, {
    timeout: TIMEOUT_MS,
    env: environment(),
  });
  return done.stdout;
}

/** Makes a folder that the user owns, and returns its path. */
export async function serverFolder(path: string, user: string): Promise<string> {
  await mkdir(path, { mode: 0o700 });
  if (process.getuid?.() === 0) await output({ program: 'chown', args: [user, path] });
  return path;
}

/** Starts a server whose words go to the file `log`, and waits until `isReady` has returned true. */
export async function startServer(
  one: PeerProgram,
  log: string,
  isReady: () => Promise<boolean>,
): Promise<ChildProcess> {
  const [program, ...args] = command(one);
  const words = openSync(log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', words, words], env: environment() });
  try {
    await until(`${one.program} is ready`, isReady, { withinMs: TIMEOUT_MS });
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(readFileSync(log, 'utf8').slice(-2000), { cause: error });
  }
  return child;
}

function command({ program, args, user }: PeerProgram): [string, ...string[]] {
  if (user === undefined || process.getuid?.() !== 0) return [program, ...args];
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', program, ...args];
}

/** Debian keeps PostgreSQL's own programs away from the path. */
function environment(): NodeJS.ProcessEnv {
  const { PATH = '' } = process.env;
  return { ...process.env, PATH: `${PATH}:/usr/sbin:/usr/lib/postgresql/15/bin` };
}
