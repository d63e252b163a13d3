/** What a joiner and a manager say to each other, checked strictly on both sides. */
import { array, integer, object, optional, type Schema, string } from '../base/schema.ts';
import { MEMORY_MIB_MAX, NODE_ADDRESSES_MAX, SIGNING_REQUEST_LENGTH_MAX } from './limits.ts';
import { labelsSchema } from './members.ts';
import { managerSchema, type ManagerAddress } from './node-file.ts';

/** ALPN of the two doors. The join door keeps its name for ever; versions are compared inside. */
export const RPC_PROTOCOL = 'moln-rpc/1';
export const JOIN_PROTOCOL = 'moln-join';
/** What nodes of one cluster have to agree on; counted up when they could not work together any more. */
export const CLUSTER_PROTOCOL = 1;
export const CLUSTER_PROTOCOL_MIN = 1;

export interface JoinRequest {
  readonly protocol: number;
  /** Moln's version, for sentences. */
  readonly version: string;
  readonly inviteId: string;
  readonly secret: string;
  readonly nodeId: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly gatewayPort: number;
  readonly memoryMiB: number;
  readonly region?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** PKCS #10, PEM. */
  readonly request: string;
  /** What the joiner answers on its port while it joins. */
  readonly nonce: string;
  /** The joiner's clock, epoch milliseconds. */
  readonly now: number;
}

const short = (lengthMax: number): Schema<string> => string({ lengthMax });
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

/** Unknown keys are left out here rather than refused, so that a newer joiner gets the sentence about versions. */
export const joinVersionSchema: Schema<{ readonly protocol: number; readonly version: string }> =
  object({ protocol: integer({ min: 0, max: 1_000_000 }), version: short(64) });

export const joinRequestSchema: Schema<JoinRequest> = object({
  protocol: integer({ min: 0, max: 1_000_000 }),
  version: short(64),
  inviteId: string({ pattern: /^[0-9a-z]{1,32}$/, patternMeans: 'letters and digits' }),
  secret: string({ pattern: /^[0-9a-f]{32}$/, patternMeans: '16 bytes in hex' }),
  nodeId: string({ pattern: /^[0-9a-z]{12}$/, patternMeans: '12 letters and digits' }),
  name: short(255),
  addresses: array(short(255), { itemsMax: NODE_ADDRESSES_MAX }),
  port: integer({ min: 1, max: 65_535 }),
  gatewayPort: integer({ min: 1, max: 65_535 }),
  memoryMiB: integer({ min: 0, max: MEMORY_MIB_MAX }),
  region: optional(short(63)),
  labels: labelsSchema,
  request: short(SIGNING_REQUEST_LENGTH_MAX),
  nonce: short(64),
  now: time,
});

export interface JoinAnswer {
  readonly cluster: { readonly id: string; readonly name: string };
  readonly node: { readonly id: string; readonly name: string; readonly region: string };
  /** PEM. */
  readonly certificate: string;
  /** All that are trusted; the first one has issued the certificate. */
  readonly authority: string;
  /** Of these; only for a manager. */
  readonly authorityKey?: string;
  /** The text of `seal.key`. */
  readonly sealKey: string;
  readonly managers: readonly ManagerAddress[];
  readonly registry: RegistryPlace;
}

/** Where the cluster's registry is. */
export interface RegistryPlace {
  /** Of etcd, `https://10.0.0.1:7421`. */
  readonly endpoints: readonly string[];
  /** What every key begins with there. */
  readonly prefix: string;
  /** Counts takeovers: of two places with different epochs the higher one is the cluster's. */
  readonly epoch: number;
  /** Somebody else looks after it: Moln manages no members there, and has these to come in. */
  readonly foreign?: ForeignAccess | undefined;
}

/** Of an etcd that somebody else looks after, all in PEM; secret. */
export interface ForeignAccess {
  /** Undefined: one that the whole world trusts. */
  readonly authority?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

const pem = optional(string({ lengthMax: 100_000 }));

export const registryPlaceSchema: Schema<RegistryPlace> = object({
  endpoints: array(string({ lengthMax: 300 }), { itemsMax: 100 }),
  prefix: string({ lengthMax: 300 }),
  epoch: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  foreign: optional(object({ authority: pem, certificate: pem, key: pem })),
});

const named = object({ id: string(), name: string() });

export const joinAnswerSchema: Schema<JoinAnswer> = object({
  cluster: named,
  node: object({ id: string(), name: string(), region: string() }),
  certificate: string(),
  authority: string(),
  authorityKey: optional(string()),
  sealKey: string(),
  managers: array(managerSchema),
  registry: registryPlaceSchema,
});

/** What any node says about itself. */
export interface HelloAnswer {
  readonly id: string;
  readonly name: string;
  readonly protocol: number;
  /** The oldest that it works with. */
  readonly protocolMin: number;
  readonly version: string;
  readonly isManager: boolean;
  readonly now: number;
}

/** `spiffe://<cluster id>/node/<node id>`, or undefined. */
export function spiffeOf(
  subjectAltName: string | undefined,
): { readonly clusterId: string; readonly nodeId: string } | undefined {
  const uris = (subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  const match = /^URI:spiffe:\/\/([0-9a-z]+)\/node\/([0-9a-z]+)$/.exec(uris[0] ?? '');
  const [, clusterId, nodeId] = match ?? [];
  if (uris.length !== 1 || clusterId === undefined || nodeId === undefined) return undefined;
  return { clusterId, nodeId };
}
