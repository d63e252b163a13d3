/**
 * Commands that people run: `run` in a fresh sandbox with the app's release, settings and secrets, `exec` inside a
 * running instance. Input and output are streamed; the command ends when its client goes away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { systemCode } from '../base/errors.ts';
import { type ProcessId, processId, signalProcess } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import type { SpawnPlan } from './driver.ts';
import { RUN_QUEUE_BYTES_MAX, RUN_STOP_TIMEOUT_MS } from './run-limits.ts';

/** Output as base64, then the exit. */
export type RunOutput =
  | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly base64: string }
  | { readonly kind: 'exit'; readonly code: number | null; readonly signal: string | null };

export interface CommandOptions {
  readonly plan: SpawnPlan;
  readonly stdin: Readable | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Called once the process exists. */
  readonly started: (root: ProcessId) => Promise<void>;
  /** Ends everything that is left of it. */
  readonly cleanUp: (root: ProcessId | undefined) => Promise<void>;
  /** Asks it to stop. */
  readonly terminate: (root: ProcessId) => void;
}

/** A command that cannot be started exits like in a shell: with 127 and a sentence on stderr. */
export async function* runCommand(
  options: CommandOptions,
): AsyncGenerator<RunOutput, void, undefined> {
  const { plan, stdin, signal, clock } = options;
  signal.throwIfAborted();
  const child = spawn(plan.file, plan.args, {
    cwd: plan.cwd,
    env: plan.env,
    detached: true,
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(plan.uid === undefined ? {} : { uid: plan.uid, gid: plan.gid ?? plan.uid }),
  });
  const root = child.pid === undefined ? undefined : processId(child.pid);
  const queue = new OutputQueue(child);
  const stop = (): void => {
    if (root === undefined) return;
    options.terminate(root);
    clock.after(RUN_STOP_TIMEOUT_MS, () => signalProcess(root, 'SIGKILL', true));
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (root !== undefined) await options.started(root);
    if (stdin !== undefined) feed(child, stdin);
    yield* queue.items();
  } finally {
    signal.removeEventListener('abort', stop);
    await options.cleanUp(root);
  }
}

function feed(child: ChildProcess, stdin: Readable): void {
  const { stdin: into } = child;
  if (into === null) return;
  // A command that does not read its input to the end is no failure.
  into.on('error', () => stdin.unpipe(into));
  stdin.on('error', () => into.end());
  stdin.pipe(into);
}

/** Output in order of arrival; the command has to wait when nobody takes it. */
class OutputQueue {
  readonly #child: ChildProcess;
  #items: RunOutput[] = [];
  #bytes = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (bytes: Buffer) => {
        this.#push({ kind: 'output', stream, base64: bytes.toString('base64') });
      });
    }
    child.on('error', (error) => {
      const problem = systemCode(error) === 'ENOENT' ? 'command not found' : error.message;
      const base64 = Buffer.from(`${problem}\n`).toString('base64');
      this.#push({ kind: 'output', stream: 'stderr', base64 });
      this.#end({ kind: 'exit', code: 127, signal: null });
    });
    child.on('exit', () => void this.#closeSoon());
    child.on('close', (code, signal) => this.#end({ kind: 'exit', code, signal }));
  }

  async *items(): AsyncGenerator<RunOutput, void, undefined> {
    while (true) {
      const item = this.#items.shift();
      if (item === undefined) {
        if (this.#ended) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      if (item.kind === 'output') this.#bytes -= item.base64.length;
      if (this.#bytes < RUN_QUEUE_BYTES_MAX) {
        this.#child.stdout?.resume();
        this.#child.stderr?.resume();
      }
      yield item;
    }
  }

  #push(item: RunOutput): void {
    this.#items.push(item);
    if (item.kind === 'output') this.#bytes += item.base64.length;
    if (this.#bytes >= RUN_QUEUE_BYTES_MAX) {
      this.#child.stdout?.pause();
      this.#child.stderr?.pause();
    }
    this.#wake();
  }

  #end(item: RunOutput): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#push(item);
  }

  /** Background processes that it left may hold its output open for ever. */
  async #closeSoon(): Promise<void> {
    const { stdout, stderr } = this.#child;
    if (stdout?.readableEnded === true && stderr?.readableEnded === true) return;
    const [code, signal] = [this.#child.exitCode, this.#child.signalCode];
    const closed = once(this.#child, 'close');
    const patience = AbortSignal.timeout(RUN_STOP_TIMEOUT_MS);
    const late = new Promise<void>((resolve) =>
      patience.addEventListener('abort', () => resolve()),
    );
    await Promise.race([closed, late]);
    this.#end({ kind: 'exit', code, signal });
  }
}
