/**
 * Records, format 1 all: `/addresses/added/<address>` is what people wish; `/addresses/held/<address>` says who holds one and
 * lives as long as that node's lease; `/addresses/can/<node id>` says which ones a node could hold, and why not the others.
 */
import { integer, object, record, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry, type Revision, type Stored } from '../registry/registry.ts';
import { type VirtualAddress, virtualAddressSchema } from './virtual-address.ts';

export const ADDRESSES_PREFIX = '/addresses/';

export interface HolderRecord {
  readonly nodeId: string;
  readonly nodeName: string;
  /** One per start of the agent. */
  readonly incarnation: string;
  /** Epoch milliseconds by the holder's clock; for people. */
  readonly since: number;
  /** Why it holds it: "b was not heard any more". */
  readonly why: string;
  /** Empty while it holds it; then why it does not any more: "stopped". */
  readonly ended: string;
}

/** By address: empty, or why this node cannot hold it. Those that it has not looked at yet are not there. */
export interface AbleRecord {
  readonly whyNot: Readonly<Record<string, string>>;
}

const holderSchema: Schema<HolderRecord> = object({
  nodeId: string(),
  nodeName: string(),
  incarnation: string(),
  since: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  why: string(),
  ended: string(),
});

const ableSchema: Schema<AbleRecord> = object({ whyNot: record(string()) });

/** All of it at one revision. */
export interface AddressView {
  readonly added: readonly Stored<VirtualAddress>[];
  /** By address; also those that were given back. */
  readonly held: ReadonlyMap<string, Stored<HolderRecord>>;
  /** By node id. */
  readonly able: ReadonlyMap<string, AbleRecord>;
}

export class AddressRecords {
  readonly added: Collection<VirtualAddress>;
  readonly held: Collection<HolderRecord>;
  readonly able: Collection<AbleRecord>;
  /** For its watch alone: something of it all has changed. */
  readonly anything: Collection<unknown>;
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
    const of = <T>(name: string, schema: Schema<T>): Collection<T> =>
      new Collection({ registry, prefix: `${ADDRESSES_PREFIX}${name}/`, schema });
    this.added = of('added', virtualAddressSchema);
    this.held = of('held', holderSchema);
    this.able = of('can', ableSchema);
    this.anything = new Collection({ registry, prefix: ADDRESSES_PREFIX, schema: (any) => any });
  }

  async read(): Promise<AddressView> {
    const { entries } = await this.#registry.list(ADDRESSES_PREFIX);
    const of = <T>(collection: Collection<T>): Stored<T>[] =>
      entries
        .filter(({ key }) => key.startsWith(collection.prefix))
        .map((entry) => collection.decode(entry));
    return {
      added: of(this.added),
      held: new Map(of(this.held).map((stored) => [stored.id, stored])),
      able: new Map(of(this.able).map(({ id, value }) => [id, value])),
    };
  }

  /** Under the lease; undefined: another node was first, or the address was removed meanwhile. */
  async take(
    { id, revision }: Stored<VirtualAddress>,
    over: Revision,
    holder: HolderRecord,
    leaseId: string,
  ): Promise<Revision | undefined> {
    const result = await this.#registry.commit(
      [
        { key: this.added.keyOf(id), revision },
        { key: this.held.keyOf(id), revision: over },
      ],
      [this.held.putOperation(id, holder, leaseId)],
    );
    return result.kind === 'committed' ? result.revision : undefined;
  }

  /** Free for others, and why as long as the lease lives, if one is given. Somebody else's record stays as it is. */
  async giveBack(
    { id, value, revision }: Stored<HolderRecord>,
    ended: string,
    leaseId: string | undefined,
  ): Promise<void> {
    const key = this.held.keyOf(id);
    await this.#registry.commit(
      [{ key, revision }],
      [
        leaseId === undefined
          ? { kind: 'delete', key }
          : this.held.putOperation(id, { ...value, ended }, leaseId),
      ],
    );
  }
}

/** Why the next one holds it. */
export function whyNext(last: Pick<HolderRecord, 'nodeName' | 'ended'> | undefined): string {
  if (last === undefined) return 'nobody held it';
  if (last.ended === '') return `${last.nodeName} was not heard any more`;
  return `${last.nodeName} ${last.ended}`;
}
