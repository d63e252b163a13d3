/**
 * All instances of this node: starts, watches, adopts and stops them. What should run is somebody else's decision
 * (`plan-actions.ts`); this part only restarts what crashed.
 */
import { randomId } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import { isRunning, processId, signalProcess } from '../base/process-id.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { type InstanceContext, SupervisedInstance } from './instance.ts';
import { bootId, type InstanceRecord, readRecords } from './instance-record.ts';
import type { LaunchParts } from './launch-plan.ts';
import type { HealthPlan, Instance, ProcessPlan } from './model.ts';
import { type TaggedProcess, taggedProcesses } from './process-table.ts';
import { nodeStops } from './run-errors.ts';

/** A step is never repeated faster than this. */
const STEP_LEAST_MS = 5;

export interface StartRequest {
  readonly app: string;
  readonly uid: number;
  readonly release: string;
  readonly process: string;
  readonly generation: string;
  readonly singleton?: InstanceRecord['singleton'];
  readonly kind: ProcessPlan['kind'];
  readonly health: HealthPlan;
  /** A trial is not restarted when it fails. */
  readonly trial: boolean;
  /** What it starts with while it is on trial; afterwards the app's wishes are asked for. */
  readonly parts: LaunchParts;
}

export interface SupervisorOptions {
  readonly context: Omit<InstanceContext, 'changed' | 'guard'>;
  /** See `InstanceContext`. */
  readonly guard: () => void;
  /** What a restart needs, by the app's wishes of now. */
  readonly parts: (record: InstanceRecord) => Promise<LaunchParts>;
  /** Ends this worker's pause. */
  readonly wake: () => void;
}

