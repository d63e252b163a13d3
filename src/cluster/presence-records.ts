/** Where check-ins lie: `/presence/<node id>`, format 1, each under its node's lease. */
import { integer, literal, object, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry } from '../registry/registry.ts';
import type { CheckIn } from './presence.ts';

export const PRESENCE_PREFIX = '/presence/';

const checkInSchema: Schema<CheckIn> = object({
  incarnation: string(),
  count: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  wish: literal('stay', 'leaving'),
});

export function presenceRecords(registry: Registry): Collection<CheckIn> {
  return new Collection({ registry, prefix: PRESENCE_PREFIX, schema: checkInSchema });
}
