/**
 * The agent's side of the gateway: keeps the workers alive, adopts those of an agent that died, and brings every worker
 * the same config. The workers serve without it.
 */
import { codeOf } from '../base/code-id.ts';
import { ensureFolder } from '../base/disk.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { isRunning, signalProcess } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import { ConfigChecker } from './config-checker.ts';
import type { GatewayConfig, GatewayStats, UpstreamLoad } from './config.ts';
import type { AnswerTo, GatewayQuestion } from './gateway-question.ts';
import { CONTROL_PROTOCOL } from './control-protocol.ts';
import { GATEWAY_CONFIG_REFUSED, GATEWAY_STOPPED, GATEWAY_WORKER_FAILED } from './errors.ts';
import { type PortWanted, requireFreePort } from './free-port.ts';
import { removeCacheOf } from './old-caches.ts';
import { REPLACED_DRAIN_MS, SOCKET_PATH_BYTES_MAX } from './limits.ts';
import { warmUp } from './worker-launch.ts';
import { answersOf } from './ask-workers.ts';
import { livingWorkers, workerPaths, type WorkerRecord } from './worker-record.ts';
import { WorkerSlot, type ApplyOutcome, type GatewayWorkerState } from './worker-slot.ts';

export interface GatewaySupervisorOptions {
  /** For sockets and records; made with mode 0700. */
  readonly runFolder: string;
  readonly logFolder: string;
  /** Worker processes; one per core serves best. */
  readonly workers: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** A worker that says nothing for this long is replaced; 30 s unless said. */
  readonly hangTimeoutMs?: number;
}

/** A config without its version and slots, which the supervisor gives. */
export type GatewayConfigContent = Omit<GatewayConfig, 'version' | 'slots'>;

/** Of `src`: what a gateway process loads, and a little more. */
const CODE_FOLDERS = ['base', 'cache', 'gateway', 'http', 'net'] as const;
const STATS_TIMEOUT_MS = 5000;
/** Longer than a machine under full load lets a process wait. */
const HANG_TIMEOUT_MS = 30_000;
/** For requests under way on a worker of a release that hands nothing over. */
const UNGIVING_DRAIN_MS = 30_000;

export class GatewaySupervisor implements AsyncDisposable {
  readonly #options: GatewaySupervisorOptions;
  #slots: WorkerSlot[] = [];
  /** Workers of another protocol or number, or on their way out. They serve until the others have a config. */
  #surplus: readonly (readonly [slot: number, record: WorkerRecord])[] = [];
  /** Surplus workers on their way out, by pid. */
  readonly #leaving = new Map<number, Promise<void>>();
  #config: GatewayConfig | undefined;
  #version = 0;
  /** What is on disk. */
  #code = '';
  #adopted = false;
  #applying: Promise<unknown> = Promise.resolve();
  readonly #checker = new ConfigChecker();
  #state: 'new' | 'running' | 'detached' | 'stopped' = 'new';
  /** Monotonic; a worker on its way out is killed then. */
  #leaveDeadlineMs = Infinity;

  constructor(options: GatewaySupervisorOptions) {
    this.#options = options;
  }