export class InstanceSupervisor implements Worker {
  readonly name = 'instances';
  readonly #options: SupervisorOptions;
  readonly #context: InstanceContext;
  readonly #instances = new Map<string, SupervisedInstance>();
  readonly #listeners = new Set<() => void>();
  readonly #tasks = new Map<string, Promise<void>>();
  #closed = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { context, guard } = options;
    this.#context = { ...context, guard, changed: () => this.#changed() };
  }

  status(): string {
    const healthy = this.list().filter((each) => each.life.state === 'healthy').length;
    return `${healthy} of ${this.#instances.size} instances healthy`;
  }

  list(): SupervisedInstance[] {
    return [...this.#instances.values()];
  }

  of(app: string): SupervisedInstance[] {
    return this.list().filter((each) => each.record.app === app);
  }

  get(id: string): SupervisedInstance | undefined {
    return this.#instances.get(id);
  }

  has(id: string): boolean {
    return this.#instances.has(id);
  }

  /** From here on nothing is started or restarted; what runs can only be stopped. */
  close(): void {
    this.#closed = true;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Starts a new instance and returns once its process exists; it is not healthy yet. */
  async start(request: StartRequest): Promise<SupervisedInstance> {
    if (this.#closed) throw nodeStops();
    const { app, uid, release, process, generation, kind, health } = request;
    const record: InstanceRecord = {
      format: 1,
      id: `${app}-${process}-${randomId(8)}`,
      app,
      purpose: 'instance',
      release,
      process,
      generation,
      ...(request.singleton === undefined ? {} : { singleton: request.singleton }),
      kind,
      health,
      uid,
      driver: this.#context.drivers.chosen.name,
      processId: undefined,
      bootId: bootId(),
      port: 0,
      address: undefined,
      healthy: false,
      startedAt: this.#context.clock.now(),
      restarts: 0,
      drainingSince: undefined,
    };
    const instance: SupervisedInstance = new SupervisedInstance(this.#context, {
      record,
      trial: request.trial,
      parts: async () => (instance.trial ? request.parts : this.#options.parts(instance.record)),
    });
    this.#instances.set(record.id, instance);
    this.#options.wake();
    try {
      await instance.launch();
    } catch (error) {
      await this.stop(record.id, `could not be started: ${messageOf(error)}`);
      throw error;
    }
    return instance;
  }

  /** Resolves when it is healthy or has failed for good; look at its state. Rejects when the signal aborts. */
  async settled(instance: SupervisedInstance, signal: AbortSignal): Promise<Instance> {
    await this.until(() => SETTLED.has(instance.life.state), signal);
    return instance.view();
  }

  /** Resolves when the condition holds; it is looked at after every change of any instance. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listener = (): void => {
      if (condition()) resolve();
    };
    const abort = (): void => reject(signal.reason as Error);
    this.#listeners.add(listener);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Calls after every change until disposed. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Stops it and forgets it; unknown ids are fine. */
  async stop(id: string, reason: string): Promise<void> {
    const instance = this.#instances.get(id);
    if (instance === undefined) return;
    await instance.stop(reason);
    this.#instances.delete(id);
    this.#changed();
  }

  /**
   * Takes over what earlier agents started, ends what nobody knows, and cleans up after what has ended meanwhile. To
   * be called once, before the worker runs.
   */
  async adopt(): Promise<void> {
    const { folders, log } = this.#context;
    const tagged = taggedProcesses(folders.apps);
    const boot = bootId();
    for (const app of folders.list()) {
      for (const record of readRecords(folders.run(app))) {
        const found = tagged.find((row) => mayBeRoot(row, record));
        const known = record.bootId === boot ? record.processId : undefined;
        const root =
          known !== undefined && isRunning(known)
            ? known
            : found === undefined
              ? undefined
              : processId(found.pid);
        if (root === undefined || record.purpose === 'run') {
          await folders.removeInstance(folders.instance(app, record.id));
          continue;
        }
        const adopted: InstanceRecord = { ...record, processId: root, bootId: boot };
        this.#instances.set(
          record.id,
          new SupervisedInstance(this.#context, {
            record: adopted,
            trial: false,
            parts: () => this.#options.parts(adopted),
          }),
        );
        log.info('Adopted a running instance', { instance: record.id, pid: root.pid });
      }
    }
    for (const row of tagged) {
      if (this.#instances.has(row.instance) && !row.command) continue;
      log.warn('Ended a process that no record knows', { instance: row.instance, pid: row.pid });
      signalProcess(row, 'SIGKILL');
    }
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    if (this.#closed) return { kind: 'done' };
    for (const instance of this.list()) {
      // One that is slow to end must not keep the others waiting: its check goes on beside this step.
      if (this.#tasks.has(instance.id)) continue;
      this.#tasks.set(instance.id, this.#check(instance, signal));
    }
    const due = this.list().map((instance) => instance.dueInMs());
    // Whoever adds one wakes this.
    if (due.length === 0) return { kind: 'idle' };
    return { kind: 'idle', retryInMs: Math.max(STEP_LEAST_MS, Math.min(...due)) };
  }

  /** Waits for checks that are under way; processes go on running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#tasks.values());
  }

  async #check(instance: SupervisedInstance, signal: AbortSignal): Promise<void> {
    try {
      await instance.check(signal);
    } catch (error) {
      this.#context.log.error('Cannot look after an instance', { instance: instance.id, error });
    } finally {
      this.#tasks.delete(instance.id);
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
    this.#options.wake();
  }
}

/**
 * Whether a process is the first one of an instance whose record does not say. Its tags are only its own word: under
 * `unshare` the first one is ours, otherwise at least the app's, and not somebody else's that took its name.
 */
function mayBeRoot(row: TaggedProcess, record: InstanceRecord): boolean {
  const own = process.geteuid?.();
  const uidFits = row.uid === own || (record.driver === 'plain' && row.uid === record.uid);
  return row.instance === record.id && row.session === row.pid && !row.command && uidFits;
}

const SETTLED: ReadonlySet<string> = new Set(['healthy', 'stopped']);
