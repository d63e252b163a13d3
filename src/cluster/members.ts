/**
 * The nodes of the cluster as the registry has them. A name belongs to one node: it is a second key, written in the same
 * commit. A node that is forgotten comes onto the deny-list in the commit that removes it.
 */
import type { Logger } from '../base/log.ts';
import {
  array,
  boolean,
  type Infer,
  integer,
  literal,
  object,
  optional,
  record,
  type Schema,
  string,
  withDefault,
} from '../base/schema.ts';
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
import type { Redemption } from './invites.ts';
import {
  certificatesTooMany,
  nameTaken,
  nodeForgotten,
  nodeNotFound,
  nodeUnknown,
  tooBusy,
} from './join-errors.ts';
import {
  COMMIT_ROUNDS_MAX,
  FORMER_CERTIFICATES_MAX,
  GATEWAY_WORKERS_MAX,
  LABEL_LENGTH_MAX,
  MEMORY_MIB_MAX,
  NODE_ADDRESSES_MAX,
  REVOKED_KEPT_MS,
  SWEEP_EVERY_MS,
} from './limits.ts';

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
export const labelsSchema: Schema<Readonly<Record<string, string>>> = record(
  string({ lengthMax: LABEL_LENGTH_MAX }),
  { key: /^[a-z0-9][a-z0-9._-]{0,62}$/, keyMeans: 'lower-case letters, digits, ".", "_" and "-"' },
);

/** One node. Times are epoch milliseconds. */
export interface Member {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where other nodes reach it; one of `addresses`. */
  readonly address: string;
  readonly addresses: readonly string[];
  readonly port: number;
  /** Where its gateways answer those of other nodes. */
  readonly gatewayPort: number;
  /** Its gateway processes; 1 unless said. */
  readonly gatewayWorkers?: number;
  /** What all instances together may use. */
  readonly memoryMiB: number;
  /** A person wishes that it holds nothing any more. */
  readonly isDraining: boolean;
  /** `manager`: it has the authority's key and may hold the registry. */
  readonly roles: readonly 'manager'[];
  readonly joinedAt: number;
  readonly certificate: MemberCertificate;
  /** Those before it that are still good; `Members` keeps them, whoever enters a node need not know them. */
  readonly formerCertificates?: readonly FormerCertificate[];
}

/** What revoking a certificate takes. */
export type FormerCertificate = Pick<MemberCertificate, 'serial' | 'notAfter'>;

/** Of a node's newest certificate; hashes are lower-case hex SHA-256. */
export interface MemberCertificate {
  readonly serial: string;
  /** Of the DER form. */
  readonly sha256: string;
  /** Of the public key (SPKI, DER). */
  readonly keySha256: string;
  readonly notAfter: number;
}

export const memberSchema: Schema<Member> = object({
  id: string(),
  name: string(),
  region: string(),
  labels: labelsSchema,
  address: string(),
  addresses: array(string(), { itemsMax: NODE_ADDRESSES_MAX }),
  port: integer({ min: 1, max: 65_535 }),
  gatewayPort: integer({ min: 1, max: 65_535 }),
  gatewayWorkers: optional(integer({ min: 1, max: GATEWAY_WORKERS_MAX })),
  memoryMiB: integer({ min: 0, max: MEMORY_MIB_MAX }),
  isDraining: boolean(),
  roles: array(literal('manager')),
  joinedAt: time,
  certificate: object({
    serial: string(),
    sha256: string(),
    keySha256: string(),
    notAfter: time,
  }),
  formerCertificates: optional(array(object({ serial: string(), notAfter: time }))),
});

const NODES_PREFIX = '/cluster/nodes/';
const REVOKED_PREFIX = '/cluster/revoked/';

/** Of commits that only a node may make that was not forgotten. */
export function notForgotten(id: string): Condition {
  return { key: `${REVOKED_PREFIX}${id}`, revision: 0 };
}

/** Of commits that are about what a node left behind: it may have come in without our having heard of it yet. */
export function noMember(id: string): Condition {
  return { key: `${NODES_PREFIX}${id}`, revision: 0 };
}

/** A node that must not come in any more. */
export interface RevokedNode {
  readonly id: string;
  readonly name: string;
  readonly at: number;
  /** Of all its certificates that were good then. */
  readonly serials: readonly string[];
  /** No member of etcd has a connection of it any more. */
  readonly isCutOff: boolean;
}

const revokedSchema: Schema<RevokedNode> = object({
  id: string(),
  name: string(),
  at: time,
  serials: withDefault(array(string()), []),
  isCutOff: withDefault(boolean(), false),
});

