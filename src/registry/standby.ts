/**
 * Who keeps the complete copy while one machine holds the registry and the logs. The leader writes it; whoever commits reads it, after
 * the commit, to know whether that copy has to be waited for.
 */
import { boolean, object, string } from '../base/schema.ts';
import { Collection } from './collection.ts';
import type { Registry } from './contract.ts';

export interface StandbyRecord {
  /** Id of the node. */
  readonly node: string;
  /** It has everything, and every commit waits for it. */
  readonly isInSync: boolean;
}

export const STANDBY_PREFIX = '/managers/standby/';
/** Of the one record. */
export const STANDBY_ID = 'now';

const schema = object({ node: string(), isInSync: boolean() });

export function standbyRecords(registry: Registry): Collection<StandbyRecord> {
  return new Collection({ registry, prefix: STANDBY_PREFIX, schema });
}