  /** Resolves when every worker answers; adopted ones go on serving what they had. */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#state !== 'new') throw new Error('A supervisor starts once');
    this.#state = 'running';
    const { runFolder, logFolder, workers } = this.#options;
    requireShortPath(workerPaths(this.#options, workers).socket);
    await ensureFolder(runFolder);
    await ensureFolder(logFolder);
    this.#code = await codeOf(CODE_FOLDERS);
    await warmUp(this.#options, this.#code);
    const living = await livingWorkers(this.#options);
    const adopted = [...living]
      .filter(([, record]) => this.#isOfNow(record))
      .toSorted(([a], [b]) => a - b)
      .slice(0, workers);
    this.#adopted = living.size > 0;
    this.#slots = adopted.map(([slot, record]) => this.#slot(slot, record));
    for (let slot = 1; this.#slots.length < workers; slot++) {
      if (!living.has(slot)) this.#slots.push(this.#slot(slot, undefined));
    }
    for (const slot of this.#slots) slot.start();
    await this.#untilReady(signal);
    const kept = new Set(adopted.map(([slot]) => slot));
    this.#surplus = [...living].filter(([slot]) => !kept.has(slot));
  }

  /**
   * Brings a config to every worker; resolves with its version when each one that serves uses it. Rejects with
   * `CONFIG_INVALID`, `GATEWAY_PORT_TAKEN`, `GATEWAY_CONFIG_REFUSED` or `GATEWAY_WORKER_FAILED`; the config
   * before then stays in use.
   */
  apply(content: GatewayConfigContent): Promise<number> {
    const next = this.#applying.then(
      () => this.#applyNow(content),
      () => this.#applyNow(content),
    );
    this.#applying = next;
    // The caller gets the rejection; the chain must go on.
    next.catch(() => undefined);
    return next;
  }

  /** Whether a listener could have that port, or one of the workers has it. Throws as `apply` does. */
  async requirePort(wanted: PortWanted): Promise<void> {
    await requireFreePort(wanted, this.#ownPids());
  }

  /** How busy the nodes of upstreams are, 0 to 1, by upstream id. Nothing is waited for. */
  tellLoads(loads: Readonly<Record<string, number>>): void {
    for (const slot of this.#slots) slot.tellLoads(loads);
  }

  /** For whoever has moved the files of the access logs away. */
  reopenLogs(): void {
    for (const slot of this.#slots) slot.reopenLogs();
  }

  /** Of the workers that answer. */
  async stats(): Promise<readonly GatewayStats[]> {
    const answers = await Promise.allSettled(
      this.#slots.map((slot) => slot.stats(STATS_TIMEOUT_MS)),
    );
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value] : [],
    );
  }

  /** Of the workers that answer; throws when all of them say that it is wrong. */
  async ask<Question extends GatewayQuestion>(
    question: Question,
    timeoutMs: number = STATS_TIMEOUT_MS,
  ): Promise<readonly AnswerTo<Question>[]> {
    return await answersOf(this.#slots.map((slot) => slot.question(question, timeoutMs)));
  }

  /** Requests and upgraded connections under way at an upstream, over all workers. */
  async upstreamLoad(id: string): Promise<UpstreamLoad> {
    let requests = 0;
    let upgrades = 0;
    for (const { upstreams } of await this.stats()) {
      const load = Object.hasOwn(upstreams, id) ? upstreams[id] : undefined;
      requests += load?.requests ?? 0;
      upgrades += load?.upgrades ?? 0;
    }
    return { requests, upgrades };
  }

  /** True when workers of an earlier agent were found serving. */
  get adopted(): boolean {
    return this.#adopted;
  }

  workers(): readonly GatewayWorkerState[] {
    return this.#slots.map((slot) => slot.state());
  }

  /** The agent ends; the workers serve on and wait for the next agent. */
  async detach(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'detached';
    await Promise.all(this.#slots.map((slot) => slot.detach()));
    this.#slots = [];
  }

  /** Ends all workers: listeners close at once, what is under way may finish for `drainMs`. */
  async stop(options: { readonly drainMs: number }): Promise<void> {
    this.#state = 'stopped';
    for (const [slot, record] of this.#surplus) this.#leave(slot, record);
    this.#surplus = [];
    this.#leaveDeadlineMs = this.#options.clock.monotonicMs() + options.drainMs;
    await Promise.all([
      ...this.#slots.map((slot) => slot.end(options.drainMs)),
      ...this.#leaving.values(),
    ]);
    this.#slots = [];
  }

  /** The same as `detach`: an agent that crashes does no more either. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  #slot(slot: number, record: WorkerRecord | undefined): WorkerSlot {
    const { clock, log } = this.#options;
    return new WorkerSlot({
      slot,
      folders: this.#options,
      clock,
      log,
      adopted: record?.process,
      hangTimeoutMs: this.#options.hangTimeoutMs ?? HANG_TIMEOUT_MS,
      code: this.#code,
    });
  }

  async #untilReady(signal: AbortSignal | undefined): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      const hellos = Promise.all(this.#slots.map((slot) => slot.ready()));
      for (const hello of await Promise.race([hellos, aborted.promise])) {
        this.#version = Math.max(this.#version, hello.version);
      }
    } catch (error) {
      // Adopted workers serve; that another one failed is no reason to end them.
      await Promise.all(this.#slots.map((slot) => (slot.adopted ? slot.detach() : slot.end(0))));
      this.#slots = [];
      this.#state = 'detached';
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #applyNow(content: GatewayConfigContent): Promise<number> {
    this.#requireRunning();
    const slots = this.#slots.map((slot) => slot.state().slot).toSorted((a, b) => a - b);
    const config = this.#checker.check({ ...content, slots, version: this.#version + 1 });
    await this.#requirePorts(config);
    this.#requireRunning();
    this.#version = config.version;
    const outcomes = await Promise.all(
      this.#slots.map((slot, index) => slot.apply(config, this.#handoversFor(index))),
    );
    const refused = outcomes.find((outcome) => outcome.kind === 'refused');
    if (refused !== undefined) {
      await this.#goBack(outcomes);
      throw new MolnError(
        GATEWAY_CONFIG_REFUSED,
        `The gateway refused the config and goes on with the one before: ${refused.error.message}`,
        { cause: refused.error },
      );
    }
    if (!outcomes.some((outcome) => outcome.kind === 'applied')) {
      this.#requireRunning();
      throw new MolnError(GATEWAY_WORKER_FAILED, 'No gateway worker is alive to take the config', {
        retryable: true,
        hint: `Read ${workerPaths(this.#options, 1).output}`,
      });
    }
    this.#config = config;
    for (const [slot, record] of this.#surplus) this.#leave(slot, record);
    this.#surplus = [];
    return config.version;
  }

  /** A config that one worker refused must not stay in use at another. */
  async #goBack(outcomes: readonly ApplyOutcome[]): Promise<void> {
    const before = this.#config;
    for (const slot of this.#slots) slot.prefer(before);
    if (before === undefined || !outcomes.some((outcome) => outcome.kind === 'applied')) return;
    this.#version++;
    this.#config = { ...before, version: this.#version };
    const again = this.#config;
    await Promise.all(this.#slots.map((slot) => slot.apply(again)));
  }

  /** Workers share their ports by SO_REUSEPORT, so they themselves would not notice another owner. */
  async #requirePorts(config: GatewayConfig): Promise<void> {
    const own = this.#ownPids();
    const known = new Set(portsOf(this.#config).map(place));
    // Adopted workers may hold ports of UDP that this supervisor has not been told of yet.
    const isTold = this.#config !== undefined || !this.#adopted;
    for (const listener of portsOf(config)) {
      if (listener.protocol === 'udp' && !isTold) continue;
      if (listener.port !== 0 && !known.has(place(listener))) {
        await requireFreePort(listener, own);
      }
    }
  }

  #isOfNow({ protocol, leaving, code }: WorkerRecord): boolean {
    return protocol === CONTROL_PROTOCOL && leaving !== true && code === this.#code;
  }

  /** Those who are to leave are shared out, so that none has many more sockets than another. */
  #handoversFor(index: number): readonly string[] {
    return this.#surplus.flatMap(([slot, { code }], at) => {
      const isOwn = at % this.#slots.length === index && code !== undefined;
      return isOwn ? [workerPaths(this.#options, slot).handover] : [];
    });
  }

  #ownPids(): ReadonlySet<number> {
    const own = new Set(this.#slots.flatMap((slot) => slot.state().pid ?? []));
    for (const pid of this.#leaving.keys()) own.add(pid);
    for (const [, record] of this.#surplus) own.add(record.process.pid);
    return own;
  }

  #leave(slot: number, record: WorkerRecord): void {
    const { clock, log } = this.#options;
    const { pid } = record.process;
    log.info('A gateway worker of another release or number drains', { slot, pid });
    const gives = record.code !== undefined;
    signalProcess(record.process, gives ? 'SIGUSR2' : 'SIGTERM');
    const deadline = clock.monotonicMs() + (gives ? REPLACED_DRAIN_MS : UNGIVING_DRAIN_MS);
    const gone = async (): Promise<void> => {
      while (isRunning(record.process)) {
        // It has its SIGTERM and ends by itself, or the next agent sees to it.
        if (this.#state === 'detached') return;
        if (clock.monotonicMs() > Math.min(deadline, this.#leaveDeadlineMs)) {
          signalProcess(record.process, 'SIGKILL');
        }
        await clock.sleep(100);
      }
      this.#leaving.delete(pid);
      const isFree = this.#slots.every((one) => one.state().slot !== slot);
      if (isFree && this.#config !== undefined) {
        await removeCacheOf(slot, this.#config, this.#options);
      }
    };
    this.#leaving.set(
      pid,
      gone().catch((error: unknown) => log.error(messageOf(error), { slot, pid })),
    );
  }

  #requireRunning(): void {
    if (this.#state === 'running') return;
    throw new MolnError(GATEWAY_STOPPED, 'The gateway supervisor does not run');
  }
}

function portsOf(config: GatewayConfig | undefined): readonly PortWanted[] {
  return config === undefined ? [] : [...config.listeners, ...(config.balancers ?? [])];
}

function place({ address, port, protocol }: PortWanted): string {
  return `${protocol === 'udp' ? 'udp' : 'tcp'} ${address} ${port}`;
}

function requireShortPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new MolnError(
    'CONFIG_INVALID',
    `Socket path "${path}" has ${bytes} bytes, at most ${SOCKET_PATH_BYTES_MAX} are possible`,
    { hint: 'Choose a shorter data folder with --data DIR' },
  );
}
