/** Where check-ins lie: `/presence/<node id>`, format 1, each under its node's lease. */
import { integer, literal, object, optional, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry } from '../registry/registry.ts';
import { MEMORY_MIB_MAX } from './limits.ts';
import type { CheckIn } from './presence.ts';

export const PRESENCE_PREFIX = '/presence/';

const checkInSchema: Schema<CheckIn> = object({
  incarnation: string(),
  count: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  wish: literal('stay', 'leaving'),
  load: optional(
    object({
      cpuPercent: integer({ min: 0, max: 100 }),
      memoryFreeMiB: integer({ min: 0, max: MEMORY_MIB_MAX }),
      diskFullMiB: optional(integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
    }),
  ),
});

export function presenceRecords(registry: Registry): Collection<CheckIn> {
  return new Collection({ registry, prefix: PRESENCE_PREFIX, schema: checkInSchema });
}
