/** What measurements share: foreign programs, pinning to cores, CPU time and memory of a process, medians. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Ends the program with one sentence when something is missing. */
export function requirePrograms(needed: Readonly<Record<string, string>>): void {
  const missing = Object.keys(needed).filter((program) => versionOf(program, ['-v']) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => needed[program]))].join(' ');
  console.error(`Missing: ${missing.join(', ')}. Install: apt-get install -y ${packages}`);
  process.exit(1);
}

/** The first version number that the program prints, or undefined when it cannot be run. */
export function versionOf(program: string, options: readonly string[]): string | undefined {
  try {
    const quoted = [program, ...options].map((word) => `'${word}'`).join(' ');
    const text = execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin; ${quoted} 2>&1; true`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (/not found/.test(text)) return undefined;
    return /\d+(?:\.\d+)+/.exec(text)?.[0] ?? 'unknown';
  } catch {
    // It cannot be run at all: the same as missing.
    return undefined;
  }
}

/** The cores that this process may use. */
export function allowedCores(): number[] {
  const list = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return (list ?? '0').split(',').flatMap((span) => {
    const [first = 0, last = first] = span.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export interface StartOptions {
  readonly core: number;
  readonly program: string;
  readonly args: readonly string[];
  /** Beside this process's own. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** The command line that runs a program on one core. */
export function pinned({ core, program, args }: StartOptions): [string, ...string[]] {
  return ['taskset', '-c', String(core), program, ...args];
}

/**
 * Lets this session with its children run before other work on the machine until disposed, when we are root and the
 * kernel schedules by session (sched(7), autogroup). Otherwise the figures of a busy machine are noisier, nothing else.
 */
export function hurry(): Disposable {
  setAutogroupNice('-15');
  return { [Symbol.dispose]: () => setAutogroupNice('0') };
}

/** The same for a process of another session, for as long as it lives. */
export function hurryProcess(pid: number): void {
  setAutogroupNice('-15', pid);
}

function setAutogroupNice(nice: string, pid: number | 'self' = 'self'): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, nice);
  } catch {
    // Not root, no autogroups, or it has ended.
  }
}

/** A program pinned to one core; ended by `stop`. */
export function startPinned(
  options: StartOptions,
  output: 'ignore' | 'pipe' = 'ignore',
): ChildProcess {
  const [program, ...args] = pinned(options);
  return spawn(program, args, {
    stdio: ['ignore', output, 'inherit'],
    env: { ...process.env, ...options.environment, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
  });
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}

/** Resolves when the port takes connections. */
export async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (accepted) return;
    await pause(50);
  }
  throw new Error(`Nothing listens on port ${port} after 10 s`);
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** User and system time of a process with all its threads, in seconds; grain 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Time that the first thread of a process had a core, in milliseconds: fine enough for what takes no longer than some. */
export function threadCpuMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** Time that a core was busy with anything, in seconds since boot; time stolen by the host counts. */
export function coreBusySeconds(core: number): number {
  const line = new RegExp(`^cpu${core} (.+)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

export interface Memory {
  readonly rssBytes: number;
  /** Shared pages divided among those who share them. */
  readonly pssBytes: number;
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) * 1024;
  return { rssBytes: field('Rss'), pssBytes: field('Pss') };
}

/** The only child of a process: nginx's worker. */
export function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  if (child === undefined || child === '') throw new Error(`Process ${pid} has no child`);
  return Number(child);
}

/** With one digit behind the point. */
export function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
