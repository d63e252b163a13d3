/**
 * Invites: made once, shown once, good for a number of joins and a time. The registry has a hash of the secret only.
 * Using one up and what it is used for are one commit, so that no race and no crash lets one node too many in.
 */
import { randomBytes } from 'node:crypto';
import { randomId, sameSecret, sha256Hex } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { array, type Infer, integer, literal, object, optional, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import { formatDuration } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import {
  Collection,
  type Condition,
  type Operation,
  type Registry,
  type Stored,
} from '../registry/registry.ts';
import {
  inviteBounds,
  inviteExpired,
  inviteNotFound,
  inviteUnknown,
  inviteUsed,
  tooBusy,
} from './join-errors.ts';
import {
  COMMIT_ROUNDS_MAX,
  INVITE_KEPT_MS,
  INVITE_TTL_MAX_MS,
  INVITE_TTL_MS,
  INVITE_USES_MAX,
  INVITES_MAX,
  SWEEP_EVERY_MS,
} from './limits.ts';

export type InviteRole = 'worker' | 'manager';

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const inviteSchema = object({
  /** Hex SHA-256 of the secret's 16 bytes as hex. */
  hash: string(),
  role: literal('worker', 'manager'),
  region: optional(string()),
  uses: integer({ min: 1, max: INVITE_USES_MAX }),
  createdAt: time,
  expiresAt: time,
  /** Ids of the nodes that came in with it. */
  joined: array(string(), { itemsMax: INVITE_USES_MAX }),
});
type InviteRecord = Infer<typeof inviteSchema>;

/** An invite without its secret. Times are epoch milliseconds. */
export interface InviteDetail {
  readonly id: string;
  readonly role: InviteRole;
  readonly region: string | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly uses: number;
  readonly usesLeft: number;
}

/** What is committed together with the use of an invite. */
export interface Redemption {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
}

const NOTHING: Redemption = { conditions: [], operations: [] };

export class Invites {
  readonly #registry: Registry;
  readonly #records: Collection<InviteRecord>;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: {
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#registry = options.registry;
    this.#records = new Collection({
      registry: options.registry,
      prefix: '/invites/',
      schema: inviteSchema,
    });
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The secret is in the answer and nowhere else. Throws `CLUSTER_INVITE_BOUNDS`. */
  async create(
    options: {
      readonly ttlMs?: number | undefined;
      readonly uses?: number | undefined;
      readonly role?: InviteRole | undefined;
      readonly region?: string | undefined;
    } = {},
  ): Promise<{ readonly secret: string; readonly detail: InviteDetail }> {
    const { ttlMs = INVITE_TTL_MS, uses = 1, role = 'worker', region } = options;
    checkBounds(ttlMs, uses);
    if ((await this.#records.list()).length >= INVITES_MAX) {
      throw inviteBounds(`There are ${INVITES_MAX} invites already`);
    }
    const secret = randomBytes(16).toString('hex');
    const createdAt = this.#clock.now();
    const record: InviteRecord = {
      hash: sha256Hex(secret),
      role,
      uses,
      createdAt,
      expiresAt: createdAt + ttlMs,
      joined: [],
      ...(region === undefined ? {} : { region }),
    };
    const stored = await this.#records.create(randomId(12), record);
    this.#log.info('Invite created', { audit: true, id: stored.id, role, uses, ttlMs });
    return { secret, detail: detailOf(stored) };
  }

  /**
   * Lets `nodeId` in: at most `uses` nodes ever, whatever comes at once. A node that came in with it may repeat
   * that, also for a day after its end, because its answer may have been lost. `prepare` says what else belongs into the commit; it is
   * called again when another writer was faster. Throws `CLUSTER_INVITE_UNKNOWN`, `…_EXPIRED` and `…_USED`.
   */
  async redeem(
    presented: { readonly id: string; readonly secret: string; readonly nodeId: string },
    prepare: (invite: InviteDetail) => Promise<Redemption> = () => Promise.resolve(NOTHING),
  ): Promise<InviteDetail> {
    const { id, nodeId } = presented;
    for (let round = 0; round < COMMIT_ROUNDS_MAX; round++) {
      const stored = await this.#good(presented);
      const { value } = stored;
      const isNew = !value.joined.includes(nodeId);
      const next = isNew ? { ...value, joined: [...value.joined, nodeId] } : value;
      const { conditions, operations } = await prepare(detailOf(stored));
      const result = await this.#registry.commit(
        [{ key: this.#records.keyOf(id), revision: stored.revision }, ...conditions],
        [this.#records.putOperation(id, next), ...operations],
      );
      if (result.kind === 'conflict') continue;
      this.#log.info('Invite used', { audit: true, id, node: nodeId, repeated: !isNew });
      return detailOf({ ...stored, value: next });
    }
    throw tooBusy('this invite');
  }

  /** Oldest first; ended ones stay for a day, so that one sees why a join was refused. */
  async list(): Promise<readonly InviteDetail[]> {
    const all = (await this.#records.list()).map(detailOf);
    return all.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /** Throws `CLUSTER_INVITE_NOT_FOUND`. */
  async revoke(id: string): Promise<void> {
    if (!(await this.#records.delete(id))) throw inviteNotFound(id);
    this.#log.info('Invite revoked', { audit: true, id });
  }

  /** Removes what has ended a day ago. To be put under the worker runner of one node. */
  sweeper(): Worker {
    return {
      name: 'invite-sweeper',
      status: () => `Looks for ended invites every ${formatDuration(SWEEP_EVERY_MS)}`,
      step: async (): Promise<StepResult> => {
        const before = this.#clock.now() - INVITE_KEPT_MS;
        for (const { id, value, revision } of await this.#records.list()) {
          if (value.expiresAt < before) await this.#records.delete(id, { ifRevision: revision });
        }
        return { kind: 'idle', retryInMs: SWEEP_EVERY_MS };
      },
    };
  }

  async #good(presented: {
    readonly id: string;
    readonly secret: string;
    readonly nodeId: string;
  }): Promise<Stored<InviteRecord>> {
    const stored = await this.#records.get(presented.id);
    // The id is the sender's text and part of a key: only one that was given out finds a record of this prefix.
    if (stored === undefined || !sameSecret(sha256Hex(presented.secret), stored.value.hash)) {
      throw inviteUnknown();
    }
    const { value } = stored;
    if (value.joined.includes(presented.nodeId)) return stored;
    if (value.joined.length >= value.uses) throw inviteUsed(value.uses);
    const agoMs = this.#clock.now() - value.expiresAt;
    if (agoMs >= 0) throw inviteExpired(agoMs);
    return stored;
  }
}

function detailOf({ id, value }: Stored<InviteRecord>): InviteDetail {
  const { role, region, createdAt, expiresAt, uses, joined } = value;
  return { id, role, region, createdAt, expiresAt, uses, usesLeft: uses - joined.length };
}

function checkBounds(ttlMs: number, uses: number): void {
  if (!(ttlMs > 0 && ttlMs <= INVITE_TTL_MAX_MS)) {
    const [is, most] = [formatDuration(ttlMs), formatDuration(INVITE_TTL_MAX_MS)];
    throw inviteBounds(`An invite cannot be good for ${is}, want more than 0 and at most ${most}`);
  }
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > INVITE_USES_MAX) {
    throw inviteBounds(`An invite cannot have ${uses} uses, want 1 to ${INVITE_USES_MAX}`);
  }
}
