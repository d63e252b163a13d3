/** Keeps etcd in order: forgets old history, gives disk space back, ends a "no space" alarm. One manager runs it. */
import type { Logger } from '../../base/log.ts';
import { isMolnError } from '../../base/errors.ts';
import type { Clock } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type { StepResult, Worker } from '../../base/worker.ts';
import type { EtcdAdmin, EtcdStatus } from './admin.ts';
import { QUOTA_BYTES } from './etcd-flags.ts';
import { planUpkeep, type UpkeepStep } from './upkeep-plan.ts';

export interface EtcdUpkeepOptions {
  readonly admin: EtcdAdmin;
  /** The member on this node, by its name; etcd is to be led by another one. */
  readonly ownName?: string;
  /** As the members were started with. */
  readonly quotaBytes?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 10_000;

export class EtcdUpkeep implements Worker {
  readonly name = 'etcd-upkeep';
  readonly #options: EtcdUpkeepOptions;
  readonly #defragmentedAt = new Map<string, number>();
  #compactedTo = 0;
  #compactedAt = -Infinity;
  #status = 'not started';

  constructor(options: EtcdUpkeepOptions) {
    this.#options = options;
  }

  status(): string {
    return this.#status;
  }

  async step(): Promise<StepResult> {
    const { admin, ownName, clock, quotaBytes = QUOTA_BYTES } = this.#options;
    const members = await admin.members();
    const statuses = await Promise.all(members.map((one) => this.#look(one.clientUrls[0])));
    const now = clock.monotonicMs();
    const ages = [...this.#defragmentedAt].map(([endpoint, at]) => [endpoint, now - at] as const);
    const step = planUpkeep({
      statuses,
      alarms: await admin.alarms(),
      ownId: members.find(({ name }) => name === ownName)?.id,
      quotaBytes,
      compactedTo: this.#compactedTo,
      compactedAgoMs: now - this.#compactedAt,
      defragmentedAgoMs: new Map(ages),
    });
    const sizes = statuses.map((one) => (one === undefined ? 'away' : formatBytes(one.dbBytes)));
    this.#status = `${describe(step)}; ${members.length} members: ${sizes.join(', ')}`;
    await this.#carryOut(step);
    return step.kind === 'nothing' ? { kind: 'idle', retryInMs: LOOK_EVERY_MS } : { kind: 'busy' };
  }

  async #look(endpoint: string | undefined): Promise<EtcdStatus | undefined> {
    if (endpoint === undefined) return undefined;
    try {
      return await this.#options.admin.status(endpoint);
    } catch (error) {
      if (isMolnError(error, 'REGISTRY_UNAVAILABLE')) return undefined;
      throw error;
    }
  }

  async #carryOut(step: UpkeepStep): Promise<void> {
    const { admin, clock, log } = this.#options;
    switch (step.kind) {
      case 'nothing':
        return;
      case 'compact':
        await admin.compact(step.revision);
        this.#compactedTo = step.revision;
        this.#compactedAt = clock.monotonicMs();
        return;
      case 'defragment':
        // Counts as done also when it fails: the next attempt has time.
        this.#defragmentedAt.set(step.endpoint, clock.monotonicMs());
        await admin.defragment(step.endpoint);
        log.info('etcd gave unused disk space back', { endpoint: step.endpoint });
        return;
      case 'disarm':
        await admin.disarmNoSpace(step.memberId);
        log.warn('etcd was full and takes commits again', { memberId: step.memberId });
        return;
      case 'moveLeader':
        await admin.moveLeader(step.from, step.toId);
        log.info('Another member leads etcd, so that no node leads both', { memberId: step.toId });
        return;
    }
  }
}

function describe(step: UpkeepStep): string {
  switch (step.kind) {
    case 'nothing':
      return step.why;
    case 'compact':
      return `forgetting the history before revision ${step.revision}`;
    case 'defragment':
      return `defragmenting ${step.endpoint}`;
    case 'disarm':
      return 'letting writers in again';
    case 'moveLeader':
      return `handing the lead of etcd to ${step.toId}`;
  }
}
