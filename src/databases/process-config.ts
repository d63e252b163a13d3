/** What the database process of a node is told, out of the records and what this node knows of the others. Pure. */
import type { KnownToken } from '../accounts/accounts.ts';
import type { PeerNode } from '../cluster/cluster.ts';
import type { ObjectPlace } from '../net/net.ts';
import type { DatabasesConfig, LogPlace, PeerAccess } from './control.ts';
import { allPlaces, type DatabaseRecord, type PlacesRecord } from './records.ts';

/** Where the logs belong now, and what it takes to call other nodes. */
export interface Company {
  readonly log: LogPlace;
  readonly access: Omit<PeerAccess, 'nodes'>;
}

export interface Known {
  /** Of this node. */
  readonly self: string;
  readonly nodes: readonly Pick<PeerNode, 'id' | 'address' | 'gatewayPort'>[];
  /** Undefined while this node is alone. */
  readonly company: Company | undefined;
  /** By name. */
  readonly databases: ReadonlyMap<string, DatabaseRecord>;
  /** By id. */
  readonly places: ReadonlyMap<string, PlacesRecord>;
  /** Where the file store keeps snapshots. */
  readonly vault: ObjectPlace | undefined;
  /** Ids. */
  readonly dropped: readonly string[];
  readonly tokens: readonly KnownToken[];
  readonly keyOf: (record: DatabaseRecord) => Uint8Array;
}

export function processConfig(known: Known): DatabasesConfig {
  const { self, nodes, company, databases, places, vault, dropped, tokens, keyOf } = known;
  const others = nodes.filter(({ id }) => id !== self);
  return {
    node: self,
    log: company?.log ?? { kind: 'embedded' },
    peers: company && {
      ...company.access,
      nodes: others.map(({ id, address, gatewayPort }) => ({
        id,
        host: address,
        port: gatewayPort,
      })),
    },
    databases: [...databases].map(([name, record]) => ({
      name,
      id: record.id,
      stripes: record.stripes,
      splits: record.splits ?? [],
      places: allPlaces(places.get(record.id) ?? { stripes: [] }),
      copies: record.copies,
      regions: record.regions,
      tokenKey: Buffer.from(keyOf(record)).toString('base64'),
    })),
    vault,
    dropped,
    tokens,
  };
}
