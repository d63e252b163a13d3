/**
 * The gateway by itself, without node or cluster: its workers serve what one file says. They outlive this process, as
 * they do an agent; the next one for the same file takes them over.
 */
import { realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ensureFolder } from '../base/disk.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type AgentState,
  certificateTroubles,
  GatewaySupervisor,
  loadWorker,
} from '../gateway/gateway.ts';
import { takeNameLock } from '../net/net.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { AgentOfFile } from './agent-of-file.ts';
import { removeStandaloneRecord, writeStandaloneRecord } from './standalone-record.ts';
import { type GatewayFile, readGatewayFile } from './gateway-file.ts';

export interface StandaloneOptions {
  /** Absolute. */
  readonly file: string;
  /** Where the folders of such gateways are; one for each file is made in it. */
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Between two looks at certificates of the file; they warn weeks ahead. */
const CERTIFICATES_EVERY_MS = 86_400_000;
const STOP_DRAIN_MS = 10_000;
/** Who drains is in no hurry. */
const LEAVE_DRAIN_MS = 60_000;

/** Where the workers of a file have their sockets, records and logs. */
export function standaloneFolder({
  file,
  stateFolder,
}: Pick<StandaloneOptions, 'file' | 'stateFolder'>): string {
  return join(stateFolder, sha256Hex(realpathSync(file)).slice(0, 16));
}

/** Of its supervisor, below its folder. */
export function workerFolders(folder: string): {
  readonly runFolder: string;
  readonly logFolder: string;
} {
  return { runFolder: join(folder, 'run'), logFolder: join(folder, 'logs') };
}

export class StandaloneGateway {
  readonly #options: StandaloneOptions;
  readonly #folder: string;
  readonly #lock: AsyncDisposable;
  #supervisor: GatewaySupervisor;
  #file: GatewayFile;
  #workers: number;
  #keeper: CertificateKeeper | undefined;
  #isLeaving = false;
  readonly #agent: AgentOfFile;
  #certificates: Disposable | undefined;

  private constructor(
    options: StandaloneOptions,
    parts: {
      readonly folder: string;
      readonly lock: AsyncDisposable;
      readonly supervisor: GatewaySupervisor;
      readonly file: GatewayFile;
    },
  ) {
    this.#options = options;
    this.#folder = parts.folder;
    this.#lock = parts.lock;
    this.#supervisor = parts.supervisor;
    this.#file = parts.file;
    this.#workers = workersOf(parts.file);
    this.#agent = new AgentOfFile(() => this.#state(), options);
  }

  /**
   * Resolves when it serves. Throws `CONFIG_INVALID`, `STANDALONE_RUNNING`, or what the gateway says of ports and
   * workers; then nothing serves that did not before.
   */
  static async start(options: StandaloneOptions): Promise<StandaloneGateway> {
    const file = readGatewayFile(options.file);
    const path = realpathSync(options.file);
    const folder = standaloneFolder(options);
    await ensureFolder(folder);
    const lock = await takeNameLock(folder);
    if (lock === undefined) throw running(path);
    const supervisor = supervise(options, folder, workersOf(file));
    const gateway = new StandaloneGateway(options, { folder, lock, supervisor, file });
    try {
      await supervisor.start();
      const keeper = await gateway.#keeperFor(file);
      await supervisor.apply(keeper?.contentOf(file) ?? file.content);
      await keeper?.keep(file);
      keeper?.start();
    } catch (error) {
      if (supervisor.adopted) await supervisor.detach();
      else await supervisor.stop({ drainMs: 0 });
      await lock[Symbol.asyncDispose]();
      throw error;
    }
    await gateway.#begin();
    return gateway;
  }

  /** What it serves now. */
  get file(): GatewayFile {
    return this.#file;
  }

  /** For `logs/` and `run/`. */
  get folder(): string {
    return this.#folder;
  }

