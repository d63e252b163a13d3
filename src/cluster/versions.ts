/** Whether two versions of Moln may be in one cluster: each has to work with what the other one speaks. */
import type { MolnError } from '../base/errors.ts';
import { integer, object, type Schema, string, withDefault } from '../base/schema.ts';
import { nodeTooNew, nodeTooOld } from './join-errors.ts';
import { CLUSTER_PROTOCOL, CLUSTER_PROTOCOL_MIN } from './join-wire.ts';

export interface Spoken {
  readonly protocol: number;
  /** The oldest that it works with. */
  readonly protocolMin: number;
  /** Moln's version, for sentences. */
  readonly version: string;
}

const spokenSchema: Schema<Spoken & { readonly name: string }> = object({
  name: string(),
  version: string(),
  protocol: integer({ min: 0, max: 1_000_000 }),
  protocolMin: withDefault(integer({ min: 0, max: 1_000_000 }), 0),
});

/** This program. */
export function spokenBy(version: string): Spoken {
  return { protocol: CLUSTER_PROTOCOL, protocolMin: CLUSTER_PROTOCOL_MIN, version };
}

/**
 * Why a node of `own` cannot be in a cluster with the one that answered `hello` like this; undefined: it can. What else a
 * newer one says is not looked at.
 */
export function misfitOf(own: Spoken, hello: unknown): MolnError | undefined {
  const { name, version, protocol, protocolMin } = (hello ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const other = spokenSchema.decode({ name, version, protocol, protocolMin }, '');
  if (own.protocol < other.protocolMin) return nodeTooOld(own.version, other);
  if (other.protocol < own.protocolMin) return nodeTooNew(own.version, other);
  return undefined;
}
