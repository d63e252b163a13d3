/**
 * The registry that holds the logs of all databases of this process. A node that is alone has them in a file of its own; from its first
 * companion on they are in the cluster's etcd, below a prefix of their own. `log.json` says that they have moved, and is never taken back.
 */
import { existsSync } from 'node:fs';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  copyRegistry,
  type EtcdTls,
  isCopyComplete,
  openEtcdRegistry,
  openSqliteRegistry,
  type Registry,
  SwitchableRegistry,
} from '../registry/registry.ts';
import type { LogPlace } from './control.ts';
import { LOG_BYTES_MAX } from './limits.ts';

type EtcdPlace = Extract<LogPlace, { kind: 'etcd' }>;

export interface LogsOptions {
  /** The embedded file. */
  readonly own: string;
  /** Of `log.json`. */
  readonly note: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const WAIT_MS = 200;

export class Logs implements AsyncDisposable {
  readonly #options: LogsOptions;
  #registry: SwitchableRegistry | undefined;
  #place: LogPlace | undefined;

  constructor(options: LogsOptions) {
    this.#options = options;
  }

  /** Stays the same through a move. Undefined before the first `follow`. */
  get registry(): SwitchableRegistry | undefined {
    return this.#registry;
  }

  /** Resolves when the logs are there and can be used. Rejects, to be asked again, while that cannot be said. */
  async follow(place: LogPlace, signal: AbortSignal): Promise<SwitchableRegistry> {
    const before = this.#place;
    if (place.kind === 'embedded') {
      if (before?.kind === 'etcd' || existsSync(this.#options.note)) throw movedAway();
      this.#registry ??= new SwitchableRegistry(await this.#openOwn());
    } else if (before?.kind === 'etcd') {
      if (before.epoch !== place.epoch) throw otherEpoch();
      this.#registry?.setEndpoints(place.endpoints);
    } else {
      await this.#toEtcd(place, signal);
    }
    this.#place = place;
    const registry = this.#registry;
    if (registry === undefined) throw new Error('The logs have no registry');
    return registry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry?.[Symbol.asyncDispose]();
  }

  async #toEtcd(place: EtcdPlace, signal: AbortSignal): Promise<void> {
    const { own, clock } = this.#options;
    const noted = await this.#noted();
    if (noted !== undefined && noted !== place.epoch) throw otherEpoch();
    // Its certificate is asked for at each connection.
    this.#place = place;
    const etcd = await this.#openEtcd(place);
    try {
      const mayMove = place.isFounder && noted === undefined;
      if (mayMove && (existsSync(own) || !(await isCopyComplete(etcd)))) {
        await this.#move(etcd);
      } else {
        while (!(await isCopyComplete(etcd))) await clock.sleep(WAIT_MS, signal);
        this.#registry = new SwitchableRegistry(etcd);
      }
    } catch (error) {
      this.#place = undefined;
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
    if (noted === undefined) await this.#note(place.epoch);
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

  async #openEtcd(place: EtcdPlace): Promise<Registry> {
    const { clock, log } = this.#options;
    const tls = (): EtcdTls => {
      const now = this.#place?.kind === 'etcd' ? this.#place.tls : place.tls;
      if (now === undefined) throw new Error('This etcd has no TLS');
      return now;
    };
    return await openEtcdRegistry({
      endpoints: place.endpoints,
      ...(place.tls === undefined ? {} : { tls }),
      prefix: place.prefix,
      epoch: place.epoch,
      client: place.client,
      mustAnswer: true,
      clock,
      log,
    });
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

/** The logs of before went with the machine that had them; what is here may lack what they had. */
function otherEpoch(): MolnError {
  return new MolnError(
    'DATABASES_LOGS_LOST',
    'The registry was taken over, and the logs of the databases stayed on the machine that had it',
    { hint: 'Bring that machine back; the copies here are kept untouched' },
  );
}
