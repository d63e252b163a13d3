/** Runs other programs for the scripts: their output kept for when they fail, and an end in any case. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('..', import.meta.url));

export interface Outcome {
  readonly ok: boolean;
  /** stdout and stderr as they came. */
  readonly output: string;
  readonly tookMs: number;
}

const NODE_MAJOR_LEAST = 24;
const KILL_AFTER_MS = 5000;

/** Fails with a sentence under a system Node: everything here is for the runtime that the package brings. */
export function ownRuntime(): void {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_LEAST) return;
  console.error(`Node ${process.version} runs this, ${NODE_MAJOR_LEAST} or newer is needed`);
  console.error('  Run "npm ci", which brings it along, and then the npm script');
  process.exit(1);
}

/** Resolves however it ends; a program that cannot be started counts as failed. */
export async function runQuietly(
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly env?: NodeJS.ProcessEnv },
): Promise<Outcome> {
  const output: Buffer[] = [];
  const ended = await run(command, options, (chunk) => output.push(chunk));
  const text = Buffer.concat(output).toString('utf8');
  return { ok: ended.ok, output: `${text}${ended.note}`, tookMs: ended.tookMs };
}

/** The same with the output shown as it comes. */
export async function runLoudly(
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly env?: NodeJS.ProcessEnv },
): Promise<Outcome> {
  const ended = await run(command, options, (chunk) => process.stdout.write(chunk));
  if (ended.note !== '') console.log(ended.note);
  return { ok: ended.ok, output: ended.note, tookMs: ended.tookMs };
}

async function run(
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly env?: NodeJS.ProcessEnv },
  take: (chunk: Buffer) => void,
): Promise<{ readonly ok: boolean; readonly note: string; readonly tookMs: number }> {
  const [program = '', ...args] = command;
  const startedMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<{ ok: boolean; note: string }>();
  // A group of its own, so that a time-out ends the children too.
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pass = (signal: NodeJS.Signals): void => endGroup(child.pid, signal);
  process.on('SIGINT', pass).on('SIGTERM', pass);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    pass('SIGTERM');
    setTimeout(() => pass('SIGKILL'), KILL_AFTER_MS).unref();
  }, options.timeoutMs);
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  child.once('error', (error) => resolve({ ok: false, note: `\n${program}: ${error.message}` }));
  child.once('close', (code, signal) => {
    const note = timedOut ? `\nEnded after ${options.timeoutMs / 1000} s without a result` : '';
    resolve({ ok: code === 0 && signal === null, note });
  });
  const ended = await promise;
  clearTimeout(timer);
  process.off('SIGINT', pass).off('SIGTERM', pass);
  return { ...ended, tookMs: performance.now() - startedMs };
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
