/**
 * Ends singletons whose time is over, also when the agent cannot: a small process beside them reads until when each may run,
 * by the uptime of the machine, and kills what the agent did not extend. A killed or stopped agent extends nothing, so its
 * singletons have ended before anybody may start them elsewhere.
 */
import { spawn } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import type { Logger } from '../base/log.ts';
import { isRunning, type ProcessId, processId, signalProcess } from '../base/process-id.ts';
import { uptimeMs } from '../base/uptime.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { InstanceSupervisor } from './instance-supervisor.ts';

/** How long this node may still run a singleton; Infinity while it is alone. */
export interface SingletonClock {
  remainingMs(lostAfterMs: number | undefined): number;
}

export interface SingletonGuardOptions {
  /** Of sockets and process records. */
  readonly runFolder: string;
  readonly supervisor: InstanceSupervisor;
  readonly clock: SingletonClock;
  readonly log: Logger;
}

const EXTEND_EVERY_MS = 500;
const IDLE_EVERY_MS = 2000;

/**
 * Reads lines `pid startTicks deadline` (deciseconds of uptime) every 0.3 s. Without the file its work is over. The start
 * ticks are field 22 of `/proc/<pid>/stat`; what stands before the last `)` is the program's name, which may hold anything.
 */
const SCRIPT = `
while [ -e "$1" ]; do
  IFS=' .' read -r seconds part rest < /proc/uptime
  now="$seconds\${part%?}"
  while read -r pid ticks until; do
    [ "$now" -lt "$until" ] && continue
    stat=""
    read -r stat < "/proc/$pid/stat" 2>/dev/null || continue
    set -- "$1" \${stat##*)}
    [ "\${21}" = "$ticks" ] || continue
    kill -9 "-$pid" 2>/dev/null
    kill -9 "$pid" 2>/dev/null
  done < "$1"
  sleep 0.3
done
`;

export class SingletonGuard implements Worker {
  readonly name = 'singleton-guard';
  readonly #options: SingletonGuardOptions;
  readonly #file: string;
  readonly #pidFile: string;
  #process: ProcessId | undefined;
  #status = 'Nothing to guard';

  constructor(options: SingletonGuardOptions) {
    this.#options = options;
    this.#file = join(options.runFolder, 'singletons');
    this.#pidFile = join(options.runFolder, 'singleton-guard.pid');
  }

  status(): string {
    return this.#status;
  }

  async step(): Promise<StepResult> {
    const lines = this.#lines();
    this.#status = lines.length === 0 ? 'Nothing to guard' : `Guards ${lines.length} singletons`;
    if (lines.length === 0) {
      rmSync(this.#file, { force: true });
      return { kind: 'idle', retryInMs: IDLE_EVERY_MS };
    }
    this.#write(lines);
    await this.#keepRunning();
    return { kind: 'idle', retryInMs: EXTEND_EVERY_MS };
  }

  /** To be awaited before a singleton is started: whatever is noted from then on is guarded. */
  async ready(): Promise<void> {
    this.note();
    await this.#keepRunning();
  }

  /** Until when each may run that exists now. */
  note(): void {
    this.#write(this.#lines());
  }

  /** The instances have ended: nothing is left to guard. */
  async end(): Promise<void> {
    rmSync(this.#file, { force: true });
    const running = this.#process ?? (await this.#known());
    if (running !== undefined) signalProcess(running, 'SIGKILL');
    rmSync(this.#pidFile, { force: true });
  }

  #lines(): readonly string[] {
    const { supervisor, clock } = this.#options;
    const nowMs = uptimeMs();
    return supervisor.list().flatMap(({ record }) => {
      const { singleton, processId: root } = record;
      if (singleton === undefined || root === undefined) return [];
      const remainingMs = clock.remainingMs(singleton.lostAfterMs);
      if (remainingMs === Infinity) return [];
      const until = Math.floor((nowMs + Math.max(0, remainingMs)) / 100);
      return [`${root.pid} ${root.startTicks} ${until}`];
    });
  }

  /** Whole or not at all, and not for a reader after a boot: no sync. */
  #write(lines: readonly string[]): void {
    const temporary = `${this.#file}.new`;
    writeFileSync(temporary, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
    renameSync(temporary, this.#file);
  }

  async #keepRunning(): Promise<void> {
    this.#process ??= await this.#known();
    if (this.#process !== undefined && isRunning(this.#process)) return;
    const child = spawn('/bin/sh', ['-c', SCRIPT, 'moln-singleton-guard', this.#file], {
      detached: true,
      stdio: 'ignore',
      env: { PATH: '/usr/bin:/bin' },
    });
    child.unref();
    child.once('error', (error) =>
      this.#options.log.error('The guard of the singletons cannot be started', { error }),
    );
    this.#process = child.pid === undefined ? undefined : processId(child.pid);
    if (this.#process === undefined) return;
    await writeFileAtomic(this.#pidFile, JSON.stringify(this.#process));
  }

  /** One that a former agent left running. */
  async #known(): Promise<ProcessId | undefined> {
    const text = await readTextIfAny(this.#pidFile);
    if (text === undefined) return undefined;
    const known = JSON.parse(text) as ProcessId;
    return isRunning(known) ? known : undefined;
  }
}