  /** Serves what the file says now; when that cannot be, throws and goes on as before. No request is lost. */
  async reload(): Promise<void> {
    const file = readGatewayFile(this.#options.file);
    if (workersOf(file) !== this.#workers) await this.#resize(workersOf(file));
    const isNew = this.#keeper === undefined;
    const keeper = await this.#keeperFor(file);
    await this.#supervisor.apply(keeper?.contentOf(file) ?? file.content);
    this.#file = file;
    await keeper?.keep(file);
    if (isNew) keeper?.start();
    this.#lookAtCertificates();
    await this.#agent.use(file.agent);
  }

  /** Says what is wrong with those that the file names, now and each day; the ordered ones are the keeper's. */
  #lookAtCertificates(): void {
    const { clock, log } = this.#options;
    const look = (): void => {
      for (const trouble of certificateTroubles(this.#file.content, clock.now())) log.warn(trouble);
    };
    look();
    this.#certificates ??= clock.every(CERTIFICATES_EVERY_MS, look);
  }

  /** Undefined: nothing is ordered, and nothing was. */
  async #keeperFor({ ordered }: GatewayFile): Promise<CertificateKeeper | undefined> {
    if (ordered === undefined) return this.#keeper;
    const { clock, log } = this.#options;
    this.#keeper ??= await CertificateKeeper.open({
      folder: this.#folder,
      clock,
      log,
      apply: () => this.#supervisor.apply(this.#content()),
    });
    return this.#keeper;
  }

  #content(): GatewayFile['content'] {
    return this.#keeper?.contentOf(this.#file) ?? this.#file.content;
  }

  /** The files of the access logs were moved away: new ones are begun. */
  reopenLogs(): void {
    this.#supervisor.reopenLogs();
  }

  /** What keeps a worker from running the code on disk; undefined: nothing. */
  async refusalOfCode(): Promise<string | undefined> {
    return await loadWorker(workerFolders(this.#folder));
  }

  /** The workers serve on; the next gateway for this file takes them over, and replaces those that run other code than there is on disk. */
  async detach(): Promise<void> {
    await this.#keeper?.[Symbol.asyncDispose]();
    await this.#end();
    await this.#supervisor.detach();
    await this.#lock[Symbol.asyncDispose]();
  }

  /** Requests under way may finish for ten seconds. */
  async stop(): Promise<void> {
    await this.#keeper?.[Symbol.asyncDispose]();
    await this.#supervisor.stop({ drainMs: STOP_DRAIN_MS });
    await this.#end();
    await this.#lock[Symbol.asyncDispose]();
  }

  /**
   * For a gateway behind another balancer: first it says that it is not ready, while it serves on and ends connections with their next
   * answers; when the balancer has had time to notice, it stops.
   */
  async drain(): Promise<void> {
    const { clock } = this.#options;
    this.#isLeaving = true;
    await this.#supervisor.ask({ kind: 'leave' });
    await clock.sleep(this.#file.drainMs);
    await this.#keeper?.[Symbol.asyncDispose]();
    await this.#supervisor.stop({ drainMs: LEAVE_DRAIN_MS });
    await this.#end();
    await this.#lock[Symbol.asyncDispose]();
  }

  #state(): AgentState['state'] {
    if (this.#isLeaving) return 'leaving';
    const isServing = this.#supervisor.workers().some(({ state }) => state === 'serving');
    return isServing ? 'ready' : 'down';
  }

  /** Serves already: what is beside that must not end it. */
  async #begin(): Promise<void> {
    this.#lookAtCertificates();
    await writeStandaloneRecord(this.#folder);
    try {
      await this.#agent.use(this.#file.agent);
    } catch (error) {
      this.#options.log.error(messageOf(error));
    }
  }

  async #end(): Promise<void> {
    this.#certificates?.[Symbol.dispose]();
    await this.#agent[Symbol.asyncDispose]();
    await removeStandaloneRecord(this.#folder);
  }

  /** Another supervisor takes the workers over; those who are too many leave when the others serve. */
  async #resize(workers: number): Promise<void> {
    await this.#supervisor.detach();
    try {
      await this.#takeOver(workers);
    } catch (error) {
      await this.#takeOver(this.#workers);
      throw error;
    }
    this.#workers = workers;
  }

  async #takeOver(workers: number): Promise<void> {
    this.#supervisor = supervise(this.#options, this.#folder, workers);
    await this.#supervisor.start();
    await this.#supervisor.apply(this.#content());
  }
}

function supervise(
  { clock, log }: StandaloneOptions,
  folder: string,
  workers: number,
): GatewaySupervisor {
  return new GatewaySupervisor({
    ...workerFolders(folder),
    workers,
    clock,
    log: log.for('gateway'),
  });
}

function workersOf({ workers }: GatewayFile): number {
  return workers ?? availableParallelism();
}

function running(path: string): MolnError {
  return new MolnError('STANDALONE_RUNNING', `A gateway already runs with "${path}"`, {
    hint: 'Send it SIGHUP to read the file again, or stop it first',
  });
}
