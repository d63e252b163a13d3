/**
 * The leader's work after a node was forgotten: all managers get the new list of revoked certificates, for connections that
 * begin, and their etcd members are restarted one after the other, for those that are open. The same restarts have them trust
 * the authorities of a rotation. Nothing is kept but what each member was started with, which its node knows, so the next
 * leader simply looks again.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { array, object, type Schema, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import {
  type Events,
  type Members,
  pairOf,
  type Peers,
  planCutOff,
  type RegistryHolder,
  type RotationRecords,
  type StartedWith,
  wantedOfEtcd,
} from '../cluster/cluster.ts';
import type { EtcdAdmin, EtcdMemberInfo, EtcdStatus } from '../registry/registry.ts';

const ASK_WITHIN_MS = 5000;
/** Stopping may take etcd ten seconds. */
const RESTART_WITHIN_MS = 60_000;
/** How often managers that did not say are asked again. */
const AGAIN_MS = 3000;

const startedWithSchema: Schema<StartedWith> = object({
  serials: array(string()),
  authorities: array(string()),
  nextAuthorities: array(string()),
});

export interface CutOffOptions {
  /** As the registry itself has them, changed only while this node leads. */
  readonly members: Members;
  readonly rotations: RotationRecords;
  readonly peers: Peers;
  readonly events: Events;
  readonly admin: EtcdAdmin;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Of one term. */
export class CutOff {
  readonly #options: CutOffOptions;
  /** The serials, authorities and members that are done with. */
  #settled = '';
  #waitUntilMs = 0;

  constructor(options: CutOffOptions) {
    this.#options = options;
  }

  /** `busy`: it wants to go on soon; `settled`: nothing is left to do until deny-list, rotation or members change. */
  async step({
    voters,
    mayRestart,
  }: {
    readonly voters: readonly EtcdMemberInfo[];
    readonly mayRestart: boolean;
  }): Promise<'busy' | 'waiting' | 'settled'> {
    const { members, rotations, clock } = this.#options;
    const revoked = await members.revoked();
    const serials = revoked.flatMap((node) => node.serials);
    const rotation = await rotations.rotation();
    const authorities = wantedOfEtcd(rotation?.step, pairOf(rotation));
    const look = JSON.stringify([serials, authorities, voters.map(({ id }) => id)]);
    if (look === this.#settled) return 'settled';
    if (clock.monotonicMs() < this.#waitUntilMs) return 'waiting';
    const holders = await Promise.all(
      voters.map(({ name, clientUrls }) => this.#holderOf(name, clientUrls[0])),
    );
    const step = planCutOff(holders, { serials, authorities });
    switch (step.kind) {
      case 'restart':
        if (mayRestart) await this.#restart(step.nodeId);
        return mayRestart ? 'busy' : 'waiting';
      case 'wait':
        this.#waitUntilMs = clock.monotonicMs() + AGAIN_MS;
        return 'waiting';
      case 'done':
        for (const { id, name } of revoked) await this.#note(id, name);
        this.#settled = look;
        return 'settled';
    }
  }

  async #holderOf(nodeId: string, clientUrl: string | undefined): Promise<RegistryHolder> {
    const [startedWith, status] = await Promise.all([
      this.#refuse(nodeId),
      this.#statusOf(clientUrl),
    ]);
    return {
      nodeId,
      isAnswering: status?.leaderId !== undefined,
      isLeading: status?.isLeader ?? false,
      startedWith,
    };
  }

  /** Undefined when it does not answer. */
  async #statusOf(clientUrl: string | undefined): Promise<EtcdStatus | undefined> {
    const { admin, log } = this.#options;
    if (clientUrl === undefined) return undefined;
    return admin.status(clientUrl).catch((error: unknown) => {
      log.debug('A member of etcd does not answer', { clientUrl, reason: messageOf(error) });
      return undefined;
    });
  }

  /** Undefined when the node is away; it is asked again until it is back or its member was replaced. */
  async #refuse(nodeId: string): Promise<StartedWith | undefined> {
    const { peers, log } = this.#options;
    try {
      const options = { deadlineMs: ASK_WITHIN_MS };
      const said = await peers.call(nodeId, 'cluster.refuseRevoked', {}, options);
      return startedWithSchema.decode(said, '');
    } catch (error) {
      log.debug('A manager does not say what its etcd refuses', {
        node: nodeId,
        reason: messageOf(error),
      });
      return undefined;
    }
  }

  async #restart(nodeId: string): Promise<void> {
    const options = { deadlineMs: RESTART_WITHIN_MS };
    await this.#options.peers.call(nodeId, 'cluster.restartMember', {}, options);
  }

  async #note(id: string, name: string): Promise<void> {
    const { members, events } = this.#options;
    if (!(await members.setCutOff(id))) return;
    events.tell('node', `${name} is cut off from the registry`, { node: name });
  }
}
