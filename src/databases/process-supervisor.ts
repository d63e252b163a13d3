/**
 * The agent's side of a process such as that of the databases: started with its first config, adopted by the next agent, brought every new
 * config, started again when it ends or hangs. Clients of the process's own sockets notice no agent that ends.
 */
import { rm } from 'node:fs/promises';
import { codeOf } from '../base/code-id.ts';
import { ensureFolder } from '../base/disk.ts';
import { messageOf, type MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { isRunning, type ProcessId, signalProcess } from '../base/process-id.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import { CONTROL } from './control.ts';
import { ControlClient } from './control-client.ts';
import {
  ASK_TIMEOUT_MS,
  BACKOFF_FIRST_MS,
  BACKOFF_MOST_MS,
  CONNECT_RETRY_MS,
  HANG_TIMEOUT_MS,
  PING_EVERY_MS,
  SECOND_MS,
  SILENT_MS,
  START_TIMEOUT_MS,
  STEADY_MS,
  STOP_TIMEOUT_MS,
} from './limits.ts';
import { launchProcess } from './process-launch.ts';
import { DATABASE_PROCESS, type ProcessKind } from './process-kind.ts';
import { type DatabaseFolders, readProcessRecord } from './process-record.ts';
import { Silence } from './silence.ts';

export interface ProcessSupervisorOptions {
  readonly folders: DatabaseFolders;
  /** Left out: that of the databases. */
  readonly kind?: ProcessKind;
  readonly clock: Clock;
  readonly log: Logger;
  /** A process that says nothing for so long, while this machine runs, is killed; in whole seconds. */
  readonly hangTimeoutMs?: number;
  /** It says nothing, long before it counts as hanging; or it answers again, or another one in its place. */
  readonly onSilence?: (isSilent: boolean) => void;
}

/** `Config` is told as JSON, `State` is what it answers. */
export class ProcessSupervisor<Config, State> implements AsyncDisposable {
  readonly #options: ProcessSupervisorOptions;
  readonly #kind: ProcessKind;
  readonly #stop = new AbortController();
  readonly #client: ControlClient;
  #code = '';
  #process: ProcessId | undefined;
  #wanted: Config | undefined;
  /** What the process has been told last. */
  #told: Config | undefined;
  #isUp = false;
  #isSilent = false;
  #restarts = 0;
  #loop: Promise<void> | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: ProcessSupervisorOptions) {
    this.#options = options;
    this.#kind = options.kind ?? DATABASE_PROCESS;
    const { paths, away } = this.#kind;
    this.#client = new ControlClient({ path: paths(options.folders).socket, away });
  }

  /** Adopts the process of an earlier agent; one of other code is ended, and started anew with the first config. */
  async start(): Promise<void> {
    const { folders, log } = this.#options;
    this.#code = await codeOf(this.#kind.codeFolders);
    const record = await readProcessRecord(this.#kind.paths(folders).record);
    if (record !== undefined && isRunning(record.process)) {
      this.#process = record.process;
      if (record.code === this.#code) {
        log.info(`The ${this.#kind.name} is adopted`, { pid: record.process.pid });
      } else {
        log.info(`The ${this.#kind.name} runs other code and is replaced`, {
          pid: record.process.pid,
        });
        await this.#end();
      }
    }
  }

  /** The process runs from now on, with this. */
  configure(config: Config): void {
    this.#wanted = config;
    this.#loop ??= this.#run();
    this.#poke();
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** True once it was wanted. */
  get isWanted(): boolean {
    return this.#loop !== undefined;
  }

  /** Throws what `away` of its kind makes. */
  async state(): Promise<State> {
    return (await this.ask(CONTROL.state, {})) as State;
  }

  /** Throws what `away` of its kind makes, or what the process says is wrong. */
  async ask(path: string, body: unknown, timeoutMs: number = ASK_TIMEOUT_MS): Promise<unknown> {
    if (!this.#isUp) throw this.#kind.away('it is being started');
    const late = (): MolnError => this.#kind.away(`it said nothing for ${timeoutMs} ms`);
    return await withDeadline(timeoutMs, late, (signal) => this.#client.ask(path, body, signal));
  }

  /** The agent ends; the process serves on and waits for the next one. */
  async detach(): Promise<void> {
    this.#stop.abort();
    this.#poke();
    await this.#loop;
    this.#client[Symbol.dispose]();
  }

  /** Ends the process: what is under way is finished, then everything is closed. */
  async stop(): Promise<void> {
    await this.detach();
    await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    let pauseMs = BACKOFF_FIRST_MS;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      let why = 'the process ended';
      try {
        await this.#serve();
      } catch (error) {
        why = messageOf(error);
      }
      this.#isUp = false;
      this.#told = undefined;
      if (signal.aborted) return;
      this.#process = undefined;
      if (clock.monotonicMs() - startedMs > STEADY_MS) pauseMs = BACKOFF_FIRST_MS;
      log.error(`The ${this.#kind.name} ended and is started again`, { why, pauseMs });
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MOST_MS);
      this.#restarts++;
    }
  }

  /** One process from its start or adoption to its end. */
  async #serve(): Promise<void> {
    const { folders, log } = this.#options;
    if (this.#process === undefined) {
      await ensureFolder(folders.folder);
      this.#process = await launchProcess(this.#kind, folders, this.#code);
      log.info(`The ${this.#kind.name} is started`, { pid: this.#process.pid });
    }
    const running = this.#process;
    await this.#untilAnswers(running);
    this.#isUp = true;
    using _gone = this.#client.onceGone(() => this.#poke());
    while (!this.#stop.signal.aborted && isRunning(running)) {
      try {
        await this.#attend();
      } catch (error) {
        if (this.#stop.signal.aborted || !isRunning(running)) return;
        log.error(`The ${this.#kind.name} hangs and is killed`, { error });
        signalProcess(running, 'SIGKILL');
      }
      await this.#pause();
    }
  }

  async #untilAnswers(running: ProcessId): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const deadlineMs = clock.monotonicMs() + START_TIMEOUT_MS;
    while (isRunning(running) && !signal.aborted) {
      try {
        const timeoutMs = START_TIMEOUT_MS;
        const { pid } = (await this.#hear(CONTROL.ping, {}, timeoutMs)) as {
          readonly pid: number;
        };
        if (pid === running.pid) return;
      } catch (error) {
        if (clock.monotonicMs() > deadlineMs) {
          log.error(`The ${this.#kind.name} does not answer and is killed`, { error });
          signalProcess(running, 'SIGKILL');
        }
      }
      await clock.sleep(CONNECT_RETRY_MS, signal).catch(() => undefined);
    }
    if (!signal.aborted) throw new Error('it ended before it answered');
  }

  /** Brings the newest config, or only asks whether the process still turns. */
  async #attend(): Promise<void> {
    const wanted = this.#wanted;
    const isNew = wanted !== this.#told;
    const hangMs = this.#options.hangTimeoutMs ?? HANG_TIMEOUT_MS;
    const question = isNew ? CONTROL.config : CONTROL.ping;
    await this.#hear(question, isNew ? wanted : {}, hangMs);
    this.#told = wanted;
  }

  async #hear(question: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const { clock } = this.#options;
    const late = new AbortController();
    const silence = new Silence(clock.monotonicMs());
    using _seconds = clock.every(SECOND_MS, () => {
      const silentMs = silence.second(clock.monotonicMs()) * SECOND_MS;
      if (silentMs >= SILENT_MS) this.#fell(true);
      if (silentMs >= timeoutMs) late.abort(new Error(`it said nothing for ${timeoutMs} ms`));
    });
    const signal = AbortSignal.any([this.#stop.signal, late.signal]);
    const answer = await this.#client.ask(question, body, signal);
    this.#fell(false);
    return answer;
  }

  #fell(isSilent: boolean): void {
    if (isSilent === this.#isSilent || this.#stop.signal.aborted) return;
    this.#isSilent = isSilent;
    this.#options.onSilence?.(isSilent);
  }

  /** Until there is a new config, or it is time to ask again. */
  async #pause(): Promise<void> {
    if (this.#wanted !== this.#told) return;
    using _timer = this.#options.clock.after(PING_EVERY_MS, () => this.#poke());
    await this.#wake.promise;
    this.#wake = Promise.withResolvers();
  }

  #poke(): void {
    this.#wake.resolve();
  }

  async #end(): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    const { clock, folders } = this.#options;
    signalProcess(running, 'SIGTERM');
    const deadlineMs = clock.monotonicMs() + STOP_TIMEOUT_MS;
    while (isRunning(running)) {
      if (clock.monotonicMs() > deadlineMs) signalProcess(running, 'SIGKILL');
      await clock.sleep(CONNECT_RETRY_MS);
    }
    this.#process = undefined;
    const { socket, record } = this.#kind.paths(folders);
    for (const path of [socket, record]) await rm(path, { force: true });
  }
}
