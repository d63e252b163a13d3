/**
 * The two-machine rule for the logs. While one machine holds them, another one, the standby, keeps a copy of all of them on its disk, and
 * nothing counts as being in a log before it is there too. Who the standby is, and whether it has to be waited for, is the leader's
 * word in the registry, read anew after every commit: what this process heard last may be older than the commit.
 */
import { followAgain } from '../base/again.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, withDeadline } from '../base/time.ts';
import {
  type Collection,
  openMirror,
  type Registry,
  type RegistryMirror,
  removeMirror,
  type Revision,
  STANDBY_ID,
  type StandbyRecord,
  standbyRecords,
} from '../registry/registry.ts';
import { CONFIRM_MS_MAX, MIRRORED_WITHIN_MS } from './limits.ts';
import type { PeerLinks } from './peer-link.ts';

export interface LogStandbyOptions {
  /** This node's id. */
  readonly node: string;
  /** Of the etcd that holds logs and registry. */
  readonly epoch: number;
  /** The logs. */
  readonly logs: Registry;
  /** Which of `logs` the copy is of. */
  readonly sourceId: string;
  /** The cluster's, which has the leader's word. Owned from now on. */
  readonly registry: Registry;
  /** The copy, while this node is the standby. */
  readonly path: string;
  readonly links: Pick<PeerLinks, 'call'>;
  /** Aborts when the process is about to end. */
  readonly leaving: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Everything that does not hang on a lease. */
export const MIRRORED = '/';
/** Written to learn by its coming that nothing is missing. */
const MARK = '/standby';
const RETRY_MS = 200;
const FOLLOW_PAUSE_MS = 1000;

export class LogStandby implements AsyncDisposable {
  readonly #options: LogStandbyOptions;
  readonly #records: Collection<StandbyRecord>;
  readonly #stop = new AbortController();
  /** Nobody waits any longer. */
  readonly #ended: AbortSignal;
  readonly #following: Promise<void>;
  /** As last heard. */
  #current: StandbyRecord | undefined;
  #mirror: RegistryMirror | undefined;
  /** Up to here everything has been confirmed. */
  #confirmed: Revision = 0;
  #wanted: Revision = 0;
  #round: Promise<void> | undefined;

  constructor(options: LogStandbyOptions) {
    this.#options = options;
    this.#records = standbyRecords(options.registry);
    this.#ended = AbortSignal.any([options.leaving, this.#stop.signal]);
    this.#following = this.#follow();
  }

  /**
   * Resolves when the loss of the machine with the logs would lose nothing up to `revision`: the standby has it, or there is none. All
   * who wait share a question. Throws `DATABASES_LOGS_UNCONFIRMED` when that cannot be had.
   */
  async confirm(revision: Revision): Promise<void> {
    const { clock } = this.#options;
    const ended = this.#ended;
    const givenUpMs = clock.monotonicMs() + CONFIRM_MS_MAX;
    while (this.#confirmed < revision) {
      this.#wanted = Math.max(this.#wanted, revision);
      this.#round ??= this.#ask().finally(() => (this.#round = undefined));
      try {
        await this.#round;
      } catch (error) {
        if (ended.aborted || clock.monotonicMs() > givenUpMs) throw unconfirmed(messageOf(error));
        await clock.sleep(RETRY_MS, ended).catch(() => undefined);
      }
    }
  }

  /** The members of etcd from now on. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#options.registry.setEndpoints?.(endpoints);
  }

  /** At which revision the copy here is true; undefined when there is none, or not all of it yet. */
  get revision(): Revision | undefined {
    return this.#mirror?.status().isComplete === true ? this.#mirror.revision() : undefined;
  }

  /** Of the standby, for others: resolves when everything up to `revision` is on its disk. */
  async mirrored(revision: Revision): Promise<void> {
    const mirror = this.#mirror;
    if (mirror === undefined) throw notStandby();
    await withDeadline(MIRRORED_WITHIN_MS, late, (signal) => mirror.appliedAt(revision, signal));
  }

  /** Of the standby: resolves when all that the logs have now is on its disk. */
  async caughtUp(): Promise<void> {
    const { revision } = await this.#nudge();
    await this.mirrored(revision);
  }

  /** The copy stays on the disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    const { registry } = this.#options;
    registry.hurry?.();
    await registry[Symbol.asyncDispose]();
    await this.#following;
    await this.#mirror?.[Symbol.asyncDispose]();
  }

  async #ask(): Promise<void> {
    const revision = this.#wanted;
    const known = this.#current?.isInSync === true ? this.#current.node : undefined;
    // Both at once: nearly always it is still the one that is known.
    const asked = known === undefined ? undefined : this.#has(known, revision);
    const standby = (await this.#records.get(STANDBY_ID))?.value;
    if (standby?.isInSync === true) {
      const failure = await (standby.node === known ? asked : this.#has(standby.node, revision));
      if (failure !== undefined) throw failure;
    }
    this.#confirmed = Math.max(this.#confirmed, revision);
  }

  /** Never rejects: resolves to what is in the way. */
  async #has(node: string, revision: Revision): Promise<Error | undefined> {
    const { node: self, epoch, links } = this.#options;
    try {
      if (node === self) await this.mirrored(revision);
      else await links.call(node, 'mirrored', revision, epoch);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  #nudge(): Promise<{ readonly revision: Revision }> {
    return this.#options.logs.commit([], [{ kind: 'put', key: MARK, value: Buffer.of() }]);
  }

  #follow(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const work = async (): Promise<void> => {
      for await (const { records } of this.#records.watch(signal)) {
        await this.#take(records.get(STANDBY_ID));
      }
    };
    const onError = (error: unknown): void =>
      log.debug('Cannot follow who keeps a copy of the logs', { reason: messageOf(error) });
    return followAgain(work, { clock, signal, pauseMs: FOLLOW_PAUSE_MS, onError });
  }

  async #take(record: StandbyRecord | undefined): Promise<void> {
    const { node, path, logs, sourceId, clock, log } = this.#options;
    this.#current = record;
    if (record?.node === node) {
      this.#mirror ??= openMirror({
        path,
        source: logs,
        sourceId,
        prefixes: [MIRRORED],
        durability: 'grouped',
        nudge: () => this.#nudge(),
        clock,
        log,
      });
      return;
    }
    await this.#mirror?.[Symbol.asyncDispose]();
    this.#mirror = undefined;
    await removeMirror(path);
  }
}

function late(): MolnError {
  return new MolnError('DATABASES_LOGS_LATE', 'The copy of the logs has not got there yet', {
    hint: 'Ask again',
    retryable: true,
  });
}

function notStandby(): MolnError {
  return new MolnError('DATABASES_NOT_STANDBY', 'This node keeps no copy of the logs', {
    hint: 'Ask again, or the node that "moln manager" names',
    retryable: true,
  });
}

function unconfirmed(why: string): MolnError {
  return new MolnError(
    'DATABASES_LOGS_UNCONFIRMED',
    `The other machine has not confirmed a change of a database: ${why}`,
    { hint: 'Read again what was to be changed before you repeat it', retryable: true },
  );
}
