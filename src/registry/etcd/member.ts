/**
 * One etcd member as a child process of the agent. It outlives a killed agent, as instances do, and is adopted by the
 * next one: managers stay managers while Moln is updated.
 */
import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readTextIfAny, writeFileAtomic } from '../../base/disk.ts';
import { messageOf, MolnError, systemCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { isRunning, processId, type ProcessId, signalProcess } from '../../base/process-id.ts';
import type { Clock } from '../../base/time.ts';
import type { StepResult, Worker } from '../../base/worker.ts';
import { clientUrl, etcdFlags, type EtcdVersion, parseVersion, peerUrl } from './etcd-flags.ts';

export interface EtcdMemberOptions {
  /** Holds `data/`, `etcd.pid` and `etcd.log`; on a disk of its own where there are databases. */
  readonly folder: string;
  /** Unique among the members: the node's name. */
  readonly name: string;
  /** IP address that the other managers reach this node at. */
  readonly address: string;
  readonly ports?: { readonly client: number; readonly peer: number };
  /** For clients and peers alike: PEM files of the cluster's CA and of this node. etcd reads renewed ones by itself. */
  readonly tls?: {
    readonly caFile: string;
    readonly certificateFile: string;
    readonly keyFile: string;
    /**
     * Revoked certificates, DER. It must exist before the member starts, and is read at each new connection: without it
     * nobody gets in. Connections that are open stay open.
     */
    readonly crlFile?: string;
  };
  /** Called right before a process is started, also in place of one that has ended; not when one is adopted. */
  readonly onSpawn?: () => Promise<void>;
  /** All members including this one, as they are when it starts for the first time. */
  readonly members: readonly { readonly name: string; readonly peerUrl: string }[];
  /** True when it was added to members that run already. */
  readonly joins: boolean;
  /** The cluster's id, so that members of two clusters never mix. */
  readonly clusterToken: string;
  readonly timing?: { readonly heartbeatMs: number; readonly electionMs: number };
  readonly quotaBytes?: number;
  /** Of `etcd.log`; 4 MiB by default. */
  readonly logBytesMax?: number;
  /** Path of etcd, or its name on the usual paths. */
  readonly program?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where programs are; the agent's own environment is not handed on, for `ETCD_…` in it would be obeyed. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const STOP_MS = 10_000;
const STOP_POLL_MS = 50;
const CHECK_EVERY_MS = 1000;
const LOG_TAIL_CHARS = 600;

/** Of `etcd.log`; as much again is kept as `etcd.log.1`. */
export const LOG_BYTES_MAX: number = 4 * 1024 * 1024;

/** A `Worker` that starts the member whenever it is not there. */
export class EtcdMember implements Worker {
  readonly name = 'etcd';
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly options: EtcdMemberOptions;
  #process: ProcessId | undefined;
  #starts = 0;
  #hasEnded = false;
  #isAdopted = false;
  /** Starts, restarts and the end come one after the other, whoever asks. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: EtcdMemberOptions) {
    this.options = options;
    this.endpoint = clientUrl(options);
    this.peerUrl = peerUrl(options);
  }

  get isRunning(): boolean {
    return this.#process !== undefined && isRunning(this.#process);
  }

  /** A former agent had left it running. */
  get isAdopted(): boolean {
    return this.#isAdopted;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#process?.pid : undefined;
  }

  status(): string {
    if (!this.isRunning) return 'etcd is not running';
    const again = this.#starts > 1 ? `, started ${this.#starts} times` : '';
    return `etcd runs as process ${this.#process?.pid} at ${this.endpoint}${again}`;
  }

  async step(): Promise<StepResult> {
    // A restart that is under way is not taken for an end.
    await this.#turn;
    if (this.#hasEnded) return { kind: 'done' };
    if (!this.isRunning) {
      if (this.#starts > 0) {
        this.options.log.warn('etcd ended and is started again', { log: await this.logTail() });
      }
      await this.#inTurn(() => (this.#hasEnded ? Promise.resolve() : this.#start()));
    }
    await this.#capLog();
    return { kind: 'idle', retryInMs: CHECK_EVERY_MS };
  }

  /**
   * Adopts the member that a former agent left running, else starts it; does not wait until it answers. Throws
   * `REGISTRY_ETCD_MISSING` before anything is touched when this machine has no etcd.
   */
  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /** A new process in place of the one that runs. Nothing after `end`. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#hasEnded) return;
      this.#process ??= await this.#adopt();
      await this.#stop();
      await this.#start();
    });
  }

  async #start(): Promise<void> {
    if (this.isRunning) return;
    const version = await findEtcd(this.options.program);
    const { folder } = this.options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // etcd wants it to be its own; without this 3.4 complains and 3.5 refuses.
    await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 });
    const adopted = await this.#adopt();
    this.#isAdopted = adopted !== undefined;
    this.#process = adopted ?? (await this.#spawn(version));
    this.#starts++;
  }

  /** Stops it for good, also one that a former agent left running: `step` does not start it again. */
  end(): Promise<void> {
    this.#hasEnded = true;
    return this.#inTurn(async () => {
      this.#process ??= await this.#adopt();
      await this.#stop();
    });
  }

  /** SIGTERM, and SIGKILL when that does not help. The data stays. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /** After what was asked for before, whether or not that failed. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #stop(): Promise<void> {
    const { clock, log, name } = this.options;
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || !signalProcess(running, 'SIGTERM')) return;
    const deadline = clock.monotonicMs() + STOP_MS;
    while (isRunning(running)) {
      if (clock.monotonicMs() > deadline) {
        log.warn('etcd does not end and is killed', { name });
        signalProcess(running, 'SIGKILL');
      }
      await clock.sleep(STOP_POLL_MS);
    }
  }

  /** The end of what etcd said, for an error that a person reads. */
  async logTail(): Promise<string> {
    try {
      return (await readFile(this.#logPath(), 'utf8')).slice(-LOG_TAIL_CHARS);
    } catch (error) {
      return messageOf(error);
    }
  }

  async #adopt(): Promise<ProcessId | undefined> {
    const text = await readTextIfAny(this.#pidPath());
    const [pid, startTicks] = (text ?? '').split(' ').map(Number);
    if (pid === undefined || startTicks === undefined) return undefined;
    const id = { pid, startTicks };
    if (!isRunning(id)) return undefined;
    this.options.log.info('The etcd that runs already goes on', { pid });
    return id;
  }

  async #spawn(version: EtcdVersion): Promise<ProcessId> {
    const { program = 'etcd', folder, onSpawn } = this.options;
    await onSpawn?.();
    await using output = await open(this.#logPath(), 'a', 0o600);
    const child = spawn(program, etcdFlags(this.options, version), {
      cwd: folder,
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      env: environment(),
    });
    const started = Promise.withResolvers<void>();
    child.once('spawn', started.resolve);
    child.once('error', started.reject);
    await started.promise;
    child.unref();
    const id = child.pid === undefined ? undefined : processId(child.pid);
    if (id === undefined) throw await this.#ended();
    await writeFileAtomic(this.#pidPath(), `${id.pid} ${id.startTicks}\n`);
    return id;
  }

  /** etcd holds the file open, to append: it is copied and emptied. What is said between the two is lost. */
  async #capLog(): Promise<void> {
    const path = this.#logPath();
    try {
      const { size } = await stat(path);
      if (size < (this.options.logBytesMax ?? LOG_BYTES_MAX)) return;
      await copyFile(path, `${path}.1`);
    } catch (error) {
      // Without room for a copy the log goes; etcd needs the disk more.
      if (systemCode(error) === 'ENOENT') return;
      this.options.log.debug('The log of etcd is not kept', { reason: messageOf(error) });
    }
    await truncate(path);
  }

  async #ended(): Promise<MolnError> {
    return new MolnError('REGISTRY_ETCD_ENDED', 'etcd ended as soon as it was started', {
      hint: `See ${this.#logPath()}`,
      retryable: true,
      details: { log: await this.logTail() },
    });
  }

  #pidPath(): string {
    return join(this.options.folder, 'etcd.pid');
  }

  #logPath(): string {
    return join(this.options.folder, 'etcd.log');
  }
}

/** The version of this machine's etcd. Throws `REGISTRY_ETCD_MISSING`. */
export async function findEtcd(program = 'etcd'): Promise<EtcdVersion> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { env: environment() });
    const version = parseVersion(stdout);
    if (version !== undefined) return version;
    throw new Error(`it says ${JSON.stringify(stdout.slice(0, 100))} for its version`);
  } catch (error) {
    const missing = systemCode(error) === 'ENOENT';
    const why = missing ? 'this machine has none' : messageOf(error);
    throw new MolnError('REGISTRY_ETCD_MISSING', `Cannot start etcd: ${why}`, {
      hint: 'Run "apt-get install etcd-server", or name another machine\'s with --etcd URL',
      cause: error,
    });
  }
}

/** etcd 3.4 refuses to run on 64-bit ARM unless told that one means it. */
function environment(): NodeJS.ProcessEnv {
  return { PATH, ...(process.arch === 'arm64' ? { ETCD_UNSUPPORTED_ARCH: 'arm64' } : {}) };
}
