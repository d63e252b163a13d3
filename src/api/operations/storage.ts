/** The state of the file store. Files themselves are below `/files/`. */
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
} from '../../base/schema.ts';
import { defineOperation, type Operation } from '../operation.ts';
import type { StorageDetail } from '../storage-model.ts';
import type { Wire } from '../wire.ts';

const text = string();
const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER, description: 'Epoch milliseconds' });
const bytes = (description: string): Schema<number> =>
  integer({ min: 0, max: Number.MAX_SAFE_INTEGER, description });

const place = object({
  id: text,
  node: text,
  name: text,
  path: text,
  state: literal('good', 'full', 'drain', 'away', 'lost'),
  reason: optional(text),
  diskBytes: optional(bytes('Of the whole disk; places of one disk share it')),
  limitBytes: optional(bytes('What files may take of it now')),
  usedBytes: optional(bytes('What files take of it')),
  freeBytes: optional(bytes('What may still be put there')),
  blocks: optional(count),
});

const bucket = object({
  name: text,
  owner: text,
  createdAt: time,
  bytes: bytes('Each byte once, whatever the number of copies'),
  objects: count,
  policy: text,
  quotaBytes: optional(count),
  versioning: literal('off', 'enabled', 'suspended'),
});

const detailSchema: Schema<Wire<StorageDetail>> = object({
  state: literal('unused', 'away', 'open'),
  sentence: text,
  places: array(place),
  buckets: array(bucket),
  totals: object({ buckets: count, bytes: count, objects: count }),
  copies: optional(
    object({
      countedAt: time,
      counts: array(
        object({ code: optional(text), wanted: count, valid: count, blocks: count, bytes: count }),
      ),
      lacking: object({ blocks: count, bytes: count }),
    }),
  ),
  repair: object({
    node: optional(text),
    done: optional(
      object({
        isRunning: boolean(),
        doing: text,
        queued: count,
        queuedBytes: count,
        copied: count,
        failed: count,
        bytesPerSecond: optional(count),
        rate: optional(count),
        why: optional(text),
      }),
    ),
  }),
});

export const storageOperations: readonly Operation[] = [
  defineOperation({
    id: 'showStorage',
    method: 'GET',
    path: '/api/storage',
    scope: 'read',
    tag: 'files',
    summary: 'The state of the file store',
    description:
      'Its places with their space, its 1,000 largest buckets, how many blocks want and have how many copies, and what waits for repair. Starts nothing while nothing was stored yet.',
    answer: { kind: 'json', status: 200, schema: detailSchema },
    handle: (cloud) => cloud.showStorage(),
  }),
];