const nameSchema = object({ id: string() });

export class Members {
  readonly #registry: Registry;
  readonly #nodes: Collection<Member>;
  readonly #names: Collection<Infer<typeof nameSchema>>;
  readonly #revoked: Collection<RevokedNode>;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: {
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    const { registry } = options;
    this.#registry = registry;
    this.#nodes = new Collection({ registry, prefix: NODES_PREFIX, schema: memberSchema });
    this.#names = new Collection({ registry, prefix: '/cluster/names/', schema: nameSchema });
    this.#revoked = new Collection({
      registry,
      prefix: REVOKED_PREFIX,
      schema: revokedSchema,
    });
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Oldest first. */
  async list(): Promise<readonly Member[]> {
    const all = (await this.#nodes.list()).map(({ value }) => value);
    return all.sort((a, b) => a.joinedAt - b.joinedAt || (a.id < b.id ? -1 : 1));
  }

  async get(id: string): Promise<Member | undefined> {
    return (await this.#nodes.get(id))?.value;
  }

  async byName(name: string): Promise<Member | undefined> {
    const holder = await this.#names.get(name);
    return holder === undefined ? undefined : this.get(holder.value.id);
  }

  /** Throws `CLUSTER_NODE_FORGOTTEN` or `CLUSTER_NODE_UNKNOWN` unless this node may take part. */
  async check(id: string): Promise<Member> {
    if ((await this.#revoked.get(id)) !== undefined) throw nodeForgotten();
    const member = await this.get(id);
    if (member === undefined) throw nodeUnknown();
    return member;
  }

  /** Throws `CLUSTER_NAME_TAKEN` when another node has the name. */
  async checkFree(node: { readonly id: string; readonly name: string }): Promise<void> {
    const holder = await this.#names.get(node.name);
    if (holder !== undefined && holder.value.id !== node.id) throw nameTaken(node.name);
  }

  /**
   * What has to be committed so that this node is a member: as a new one, or again with the same key, which its
   * holder has proved. Throws `CLUSTER_NAME_TAKEN` and `CLUSTER_NODE_FORGOTTEN`.
   */
  async admission(member: Member): Promise<Redemption> {
    const known = await this.#nodes.get(member.id);
    if (known !== undefined && known.value.certificate.keySha256 !== member.certificate.keySha256) {
      // Ids are 60 random bits: the same one with another key is somebody who wants to be that node.
      throw nameTaken(known.value.name);
    }
    return this.#entry(member, known);
  }

  async #entry(member: Member, known: Stored<Member> | undefined): Promise<Redemption> {
    const { id, name } = member;
    if ((await this.#revoked.get(id)) !== undefined) throw nodeForgotten();
    const holder = await this.#names.get(name);
    if (holder !== undefined && holder.value.id !== id) throw nameTaken(name);
    const old = known === undefined || known.value.name === name ? undefined : known.value.name;
    const kept =
      known === undefined
        ? member
        : { ...this.#withCertificate(known.value, member), joinedAt: known.value.joinedAt };
    return {
      conditions: [
        { key: this.#nodes.keyOf(id), revision: known?.revision ?? 0 },
        { key: this.#names.keyOf(name), revision: holder?.revision ?? 0 },
        notForgotten(id),
      ],
      operations: [
        this.#nodes.putOperation(id, kept),
        this.#names.putOperation(name, { id }),
        ...(old === undefined ? [] : [{ kind: 'delete' as const, key: this.#names.keyOf(old) }]),
      ],
    };
  }

  /**
   * Enters a node without an invite: a manager enters itself, at each start and after each renewal, with whatever key it
   * has now. Never for what came over the wire.
   */
  async register(member: Member): Promise<void> {
    for (let round = 0; round < COMMIT_ROUNDS_MAX; round++) {
      const known = await this.#nodes.get(member.id);
      const { conditions, operations } = await this.#entry(member, known);
      if ((await this.#registry.commit(conditions, operations)).kind === 'committed') return;
    }
    throw tooBusy('the nodes');
  }

  /** Keeps a record of the newest certificate. Throws `CLUSTER_NODE_UNKNOWN`. */
  async setCertificate(id: string, certificate: MemberCertificate): Promise<void> {
    await this.#nodes.update(id, (current) => {
      if (current === undefined) throw nodeUnknown();
      return this.#withCertificate(current, { ...current, certificate });
    });
  }

  /** Whatever was issued before stays known until it ends, so that forgetting the node revokes it too. */
  #withCertificate(before: Member, next: Member): Member {
    const nowMs = this.#clock.now();
    const { serial } = next.certificate;
    const former = certificatesOf(before)
      .filter((each) => each.serial !== serial && each.notAfter > nowMs)
      .map(({ serial: one, notAfter }) => ({ serial: one, notAfter }));
    if (former.length > FORMER_CERTIFICATES_MAX) throw certificatesTooMany(next.name);
    return { ...next, formerCertificates: former };
  }

  /** Changes what people wish of a node, by name. Throws `CLUSTER_NODE_NOT_FOUND`. */
  async change(
    name: string,
    edit: (member: Member) => Pick<Member, 'labels' | 'isDraining' | 'roles'>,
  ): Promise<Member> {
    const found = await this.byName(name);
    if (found === undefined) throw nodeNotFound(name);
    const stored = await this.#nodes.update(found.id, (current) => {
      if (current === undefined) throw nodeNotFound(name);
      const { labels, isDraining, roles } = edit(current);
      return { ...current, labels, isDraining, roles };
    });
    this.#log.info('Node changed', { audit: true, id: found.id, name });
    return stored.value;
  }

  /**
   * Removes a node, by name, for good: its certificate is refused from now on. `more`: what else goes in that commit, by its
   * id. Throws `CLUSTER_NODE_NOT_FOUND`.
   */
  async forget(
    name: string,
    more: (id: string) => readonly Operation[] = () => [],
  ): Promise<Member> {
    for (let round = 0; round < COMMIT_ROUNDS_MAX; round++) {
      const holder = await this.#names.get(name);
      const stored = holder === undefined ? undefined : await this.#nodes.get(holder.value.id);
      if (holder === undefined || stored === undefined) throw nodeNotFound(name);
      const { id } = stored;
      const result = await this.#registry.commit(
        [
          { key: this.#nodes.keyOf(id), revision: stored.revision },
          { key: this.#names.keyOf(name), revision: holder.revision },
        ],
        [
          { kind: 'delete', key: this.#nodes.keyOf(id) },
          { kind: 'delete', key: this.#names.keyOf(name) },
          this.#revoked.putOperation(id, this.#revocationOf(stored.value)),
          ...more(id),
        ],
      );
      if (result.kind === 'conflict') continue;
      this.#log.info('Node forgotten', { audit: true, id, name });
      return stored.value;
    }
    throw tooBusy('the nodes');
  }

  #revocationOf(member: Member): RevokedNode {
    const { id, name } = member;
    const at = this.#clock.now();
    const good = certificatesOf(member).filter(({ notAfter }) => notAfter > at);
    return { id, name, at, serials: good.map(({ serial }) => serial), isCutOff: false };
  }

  /** The deny-list. */
  async revoked(): Promise<readonly RevokedNode[]> {
    return (await this.#revoked.list()).map(({ value }) => value);
  }

  /** Notes that no member of etcd has a connection of that node any more. False when it was known, or is outlived. */
  async setCutOff(id: string): Promise<boolean> {
    const known = await this.#revoked.get(id);
    if (known === undefined || known.value.isCutOff) return false;
    const { value, revision } = known;
    await this.#revoked.put(id, { ...value, isCutOff: true }, { ifRevision: revision });
    return true;
  }

  /** All nodes now and after each change, until the signal aborts. */
  async *watch(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, Member>, void, undefined> {
    for await (const { records } of this.#nodes.watch(signal)) yield records;
  }

  /** The deny-list, likewise. */
  async *watchRevoked(
    signal: AbortSignal,
  ): AsyncGenerator<ReadonlyMap<string, RevokedNode>, void, undefined> {
    for await (const { records } of this.#revoked.watch(signal)) yield records;
  }

  /** Takes nodes off the deny-list whose certificates have all expired. For the worker runner of one node. */
  sweeper(): Worker {
    return {
      name: 'deny-list-sweeper',
      status: () => `Looks for outlived entries every ${formatDuration(SWEEP_EVERY_MS)}`,
      step: async (): Promise<StepResult> => {
        const before = this.#clock.now() - REVOKED_KEPT_MS;
        for (const entry of await this.#revoked.list()) await this.#sweep(entry, before);
        return { kind: 'idle', retryInMs: SWEEP_EVERY_MS };
      },
    };
  }

  async #sweep({ id, value, revision }: Stored<RevokedNode>, before: number): Promise<void> {
    if (value.at < before) await this.#revoked.delete(id, { ifRevision: revision });
  }
}

function certificatesOf(member: Member): readonly FormerCertificate[] {
  return [...(member.formerCertificates ?? []), member.certificate];
}
