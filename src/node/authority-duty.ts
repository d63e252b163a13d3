/**
 * A duty of the leader: begins a rotation of the authority long before its end, or when somebody asks for one, and moves it
 * on when every node has acknowledged the step before. Everything that the next leader has to know is in the registry.
 */
import { X509Certificate } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  duringTerm,
  type Events,
  type Identity,
  type Lack,
  type LeaderTerm,
  Members,
  pairOf,
  type Peers,
  planRotation,
  type Rotation,
  RotationRecords,
  type RotatingNode,
} from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import type { Duty } from './leadership.ts';
import type { NodeCluster } from './node-cluster.ts';

const STEP_EVERY_MS = 200;
/** Nodes that are away may be so for days. */
const AWAY_MS = 3000;
/** How often the end of the authority's life is looked at. */
const LOOK_EVERY_MS = 3600_000;

export interface AuthorityDutyOptions {
  readonly identity: Identity;
  readonly nodeRegistry: { readonly live: Registry };
  readonly cluster: WithPeers & Pick<NodeCluster, 'fetchAuthorityKey'>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
}

interface WithPeers {
  readonly peers: Pick<Peers, 'get'>;
}

export class AuthorityDuty implements Duty {
  readonly name = 'authority';
  readonly #options: AuthorityDutyOptions;
  /** Who was told to hold the rotation up. */
  #toldOf = '';

  constructor(options: AuthorityDutyOptions) {
    this.#options = options;
  }

  async lead(term: LeaderTerm): Promise<void> {
    const { nodeRegistry, clock, log } = this.#options;
    const registry = duringTerm(nodeRegistry.live, term);
    const records = new RotationRecords(registry);
    const members = new Members({ registry, clock, log });
    while (!term.signal.aborted) {
      const pauseMs = await this.#step(records, members);
      if (pauseMs === undefined) await this.#untilAsked(records, term.signal);
      else await clock.sleep(pauseMs, term.signal).catch(() => undefined);
    }
  }

  /** How soon the next one is due; undefined when nothing is to be done until somebody asks, or for long. */
  async #step(records: RotationRecords, members: Members): Promise<number | undefined> {
    const { identity, clock } = this.#options;
    const view = await records.view();
    const { rotation } = view;
    const move = planRotation({
      step: rotation?.step,
      pair: pairOf(rotation),
      nodes: await this.#nodes(records, members),
      life: lifeOf(identity.authorityPem),
      nowMs: clock.now(),
      isKeyLost: await this.#isKeyLost(rotation),
    });
    switch (move.kind) {
      case 'none':
        return undefined;
      case 'ask':
        await records.move(view, { step: 'asked', why: move.why, startedAt: clock.now() });
        break;
      case 'propose': {
        if (!(await this.#canSign())) return AWAY_MS;
        const proposed = await this.#propose(rotation);
        if (await records.move(view, proposed)) this.#tell(proposed);
        await records.sweep((await members.list()).map(({ id }) => id));
        break;
      }
      case 'move': {
        if (rotation === undefined) return undefined;
        const next = { ...rotation, step: move.to };
        if (await records.move(view, next)) this.#tell(next);
        break;
      }
      case 'wait':
        this.#tellAway(move.lacks);
        if (move.lacks.every(({ isAway }) => isAway)) return AWAY_MS;
    }
    return STEP_EVERY_MS;
  }

  async #nodes(records: RotationRecords, members: Members): Promise<readonly RotatingNode[]> {
    return rotatingNodes(records, await members.list(), this.#options.cluster);
  }

  /** After a takeover by a node that was no manager the key may be gone for good. */
  async #canSign(): Promise<boolean> {
    const { identity, cluster, events } = this.#options;
    try {
      await cluster.fetchAuthorityKey(identity.fingerprint);
      return true;
    } catch (error) {
      const text = `The certificate authority cannot be rotated: nobody has its key (${messageOf(error)})`;
      if (this.#toldOf !== text) events.tell('authority', text);
      this.#toldOf = text;
      return false;
    }
  }

  /** Its key is on the disk before anybody hears of it. Nobody is certified by it while one manager alone has the key. */
  async #propose(rotation: Rotation | undefined): Promise<Rotation> {
    const { identity, clock } = this.#options;
    const { authorityPem: to, keyPem: keysPem, endorsementPem } = await identity.createSuccessor();
    const from = identity.authorityPem;
    const endorsement = { certificatePem: endorsementPem, formerPem: from };
    await identity.setAuthorities([from, to], { keysPem, endorsement });
    const { why = '', startedAt = clock.now() } = rotation ?? {};
    const certificates = { from, to, endorsement: endorsementPem };
    return { step: 'trust', why, startedAt, certificates };
  }

  /** The leader that made it may have died before another manager had it. */
  async #isKeyLost(rotation: Rotation | undefined): Promise<boolean> {
    const { identity, cluster, log } = this.#options;
    const pair = pairOf(rotation);
    if (rotation?.step !== 'trust' || pair === undefined) return false;
    // Not before this node has taken it in: a key without its authority is not kept.
    if (!identity.authorities.trusted.includes(pair.to)) return false;
    try {
      await cluster.fetchAuthorityKey(pair.to);
      return false;
    } catch (error) {
      log.info('Nobody has the key of the new authority, so another one is made', {
        reason: messageOf(error),
      });
      return true;
    }
  }

  /** Until there is something to do, or it is time to look again. */
  async #untilAsked(records: RotationRecords, signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    using _timer = this.#options.clock.after(LOOK_EVERY_MS, () => late.abort());
    const until = AbortSignal.any([signal, late.signal]);
    try {
      for await (const rotation of records.watch(until)) {
        if (rotation !== undefined && rotation.step !== 'done') return;
      }
    } catch (error) {
      if (!until.aborted) throw error;
    }
  }

  #tell({ step, why }: Rotation): void {
    this.#toldOf = '';
    this.#options.events.tell('authority', SENTENCES[step](why));
  }

  #tellAway(lacks: readonly Lack[]): void {
    const away = lacks.filter(({ isAway }) => isAway).map(({ node }) => node);
    const said = away.join(', ');
    if (said === this.#toldOf) return;
    this.#toldOf = said;
    const [node] = away;
    if (node === undefined) return;
    const text = `The rotation of the certificate authority waits for ${said}: away`;
    this.#options.events.tell('authority', text, { node });
  }
}

const SENTENCES: Readonly<Record<Rotation['step'], (why: string) => string>> = {
  asked: (why) => `The certificate authority is to be rotated: ${why}`,
  trust: (why) => `A new certificate authority was made, because ${why}; all nodes are to trust it`,
  renew: () => 'All nodes trust the new certificate authority, and get certificates of it',
  drop: () => 'All nodes have certificates of the new authority, and drop the former one',
  done: () => 'The certificate authority was rotated; the former one counts for nothing any more',
};

/** Every member, and what it has said. */
export async function rotatingNodes(
  records: RotationRecords,
  members: Awaited<ReturnType<Members['list']>>,
  { peers }: WithPeers,
): Promise<readonly RotatingNode[]> {
  const acknowledged = await records.acknowledgements();
  return members.map(({ id, name, roles }) => {
    const state = peers.get(id)?.state;
    return {
      id,
      name,
      isManager: roles.includes('manager'),
      isAway: state === 'suspect' || state === 'lost',
      acknowledged: acknowledged.get(id),
    };
  });
}

/** Epoch milliseconds. */
export function lifeOf(certificatePem: string): {
  readonly notBefore: number;
  readonly notAfter: number;
} {
  const { validFromDate, validToDate } = new X509Certificate(certificatePem);
  return { notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() };
}
