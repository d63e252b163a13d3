/**
 * One instance: its process, its record on disk and its life. It is told to `check` regularly and to `drain` or `stop`;
 * everything else it does by itself. Its process does not end with the agent.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync, statSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { isRunning, type ProcessId, processId, signalProcess } from '../base/process-id.ts';
import { type Clock, untilSecond } from '../base/time.ts';
import type { AppFolders, InstanceFolders } from './app-folders.ts';
import type { Driver, Drivers, LaunchSpec } from './driver.ts';
import { freePort } from './free-port.ts';
import { probe, type ProbeResult, problemOfStatus } from './health.ts';
import {
  adoptedLife,
  type Exit,
  type Life,
  lifeAfter,
  type LifeEvent,
  type LifeRules,
  notStarted,
  startProblem,
} from './instance-life.ts';
import { type InstanceRecord, writeRecord } from './instance-record.ts';
import { letGo, spawnInstance } from './held-start.ts';
import { instanceSpec, type LaunchParts } from './launch-plan.ts';
import { lastLines } from './log-reader.ts';
import type { LogStore } from './log-store.ts';
import type { Instance } from './model.ts';
import { processesOfInstance, type ProcessRow } from './process-table.ts';
import {
  PORT_RETRIES_MAX,
  PROBE_AGAIN_MS,
  PROBE_EVERY_MS,
  PROBE_START_FIRST_MS,
  PROBE_START_MOST_MS,
  SILENT_RESTART_EVERY_MS,
  WATCH_CHILD_EVERY_MS,
  WATCH_EVERY_MS,
} from './run-limits.ts';
import { goneFolder, type SharedFolders, wishedFolders } from './shared-folders.ts';

const EXIT_POLL_MS = 20;
/** How long a killed process may take to be gone (it may sit in a slow system call). */
const KILL_WAIT_MS = 10_000;
const PORT_TAKEN = /EADDRINUSE|address already in use/i;
const PORT_TAKEN_LINES = 50;
const PROBED: ReadonlySet<string> = new Set(['starting', 'healthy', 'unhealthy']);

/** What all instances of a node share. */
export interface InstanceContext {
  readonly folders: AppFolders;
  readonly sharedFolders: SharedFolders;
  readonly logs: LogStore;
  readonly drivers: Drivers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly node: string;
  readonly runners: string;
  /** Monotonic milliseconds of the last restart because of failed probes. */
  readonly silentRestarts: { lastAt: number };
  /** Called when the process of a singleton exists, before it begins: from then on it ends in time when this agent does not. */
  readonly guard: () => void;
  /** Called after every change of state or address. */
  readonly changed: () => void;
}

export class SupervisedInstance {
  readonly id: string;
  readonly #context: InstanceContext;
  readonly #folders: InstanceFolders;
  readonly #parts: () => Promise<LaunchParts>;
  #record: InstanceRecord;
  #life: Life;
  #trial: boolean;
  #child: ChildProcess | undefined;
  /** How the last process ended, when we saw it ourselves. */
  #exit: Exit | undefined;
  /** True while a process is being started or ended; `check` then leaves it alone. */
  #busy = false;
  #stopped: Promise<void> | undefined;
  #logOffset = 0;
  #portRetries = 0;
  #probing = false;
  #probeAt = 0;
  #probePauseMs = PROBE_START_FIRST_MS;
  #unsaved = false;

