/**
 * Keeps one gateway worker alive: starts or adopts its process, holds the control connection, brings it every new
 * config, and replaces it when it dies or no longer answers.
 */
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { isRunning, signalProcess, type ProcessId } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import type { GatewayConfig, GatewayStats } from './config.ts';
import { changeBetween } from './config-change.ts';
import type { AnswerTo, GatewayQuestion } from './gateway-question.ts';
import { GATEWAY_CONFIG_BEHIND, GATEWAY_STOPPED, GATEWAY_WORKER_FAILED } from './errors.ts';
import { type ConfigVerdict, WorkerLink, type WorkerHello } from './worker-link.ts';
import { launchWorker } from './worker-launch.ts';
import { removeWorkerFiles, workerPaths, type WorkerFolders } from './worker-record.ts';

/** `absent`: no process serves with an older config now; the next one begins with the newest. */
export type ApplyOutcome =
  | { readonly kind: 'applied' }
  | { readonly kind: 'refused'; readonly error: MolnError }
  | { readonly kind: 'absent' };

/** For status pages. */
export interface GatewayWorkerState {
  readonly slot: number;
  readonly pid: number | undefined;
  readonly state: 'starting' | 'serving' | 'down';
  /** Of the config in use. */
  readonly version: number;
  /** Since this agent started. */
  readonly restarts: number;
  readonly lastError: string | undefined;
}

export interface WorkerSlotOptions {
  readonly slot: number;
  readonly folders: WorkerFolders;
  readonly clock: Clock;
  readonly log: Logger;
  readonly adopted: ProcessId | undefined;
  /** A worker that says nothing for this long is killed: the kernel goes on giving it connections. */
  readonly hangTimeoutMs: number;
  /** What new processes run. */
  readonly code: string;
}

const CONNECT_RETRY_MS = 50;
/** From the start of a process to its hello; on a loaded machine the start alone may take seconds. */
const READY_TIMEOUT_MS = 20_000;
const PROBE_EVERY_MS = 5000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MOST_MS = 10_000;
/** A process that served this long earns the first pause again. */
const STEADY_MS = 30_000;
/** Beyond the drain deadline, before SIGKILL. */
const EXIT_GRACE_MS = 3000;

interface Waiter {
  readonly version: number;
  readonly settle: (outcome: ApplyOutcome) => void;
}

