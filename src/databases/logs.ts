/**
 * The registry that holds the logs of all databases of this process. A node that is alone has them in a file of its own; from its first
 * companion on they are in the cluster's etcd, below a prefix of their own. `log.json` says which of the cluster's etcds that was, and is
 * never taken back. When another machine takes the registry over, the logs go on there with what the standby's copy has.
 */
import { existsSync } from 'node:fs';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import {
  copyRegistry,
  ETCD_REVISION_BASE,
  type EtcdTls,
  isCopyComplete,
  type MirrorCopy,
  openEtcdRegistry,
  openSqliteRegistry,
  readMirror,
  type Registry,
  removeMirror,
  type Revision,
  SwitchableRegistry,
} from '../registry/registry.ts';
import type { LogPlace } from './control.ts';
import { LOG_BYTES_MAX, LOGS_SILENT_MS, MIRRORED_WITHIN_MS } from './limits.ts';
import { LogStandby, MIRRORED } from './log-standby.ts';
import type { PeerLinks } from './peer-link.ts';

type EtcdPlace = Extract<LogPlace, { kind: 'etcd' }>;

export interface LogsOptions {
  /** The embedded file. */
  readonly own: string;
  /** Of `log.json`. */
  readonly note: string;
  /** Of the copy that this node keeps as the standby. */
  readonly mirror: string;
  readonly links: Pick<PeerLinks, 'call'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const WAIT_MS = 200;

export class Logs implements AsyncDisposable {
  readonly #options: LogsOptions;
  #registry: SwitchableRegistry | undefined;
  #place: LogPlace | undefined;
  /** Who must have what is committed; pending while that is about to change, undefined: nobody else. */
  #standby: PromiseWithResolvers<LogStandby | undefined> = Promise.withResolvers();
  #isStandbyKnown = false;
  #own: LogStandby | undefined;
  /** Aborts when the logs of `#own` are somewhere else by now. */
  #moved = new AbortController();
  /** The etcd that is being opened; given up when it turns out to be of another epoch. */
  #opening: { readonly epoch: number; readonly stop: AbortController } | undefined;
  readonly #leaving = new AbortController();

  constructor(options: LogsOptions) {
    this.#options = options;
  }

  /** Stays the same through a move. Undefined before the first `follow`. */
  get registry(): SwitchableRegistry | undefined {
    return this.#registry;
  }

