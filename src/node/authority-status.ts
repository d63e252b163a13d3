/** The cluster's authority as people see it, on any node: whose it is, how long it lasts, and how far its rotation is. */
import type { AuthorityStatus } from '../api/model.ts';
import { type Clock, isoTime } from '../base/time.ts';
import {
  type Events,
  type Identity,
  type Lack,
  lacksOf,
  pairOf,
  rotatesAt,
  RotationRecords,
  type RotationStep,
} from '../cluster/cluster.ts';
import { lifeOf, rotatingNodes } from './authority-duty.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { NodeRegistry } from './node-registry.ts';

export interface AuthorityViewOptions {
  readonly identity: Identity;
  readonly nodeRegistry: NodeRegistry;
  readonly cluster: NodeCluster;
  readonly events: Events;
  readonly clock: Clock;
}

export class AuthorityView {
  readonly #options: AuthorityViewOptions;

  constructor(options: AuthorityViewOptions) {
    this.#options = options;
  }

  async status(): Promise<AuthorityStatus> {
    const { identity, nodeRegistry, cluster } = this.#options;
    const records = new RotationRecords(nodeRegistry.registry);
    const rotation = await records.rotation();
    const life = lifeOf(identity.authorityPem);
    const facts = {
      fingerprint: identity.fingerprint,
      pin: identity.authorities.pin,
      since: life.notBefore,
      until: life.notAfter,
      rotatesAt: rotatesAt(life),
    };
    if (rotation === undefined || rotation.step === 'done') {
      const sentence = `Good until ${isoTime(life.notAfter)}; rotated by itself from ${isoTime(facts.rotatesAt)} on`;
      return { sentence, ...facts, rotation: undefined };
    }
    const { step, why, startedAt } = rotation;
    const pair = pairOf(rotation);
    const nodes = await rotatingNodes(records, await cluster.members.list(), cluster);
    const lacks = pair === undefined ? [] : lacksOf(step, pair, nodes);
    const waitsFor = lacks.map((lack) => ({ ...lack, sentence: lackSentence(lack) }));
    const sentence = `${STEPS[step]}, ${nodes.length - lacks.length} of ${nodes.length} nodes are through`;
    return { sentence, ...facts, rotation: { step, why, startedAt, waitsFor } };
  }

  /** Begins one, unless one is under way. */
  async rotate(): Promise<void> {
    const { nodeRegistry, events, clock } = this.#options;
    const records = new RotationRecords(nodeRegistry.live);
    const view = await records.view();
    if (view.rotation !== undefined && view.rotation.step !== 'done') return;
    const why = 'somebody asked for it';
    // Whoever was faster has begun one too.
    if (!(await records.move(view, { step: 'asked', why, startedAt: clock.now() }))) return;
    events.tell('authority', `The certificate authority is to be rotated: ${why}`);
  }
}

const STEPS: Readonly<Record<RotationStep, string>> = {
  asked: 'A rotation was asked for: the leader makes a new authority',
  trust: 'Rotation, step 1 of 3: all nodes are to trust the new authority too',
  renew: 'Rotation, step 2 of 3: all nodes get certificates of the new authority',
  drop: 'Rotation, step 3 of 3: all nodes drop the former authority',
  done: 'The rotation is through',
};

const WHATS: Readonly<Record<Lack['what'], string>> = {
  trust: 'does not trust the new authority yet',
  key: 'has not got the key of the new authority yet',
  etcd: 'has an etcd that is still to be restarted',
  certificate: 'has a certificate of the former authority still',
  drop: 'trusts the former authority still',
};

function lackSentence({ node, isAway, what }: Lack): string {
  const said = `${node} ${WHATS[what]}`;
  if (!isAway) return said;
  return `${said} and is away: bring it back, or forget it with "moln node ${node} forget"`;
}