  constructor(
    context: InstanceContext,
    options: {
      readonly record: InstanceRecord;
      readonly parts: () => Promise<LaunchParts>;
      readonly trial: boolean;
    },
  ) {
    this.id = options.record.id;
    this.#context = context;
    this.#record = options.record;
    this.#parts = options.parts;
    this.#trial = options.trial;
    this.#folders = context.folders.instance(options.record.app, options.record.id);
    this.#life = adoptedLife(options.record, context.clock);
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  get life(): Life {
    return this.#life;
  }

  get trial(): boolean {
    return this.#trial;
  }

  view(): Instance {
    const { record, life } = this;
    return {
      id: this.id,
      app: record.app,
      release: record.release,
      process: record.process,
      generation: record.generation,
      state: life.state,
      pid: record.processId !== undefined && this.#alive() ? record.processId.pid : undefined,
      driver: record.driver,
      address: record.address,
      startedAt: record.startedAt,
      restarts: life.restarts,
      reason: life.reason,
    };
  }

  memoryBytes(table: readonly ProcessRow[]): number | undefined {
    const { processId: root } = this.#record;
    if (root === undefined || !this.#alive()) return undefined;
    return this.#driver().stats(root, table).memoryBytes;
  }

  /** It has proved itself: from now on it is restarted when it crashes. */
  accept(): void {
    this.#trial = false;
  }

  /** Starts its process for the first time. */
  async launch(): Promise<void> {
    await this.#exclusively(() => this.#launch());
  }

  /** No restarts and no probes any more; still running. */
  drain(): void {
    if (this.#life.state === 'draining' || this.#life.state === 'stopped') return;
    this.#record = { ...this.#record, drainingSince: this.#context.clock.now() };
    this.#dispatch({ kind: 'drain' });
  }

  /** Takes `drain` back. */
  resume(): void {
    this.#record = { ...this.#record, drainingSince: undefined };
    this.#dispatch({ kind: 'resume' });
  }

  /** SIGTERM, the stop time-out, SIGKILL; then nothing of it is left but its log. */
  stop(reason: string): Promise<void> {
    this.#stopped ??= this.#stop(reason).catch((error: unknown) => {
      // Whoever tries again may have more luck.
      this.#stopped = undefined;
      throw error;
    });
    return this.#stopped;
  }

  /** Looks at the process and does what the state asks for. */
  async check(signal: AbortSignal): Promise<void> {
    if (this.#busy || this.#stopped !== undefined) return;
    if (this.#record.processId !== undefined && !this.#alive()) {
      await this.#exclusively(() => this.#ended());
    }
    this.#dispatch({ kind: 'tick' });
    const gone = goneFolder(this.#record);
    if (gone !== undefined && PROBED.has(this.#life.state))
      this.#dispatch({ kind: 'broken', reason: `lost its folder of "${gone}"` });
    const { state, restartAt } = this.#life;
    const now = this.#context.clock.monotonicMs();
    if (state === 'backoff' || state === 'stopped') {
      if (this.#alive()) {
        await this.#exclusively(async () => {
          await this.#end();
          await this.#save({ processId: undefined, healthy: false });
        });
      } else if (restartAt !== undefined && now >= restartAt) await this.#relaunch();
      return;
    }
    if (this.#unsaved) await this.#exclusively(() => this.#save({}));
    if (this.#probes() && !this.#probing && now >= this.#probeAt) this.#startProbe(signal);
  }

  /** Milliseconds until `check` has something to do, as far as that is known. */
  dueInMs(): number {
    const { state, restartAt } = this.#life;
    const at = state === 'backoff' ? restartAt : this.#probes() ? this.#probeAt : undefined;
    // The end of a child is told.
    const isTold = this.#child !== undefined && state === 'healthy';
    const watchMs = isTold ? WATCH_CHILD_EVERY_MS : WATCH_EVERY_MS;
    if (at === undefined || this.#probing) return watchMs;
    return Math.min(watchMs, at - this.#context.clock.monotonicMs());
  }

  /** The sandbox of the running process, for `exec`. */
  async inside(): Promise<
    { readonly root: ProcessId; readonly spec: LaunchSpec; readonly driver: Driver } | undefined
  > {
    const { processId: root } = this.#record;
    if (root === undefined || !this.#alive()) return undefined;
    const spec = instanceSpec(await this.#parts(), { ...this.#context, record: this.#record });
    return { root, spec, driver: this.#driver() };
  }

  #driver(): Driver {
    return this.#context.drivers.byName[this.#record.driver];
  }

  #alive(): boolean {
    const { processId: root } = this.#record;
    return root !== undefined && isRunning(root);
  }

  #rules(): LifeRules {
    return { kind: this.#record.kind, health: this.#record.health, trial: this.#trial };
  }

  #dispatch(event: LifeEvent): void {
    const before = this.#life;
    this.#life = lifeAfter(before, event, this.#context.clock.monotonicMs(), this.#rules());
    if (this.#life === before) return;
    if (this.#life.state === before.state && this.#life.reason === before.reason) return;
    const { app } = this.#record;
    const fields = { app, instance: this.id, state: this.#life.state, reason: this.#life.reason };
    if (this.#life.state === 'backoff') this.#context.log.warn('Instance failed', fields);
    else this.#context.log.info('Instance changed', fields);
    this.#record = {
      ...this.#record,
      healthy: this.#life.state === 'healthy',
      restarts: this.#life.restarts,
    };
    this.#unsaved = true;
    this.#context.changed();
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    this.#busy = true;
    try {
      await work();
    } finally {
      this.#busy = false;
    }
  }

  async #save(change: Partial<InstanceRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    this.#unsaved = false;
    await writeRecord(this.#folders.record, this.#record);
  }

  async #relaunch(): Promise<void> {
    await this.#exclusively(async () => {
      try {
        await this.#launch();
      } catch (error) {
        this.#dispatch({ kind: 'launched' });
        this.#dispatch({
          kind: 'exited',
          exit: notStarted(`cannot be started: ${messageOf(error)}`),
        });
      }
    });
  }

  async #launch(): Promise<void> {
    const { folders, sharedFolders, drivers, clock } = this.#context;
    const { app, uid } = this.#record;
    const parts = await this.#parts();
    const wished = wishedFolders(parts.folders);
    await folders.prepareApp(app, uid);
    await folders.prepareInstance(this.#folders, uid);
    // The intent is on disk before the process exists: a crash in between leaves no unknown process.
    await this.#save({
      processId: undefined,
      driver: drivers.chosen.name,
      port: await freePort(),
      address: undefined,
      healthy: false,
      startedAt: clock.now(),
      folders: wished,
    });
    if (wished !== undefined)
      this.#record = { ...this.#record, folders: await sharedFolders.ready(this.#record) };
    const child = this.#spawn(instanceSpec(parts, { ...this.#context, record: this.#record }));
    this.#child = child;
    this.#exit = undefined;
    if (child.pid !== undefined) {
      const { pid } = child;
      const saved = this.#save({ processId: processId(pid) ?? { pid, startTicks: -1 } });
      if (this.#record.singleton !== undefined) this.#context.guard();
      letGo(child);
      await saved;
    }
    this.#probeAt = 0;
    this.#probePauseMs = PROBE_START_FIRST_MS;
    this.#dispatch({ kind: 'launched' });
    if (child.pid === undefined) await this.#ended();
    this.#context.changed();
  }

  #spawn(spec: LaunchSpec): ChildProcess {
    const { logs } = this.#context;
    const plan = this.#driver().command(spec);
    const output = logs.open(
      this.#record.app,
      this.id,
      process.geteuid?.() === 0 ? spec.uid : undefined,
    );
    try {
      this.#logOffset = statSync(this.#folders.log).size;
      const child = spawnInstance(plan, { output, isHeld: this.#record.singleton !== undefined });
      child.on('error', (error) => {
        this.#exit = notStarted(startProblem(error, spec.command[0] ?? ''));
        this.#context.changed();
      });
      child.on('exit', (code, signal) => {
        if (this.#child !== child) return;
        this.#exit ??= { code: code ?? undefined, signal: signal ?? undefined, problem: undefined };
        this.#context.changed();
      });
      return child;
    } finally {
      closeSync(output);
    }
  }

  /** The process is gone: what it left goes too, and its life takes notice. */
  async #ended(): Promise<void> {
    // The event comes a moment after the kernel's word; without it we would not know the exit code.
    const until = this.#context.clock.monotonicMs() + 1000;
    while (this.#child !== undefined && this.#exit === undefined) {
      if (this.#context.clock.monotonicMs() > until) break;
      await this.#context.clock.sleep(EXIT_POLL_MS);
    }
    for (const row of processesOfInstance(this.id)) signalProcess(row, 'SIGKILL');
    const exit = this.#exit ?? { code: undefined, signal: undefined, problem: undefined };
    this.#child = undefined;
    // Its port is anybody's now; its socket can only be its own.
    const address = this.#record.address?.kind === 'socket' ? this.#record.address : undefined;
    this.#record = { ...this.#record, processId: undefined, address };
    this.#unsaved = true;
    if (this.#life.state === 'starting' && (await this.#portWasTaken())) {
      this.#portRetries++;
      await this.#launch();
      return;
    }
    this.#dispatch({ kind: 'exited', exit });
  }

  /** Another program took the port between our look and the app's bind. */
  async #portWasTaken(): Promise<boolean> {
    if (this.#record.kind !== 'http' || this.#portRetries >= PORT_RETRIES_MAX) return false;
    const file = await this.#context.logs.file(this.#record.app, this.id);
    if (file === undefined) return false;
    const range = { start: Math.max(this.#logOffset, file.start), end: file.size };
    const lines = await lastLines(file.path, range, PORT_TAKEN_LINES);
    return lines.some((line) => PORT_TAKEN.test(line.text));
  }

  #probes(): boolean {
    return this.#record.kind === 'http' && PROBED.has(this.#life.state);
  }

  #startProbe(signal: AbortSignal): void {
    const uid = this.#driver().ownUid ? this.#record.uid : undefined;
    const target = {
      socket: this.#context.folders.linkSocket(this.#folders, uid)
        ? this.#folders.socket
        : undefined,
      port: this.#record.port,
      path: this.#record.health.path,
      host: `${this.#record.app}.localhost`,
      uid,
      clock: this.#context.clock,
    };
    const root = this.#record.processId;
    this.#probing = true;
    void probe(target, signal).then((result) => {
      this.#probing = false;
      // An answer of a process that has been replaced meanwhile says nothing.
      if (!signal.aborted && root === this.#record.processId) this.#probed(result);
    });
  }

  #probed(result: ProbeResult): void {
    const wasStarting = this.#life.state === 'starting';
    if (result.kind === 'unknown') {
      this.#probeAt = this.#context.clock.monotonicMs();
      return;
    }
    const problem =
      result.kind === 'silent'
        ? result.problem
        : problemOfStatus(result.status, this.#record.health.path);
    if (result.kind === 'answered' && problem === undefined) {
      this.#portRetries = 0;
      this.#record = { ...this.#record, address: result.address };
      this.#dispatch({ kind: 'answered' });
    } else {
      if (result.kind === 'silent' && !result.listens) this.#forgetPort();
      this.#failed(problem ?? 'did not answer');
    }
    if (wasStarting && this.#life.state === 'starting') {
      this.#probePauseMs = Math.min(this.#probePauseMs * 1.5, PROBE_START_MOST_MS);
    } else if (this.#life.failures > 0) this.#probePauseMs = PROBE_AGAIN_MS;
    else this.#probePauseMs = untilSecond(this.#context.clock, PROBE_EVERY_MS);
    this.#probeAt = this.#context.clock.monotonicMs() + this.#probePauseMs;
  }

  /** Nobody listens on its port, or somebody else does: nothing is to be sent there. */
  #forgetPort(): void {
    if (this.#record.address?.kind !== 'tcp') return;
    this.#record = { ...this.#record, address: undefined };
    this.#unsaved = true;
    this.#context.changed();
  }

  /** At most one instance of the node is restarted at a time because it is silent. */
  #failed(problem: string): void {
    const { clock, silentRestarts } = this.#context;
    const now = clock.monotonicMs();
    const mayRestart = now - silentRestarts.lastAt >= SILENT_RESTART_EVERY_MS;
    const served = PROBED.has(this.#life.state) && this.#life.state !== 'starting';
    this.#dispatch({ kind: 'failed', problem, mayRestart });
    if (served && !PROBED.has(this.#life.state)) silentRestarts.lastAt = now;
  }

  async #stop(reason: string): Promise<void> {
    while (this.#busy) await this.#context.clock.sleep(EXIT_POLL_MS);
    await this.#exclusively(async () => {
      await this.#end();
      this.#dispatch({ kind: 'stop', reason });
      await this.#context.folders.removeInstance(this.#folders);
    });
  }

  /** Ends the process, gently first, and everything it started. */
  async #end(): Promise<void> {
    const { processId: root } = this.#record;
    if (root !== undefined && isRunning(root)) {
      const asked = this.#driver().terminate(root);
      if (asked) await this.#gone(root, this.#record.health.stopTimeoutMs);
      this.#driver().kill(root, this.id);
      if (!(await this.#gone(root, KILL_WAIT_MS))) {
        this.#context.log.error('A killed process is still there', { instance: this.id, ...root });
      }
    }
    for (const row of processesOfInstance(this.id)) signalProcess(row, 'SIGKILL');
    this.#child = undefined;
  }

  async #gone(root: ProcessId, withinMs: number): Promise<boolean> {
    const until = this.#context.clock.monotonicMs() + withinMs;
    while (isRunning(root)) {
      if (this.#context.clock.monotonicMs() >= until) return false;
      await this.#context.clock.sleep(EXIT_POLL_MS);
    }
    return true;
  }
}