  /** As soon as it is known where the logs are: nobody waits any longer for an etcd of another epoch, nor for the copy of its logs. */
  expect(place: LogPlace): void {
    if (place.kind !== 'etcd') return;
    if (this.#place?.kind === 'etcd' && this.#place.epoch !== place.epoch) this.#moved.abort();
    if (this.#opening?.epoch !== place.epoch) this.#opening?.stop.abort();
  }

  /** Resolves when the logs are there and can be used. Rejects, to be asked again, while that cannot be said, and when the signal aborts. */
  async follow(place: LogPlace, signal: AbortSignal): Promise<SwitchableRegistry> {
    const before = this.#place;
    if (place.kind === 'embedded') {
      if (before?.kind === 'etcd' || existsSync(this.#options.note)) throw movedAway();
      this.#registry ??= new SwitchableRegistry(await this.#openOwn());
    } else if (before?.kind === 'etcd' && before.epoch === place.epoch) {
      this.#registry?.setEndpoints(place.endpoints);
    } else {
      if (before?.kind === 'etcd') await this.#endStandby();
      await this.#toEtcd(place, signal);
    }
    this.#place = place;
    const registry = this.#registry;
    if (registry === undefined) throw new Error('The logs have no registry');
    await this.#beginStandby(registry, place);
    return registry;
  }

  /**
   * Resolves when what was committed up to `revision` would outlive the loss of any one machine. Throws `DATABASES_LOGS_UNCONFIRMED` when
   * that cannot be said, and when it was committed to an etcd that is not the cluster's any more.
   */
  async confirm(revision: Revision): Promise<void> {
    const standby = await this.#standby.promise;
    if (isSuperseded(revision, this.#place)) throw superseded();
    await standby?.confirm(revision);
  }

  /** Of the standby: everything that the etcd of that epoch had at `revision` is on its disk. */
  async mirrored(revision: Revision, epoch: number): Promise<void> {
    const late = (): MolnError => otherEpoch(epoch);
    const keeper = await withDeadline(MIRRORED_WITHIN_MS, late, () => this.#keeper());
    // The epoch of that keeper: it may have been waited for.
    if (this.#place?.kind !== 'etcd' || this.#place.epoch !== epoch) throw otherEpoch(epoch);
    await keeper.mirrored(revision);
  }

  /** Of the standby: everything that the logs have now is on its disk. */
  async caughtUp(): Promise<void> {
    await (await this.#keeper()).caughtUp();
  }

  /** At which revision the copy that this node keeps is true; undefined when it keeps none. */
  async mirroredRevision(): Promise<Revision | undefined> {
    if (this.#own?.revision !== undefined) return this.#own.revision;
    const noted = await this.#noted();
    if (noted === undefined) return undefined;
    return await this.#readMirror(noted, ({ revision }) => Promise.resolve(revision));
  }

  /** The process ends: what is not confirmed by now is said to be unknown. */
  leave(): void {
    this.#leaving.abort();
    // Only who waits for it is told.
    this.#standby.promise.catch(() => undefined);
    this.#standby.reject(new Error('the process ends'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
    await this.#own?.[Symbol.asyncDispose]();
    await this.#registry?.[Symbol.asyncDispose]();
  }

  async #toEtcd(place: EtcdPlace, signal: AbortSignal): Promise<void> {
    const noted = await this.#noted();
    if (noted !== undefined && noted > place.epoch) throw otherEpoch(place.epoch);
    const stop = new AbortController();
    this.#opening = { epoch: place.epoch, stop };
    const etcd = await this.#openEtcd(place, place.prefix);
    stop.signal.addEventListener('abort', () => etcd.hurry?.(), { once: true });
    try {
      if (noted === undefined && place.isFounder) await this.#found(etcd);
      else if (noted !== undefined && noted < place.epoch && place.isHolder)
        await this.#takeOver(etcd, noted);
      while (!(await isCopyComplete(etcd))) await this.#options.clock.sleep(WAIT_MS, signal);
      await this.#use(etcd);
    } catch (error) {
      if (this.#registry?.current !== etcd) await etcd[Symbol.asyncDispose]();
      throw error;
    } finally {
      this.#opening = undefined;
    }
    if (noted !== place.epoch) await this.#note(place.epoch);
  }

  /** Whoever uses the logs goes on, with another engine. */
  async #use(etcd: Registry): Promise<void> {
    if (this.#registry === undefined) this.#registry = new SwitchableRegistry(etcd);
    else if (this.#registry.current !== etcd)
      await this.#registry.switchTo(() => Promise.resolve(etcd));
  }

  async #found(etcd: Registry): Promise<void> {
    if (existsSync(this.#options.own) || !(await isCopyComplete(etcd))) await this.#move(etcd);
  }

  /** The machine with the logs is gone: they go on with what this node has of them. */
  async #takeOver(etcd: Registry, from: number): Promise<void> {
    if (await isCopyComplete(etcd)) return;
    const { log } = this.#options;
    const copied = await this.#readMirror(from, (copy) =>
      copyRegistry({ from: copy, to: etcd, freeze: () => Promise.resolve() }),
    );
    if (copied === undefined) throw lost();
    log.info('The logs of the databases were taken over', { audit: true, keys: copied.keys });
  }

  /** Out of this node's own file, while everybody else waits for its end. Commits wait for a moment, none is refused or lost. */
  async #move(etcd: Registry): Promise<void> {
    const { log } = this.#options;
    const registry = this.#registry ?? new SwitchableRegistry(await this.#openOwn());
    const hasLogs = (await registry.list('/db/')).entries.length > 0;
    try {
      await registry.switchTo(async (freeze) => {
        // Of an empty file nothing is to be made equal: another node may have moved its logs there.
        if (hasLogs || !(await isCopyComplete(etcd)))
          await copyLogs(registry.current, etcd, freeze);
        this.#forgetStandby();
        return etcd;
      });
      log.info('The logs of the databases have moved to etcd', { audit: true });
    } catch (error) {
      if (this.#registry === undefined) await registry[Symbol.asyncDispose]();
      throw error;
    }
    this.#registry = registry;
  }

  async #openOwn(): Promise<Registry> {
    const { own, clock, log } = this.#options;
    return await openSqliteRegistry({ path: own, clock, log, bytesMax: LOG_BYTES_MAX });
  }

  async #openEtcd(place: EtcdPlace, prefix: string): Promise<Registry> {
    const { clock, log } = this.#options;
    // Its certificate is asked for at each connection.
    const tls = (): EtcdTls => {
      const at = this.#place;
      const now = at?.kind === 'etcd' && at.epoch === place.epoch ? at.tls : place.tls;
      if (now === undefined) throw new Error('This etcd has no TLS');
      return now;
    };
    return await openEtcdRegistry({
      endpoints: place.endpoints,
      ...(place.tls === undefined ? {} : { tls }),
      prefix,
      epoch: place.epoch,
      client: place.client,
      areWatchesApart: true,
      mustAnswer: true,
      silentMs: LOGS_SILENT_MS,
      ...(this.#opening === undefined ? {} : { signal: this.#opening.stop.signal }),
      clock,
      log,
    });
  }

  /** Where one machine holds the logs, a copy on another one counts. */
  async #beginStandby(registry: SwitchableRegistry, place: LogPlace): Promise<void> {
    const { mirror: path, links, clock, log } = this.#options;
    registry.setCommitGate(({ revision }) => this.confirm(revision));
    const prefix = place.kind === 'etcd' ? place.standbyPrefix : undefined;
    if (place.kind === 'etcd' && prefix !== undefined) {
      this.#own?.setEndpoints(place.endpoints);
      if (this.#own === undefined) {
        this.#forgetStandby();
        this.#moved = new AbortController();
      }
      this.#own ??= new LogStandby({
        node: place.node,
        epoch: place.epoch,
        logs: registry.current,
        sourceId: sourceIdOf(place.epoch),
        registry: await this.#openEtcd(place, prefix),
        path,
        links,
        leaving: AbortSignal.any([this.#leaving.signal, this.#moved.signal]),
        clock,
        log,
      });
    } else if (this.#own !== undefined || existsSync(path)) {
      await this.#endStandby();
      await removeMirror(path);
    }
    this.#isStandbyKnown = true;
    this.#standby.resolve(this.#own);
  }

  async #endStandby(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    if (own !== undefined) this.#forgetStandby();
    await own?.[Symbol.asyncDispose]();
  }

  /** What is committed waits until it is known who has to have it. Who waits already goes on waiting. */
  #forgetStandby(): void {
    if (this.#isStandbyKnown) this.#standby = Promise.withResolvers();
    this.#isStandbyKnown = false;
  }

  async #keeper(): Promise<LogStandby> {
    const standby = await this.#standby.promise;
    if (standby === undefined) throw new Error('No copy of the logs is kept now');
    return standby;
  }

  /** `epoch`: of the etcd that the copy is of. Undefined when there is none. */
  #readMirror<T>(epoch: number, use: (copy: MirrorCopy) => Promise<T>): Promise<T | undefined> {
    const { mirror: path } = this.#options;
    return readMirror({ path, sourceId: sourceIdOf(epoch), prefix: MIRRORED }, use);
  }

  /** The epoch of the etcd that the logs are in; undefined while they have not moved. */
  async #noted(): Promise<number | undefined> {
    const text = await readTextIfAny(this.#options.note);
    if (text === undefined) return undefined;
    return (JSON.parse(text) as { readonly epoch: number }).epoch;
  }

  async #note(epoch: number): Promise<void> {
    await writeFileAtomic(this.#options.note, `${JSON.stringify({ format: 1, epoch })}\n`);
  }
}

/** A copy that others use already was completed by an earlier life of this process, which ended before it could note it. */
async function copyLogs(from: Registry, to: Registry, freeze: () => Promise<void>): Promise<void> {
  try {
    await copyRegistry({ from, to, freeze });
  } catch (error) {
    const isUsed = isMolnError(error, 'REGISTRY_NOT_EMPTY') && (await isCopyComplete(to));
    if (!isUsed) throw error;
    await freeze();
  }
}

function movedAway(): MolnError {
  return new MolnError(
    'DATABASES_LOGS_MOVED',
    'The logs of the databases are in the etcd of a cluster, and this node is told that it is alone',
    { hint: 'Start it with the registry that it had' },
  );
}

function otherEpoch(epoch: number): MolnError {
  return new MolnError('DATABASES_EPOCH', `The logs here are not of epoch ${epoch}`, {
    hint: 'Another machine has taken the registry over; whoever is behind will follow',
    retryable: true,
  });
}

/** The logs of before went with the machine that had them; what is here may lack what they had. */
function lost(): MolnError {
  return new MolnError(
    'DATABASES_LOGS_LOST',
    'The registry was taken over by a machine that kept no copy of the logs of the databases',
    { hint: 'Bring the machine back that had them; the copies here are kept untouched' },
  );
}

function superseded(): MolnError {
  return new MolnError(
    'DATABASES_LOGS_UNCONFIRMED',
    'Another machine has taken the registry over since a change of a database was made',
    { hint: 'Read again what was to be changed before you repeat it', retryable: true },
  );
}

/** Whether it is of an etcd that another one has taken the place of. What an embedded registry had has moved with it. */
function isSuperseded(revision: Revision, place: LogPlace | undefined): boolean {
  if (place?.kind !== 'etcd' || revision < ETCD_REVISION_BASE) return false;
  return revision < ETCD_REVISION_BASE * place.epoch;
}

function sourceIdOf(epoch: number): string {
  return `logs/${epoch}`;
}
