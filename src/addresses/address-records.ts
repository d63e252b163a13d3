/**
 * Records: `/addresses/set/now` is the list of all virtual addresses; `/addresses/held/<address>` says who holds one and lives
 * as long as that node's lease; `/addresses/last/<address>` stays, and says how the last one ended. Format 1 all.
 */
import { integer, object, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry, type Revision } from '../registry/registry.ts';
import { type VirtualAddress, virtualAddressesSchema } from './virtual-address.ts';

export const ADDRESSES_PREFIX = '/addresses/';
const SET = '/addresses/set/';
const HELD = '/addresses/held/';
const LAST = '/addresses/last/';

export interface HolderRecord {
  readonly nodeId: string;
  readonly nodeName: string;
  /** One per start of the agent. */
  readonly incarnation: string;
  /** Names its interface; not given to another address while it is held. */
  readonly number: number;
  /** Epoch milliseconds by the holder's clock; for people. */
  readonly since: number;
  /** Why it holds it: "b was not heard any more". */
  readonly why: string;
}

export interface LastHolder {
  readonly nodeName: string;
  /** Empty while it holds it, and for good when it was not heard any more. */
  readonly ended: string;
}

const holderSchema: Schema<HolderRecord> = object({
  nodeId: string(),
  nodeName: string(),
  incarnation: string(),
  number: integer({ min: 1, max: 1000 }),
  since: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  why: string(),
});

const lastSchema: Schema<LastHolder> = object({ nodeName: string(), ended: string() });

export interface Held extends HolderRecord {
  /** Of the record: the token of this holding. */
  readonly revision: Revision;
}

/** All of it at one revision. */
export interface AddressView {
  readonly addresses: readonly VirtualAddress[];
  /** By address. */
  readonly held: ReadonlyMap<string, Held>;
  readonly last: ReadonlyMap<string, LastHolder>;
}

export interface AddressRecords {
  readonly set: Collection<{ readonly addresses: readonly VirtualAddress[] }>;
  readonly held: Collection<HolderRecord>;
  readonly last: Collection<LastHolder>;
  read(): Promise<AddressView>;
}

export function addressRecords(registry: Registry): AddressRecords {
  const set = new Collection({ registry, prefix: SET, schema: virtualAddressesSchema });
  const held = new Collection({ registry, prefix: HELD, schema: holderSchema });
  const last = new Collection({ registry, prefix: LAST, schema: lastSchema });
  return {
    set,
    held,
    last,
    async read() {
      const { entries } = await registry.list(ADDRESSES_PREFIX);
      const of = (prefix: string): typeof entries =>
        entries.filter(({ key }) => key.startsWith(prefix));
      return {
        addresses: of(SET).flatMap((entry) => set.decode(entry).value.addresses),
        held: new Map(
          of(HELD).map((entry) => {
            const { id, value, revision } = held.decode(entry);
            return [id, { ...value, revision }];
          }),
        ),
        last: new Map(
          of(LAST).map((entry) => {
            const { id, value } = last.decode(entry);
            return [id, value];
          }),
        ),
      };
    },
  };
}

/** Why the next one holds it. */
export function whyNext(last: LastHolder | undefined): string {
  if (last === undefined) return 'it was the first';
  if (last.ended === '') return `${last.nodeName} was not heard any more`;
  return `${last.nodeName} ${last.ended}`;
}