export class WorkerSlot {
  readonly #options: WorkerSlotOptions;
  readonly #stop = new AbortController();
  readonly #ready = Promise.withResolvers<WorkerHello>();
  readonly #waiters = new Set<Waiter>();
  #process: ProcessId | undefined;
  #link: WorkerLink | undefined;
  #wanted: GatewayConfig | undefined;
  #takeFrom: readonly string[] = [];
  /** What the process at the other end of the link has said to use. */
  #inUse: GatewayConfig | undefined;
  #version = 0;
  #state: GatewayWorkerState['state'] = 'starting';
  #restarts = 0;
  #lastError: string | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: WorkerSlotOptions) {
    this.#options = options;
    this.#process = options.adopted;
    // Nobody may be waiting for it when the slot is stopped early.
    this.#ready.promise.catch(() => undefined);
  }

  get adopted(): boolean {
    return this.#options.adopted !== undefined;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Resolves with the hello of the first process that answers; rejects when the first start fails. */
  ready(): Promise<WorkerHello> {
    return this.#ready.promise;
  }

  state(): GatewayWorkerState {
    return {
      slot: this.#options.slot,
      pid: this.#process?.pid,
      state: this.#state,
      version: this.#version,
      restarts: this.#restarts,
      lastError: this.#lastError,
    };
  }

  /** Hands over a config; see `ApplyOutcome`. `takeFrom`: whose listening sockets the process takes over with it. */
  apply(config: GatewayConfig, takeFrom: readonly string[] = []): Promise<ApplyOutcome> {
    this.#wanted = config;
    this.#takeFrom = takeFrom;
    if (this.#state === 'down') return Promise.resolve({ kind: 'absent' });
    return new Promise((settle) => {
      this.#waiters.add({ version: config.version, settle });
      if (this.#link !== undefined) void this.#bring(this.#link);
    });
  }

  /** What the next process begins with, when it is not what `apply` brought last. */
  prefer(config: GatewayConfig | undefined): void {
    this.#wanted = config;
  }

  /** Nothing happens when the worker is not there at the moment. */
  tellLoads(loads: Readonly<Record<string, number>>): void {
    this.#link?.tellLoads(loads);
  }

  /** Nothing happens when no process is there. */
  reopenLogs(): void {
    if (this.#process !== undefined && this.#state === 'serving') {
      signalProcess(this.#process, 'SIGUSR1');
    }
  }

  async stats(timeoutMs: number): Promise<GatewayStats | undefined> {
    return await this.#link?.stats(timeoutMs);
  }

  /** Undefined when no process is there: it could tell nothing, and has nothing to purge. */
  async question<Question extends GatewayQuestion>(
    question: Question,
    timeoutMs: number,
  ): Promise<AnswerTo<Question> | undefined> {
    return await this.#link?.question(question, timeoutMs);
  }

  /** Lets the process live on. */
  async detach(): Promise<void> {
    this.#stop.abort();
    this.#link?.close();
    await this.#loop;
  }

  /** Ends the process: by itself within `drainMs`, otherwise by force. */
  async end(drainMs: number): Promise<void> {
    this.#stop.abort();
    const { clock, folders, slot } = this.#options;
    if (this.#link === undefined) await this.#loop;
    const running = this.#process;
    if (running !== undefined) {
      if (this.#link === undefined) signalProcess(running, 'SIGTERM');
      else this.#link.drain(drainMs);
      const deadline = clock.monotonicMs() + drainMs + EXIT_GRACE_MS;
      while (isRunning(running)) {
        if (clock.monotonicMs() > deadline) signalProcess(running, 'SIGKILL');
        await clock.sleep(CONNECT_RETRY_MS);
      }
      await removeWorkerFiles(workerPaths(folders, slot));
    }
    this.#link?.close();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, log, slot } = this.#options;
    let pauseMs = BACKOFF_FIRST_MS;
    while (!this.#stop.signal.aborted) {
      const startedMs = clock.monotonicMs();
      const adopted = this.#process !== undefined;
      try {
        await this.#serve();
        this.#lastError = 'The process ended';
      } catch (error) {
        this.#lastError = messageOf(error);
      }
      if (this.#stop.signal.aborted) return;
      // An adopted process that does not answer is replaced; a fresh one that fails is for the caller to know.
      if (!adopted) this.#ready.reject(this.#startFailed());
      this.#goDown();
      if (clock.monotonicMs() - startedMs > STEADY_MS) pauseMs = BACKOFF_FIRST_MS;
      log.error('A gateway worker ended and is started again', {
        slot,
        error: this.#lastError,
        pauseMs,
      });
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MOST_MS);
      this.#restarts++;
    }
  }

  /** One process from its start or adoption to its end. */
  async #serve(): Promise<void> {
    const { folders, slot, log } = this.#options;
    const adopted = this.#process !== undefined;
    this.#process ??= await launchWorker(folders, slot, this.#options.code);
    this.#state = 'starting';
    const running = this.#process;
    log.info(adopted ? 'Gateway worker adopted' : 'Gateway worker started', {
      slot,
      pid: running.pid,
    });
    while (!this.#stop.signal.aborted) {
      const connected = await this.#connect(running);
      if (connected === undefined) return;
      const { link, hello } = connected;
      if (this.#stop.signal.aborted) return link.close();
      this.#link = link;
      this.#inUse = undefined;
      this.#version = hello.version;
      if (hello.version > 0) this.#state = 'serving';
      this.#ready.resolve(hello);
      try {
        await this.#attend(link, running);
      } finally {
        this.#link = undefined;
        link.close();
      }
      if (!isRunning(running)) return;
    }
  }

  /** Undefined when the process has ended or the slot is stopped. */
  async #connect(running: ProcessId): Promise<ConnectedLink | undefined> {
    const { clock, folders, slot, log } = this.#options;
    const { socket } = workerPaths(folders, slot);
    const deadline = clock.monotonicMs() + READY_TIMEOUT_MS;
    while (isRunning(running) && !this.#stop.signal.aborted) {
      try {
        const connected = await WorkerLink.connect(socket, clock);
        if (connected.hello.pid === running.pid) return connected;
        connected.link.close();
      } catch (error) {
        if (clock.monotonicMs() > deadline) {
          log.error('A gateway worker does not answer and is killed', { slot, error });
          signalProcess(running, 'SIGKILL');
        }
      }
      await this.#pause(CONNECT_RETRY_MS);
    }
    return undefined;
  }

  /** Brings the config, then watches until the connection ends. */
  async #attend(link: WorkerLink, running: ProcessId): Promise<void> {
    await this.#bring(link);
    const { clock, log, slot, hangTimeoutMs } = this.#options;
    const probe = async (): Promise<void> => {
      try {
        await link.ping(hangTimeoutMs);
        // A refusal may have been a matter of time: a port that was taken, a full table of files.
        if (this.#version < (this.#wanted?.version ?? 0)) await this.#bring(link);
      } catch (error) {
        if (this.#link !== link || this.#stop.signal.aborted) return;
        log.error('A gateway worker hangs and is killed', { slot, error });
        signalProcess(running, 'SIGKILL');
      }
    };
    using _probes = clock.every(Math.min(PROBE_EVERY_MS, hangTimeoutMs), () => void probe());
    await link.closed();
  }

  async #bring(link: WorkerLink): Promise<void> {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    try {
      const verdict = await this.#send(link, wanted);
      if (verdict.kind === 'applied') {
        this.#inUse = wanted;
        this.#version = wanted.version;
        this.#state = 'serving';
      } else {
        this.#lastError = verdict.error.message;
      }
      // It drains, on a signal from elsewhere: the process after it begins with this config.
      const drains = verdict.kind === 'refused' && verdict.error.code === GATEWAY_STOPPED;
      this.#settle(wanted.version, drains ? { kind: 'absent' } : verdict);
    } catch (error) {
      // The connection ended; the loop connects again or starts anew, and then brings it again.
      this.#lastError = messageOf(error);
    }
  }

  /** What has changed, to a process that is known to have the rest. */
  async #send(link: WorkerLink, wanted: GatewayConfig): Promise<ConfigVerdict> {
    if (this.#inUse !== undefined && this.#takeFrom.length === 0) {
      const verdict = await link.change(changeBetween(this.#inUse, wanted));
      const isBehind = verdict.kind === 'refused' && verdict.error.code === GATEWAY_CONFIG_BEHIND;
      if (!isBehind) return verdict;
    }
    return await link.configure(wanted, this.#takeFrom);
  }

  #settle(version: number, outcome: ApplyOutcome): void {
    for (const waiter of this.#waiters) {
      if (waiter.version > version) continue;
      this.#waiters.delete(waiter);
      waiter.settle(outcome);
    }
  }

  #startFailed(): MolnError {
    const { folders, slot } = this.#options;
    const why = this.#lastError ?? 'unknown';
    return new MolnError(GATEWAY_WORKER_FAILED, `Gateway worker ${slot} does not start: ${why}`, {
      hint: `Read ${workerPaths(folders, slot).output}`,
    });
  }

  #goDown(): void {
    this.#process = undefined;
    this.#state = 'down';
    this.#version = 0;
    this.#settle(Infinity, { kind: 'absent' });
  }

  /** Cut short by the end of the slot. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

interface ConnectedLink {
  readonly link: WorkerLink;
  readonly hello: WorkerHello;
}
