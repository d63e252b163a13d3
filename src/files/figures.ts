/**
 * Metrics of files. Each node tells of its own places; the node that makes copies also tells of buckets and blocks, which are the same
 * everywhere, so that sums over nodes are right.
 */
import type { Labels, MetricFamily, MetricType } from '../base/metrics.ts';
import { BUCKETS_MEASURED_MAX } from './limits.ts';
import type { PlaceView } from './place-table.ts';
import type { StorageState } from './storage-state.ts';

type Usage = NonNullable<PlaceView['usage']>;

const PLACES: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (usage: Usage) => number | undefined;
}[] = [
  {
    name: 'moln_files_place_disk_bytes',
    help: 'Size of the disk of a place',
    of: ({ diskBytes }) => diskBytes,
  },
  {
    name: 'moln_files_place_limit_bytes',
    help: 'What files may use of it now',
    of: ({ limitBytes }) => limitBytes,
  },
  {
    name: 'moln_files_place_used_bytes',
    help: 'What files use of it',
    of: ({ usedBytes }) => usedBytes,
  },
  {
    name: 'moln_files_place_free_bytes',
    help: 'What may still be put there',
    of: ({ freeBytes }) => freeBytes,
  },
  { name: 'moln_files_place_blocks', help: 'Blocks that lie there', of: ({ blobs }) => blobs },
];

export function filesFamilies(state: StorageState): readonly MetricFamily[] {
  const { node, places, memoryBytes } = state;
  const own = places.filter((place) => place.node === node);
  return [
    ...PLACES.map(({ name, help, of }) =>
      family(
        name,
        help,
        own.flatMap((place) => {
          const value = place.usage === undefined ? undefined : of(place.usage);
          return value === undefined ? [] : [sample({ place: place.name }, value)];
        }),
      ),
    ),
    family(
      'moln_files_place_good',
      'Whether blocks can be put there',
      own.map(({ name, state: how }) => sample({ place: name }, how === 'good' ? 1 : 0)),
    ),
    family('moln_files_memory_bytes', 'Resident memory of the file process', [
      sample({}, memoryBytes),
    ]),
    ...wholeFamilies(state),
  ];
}

function wholeFamilies({ buckets, census, repair }: StorageState): readonly MetricFamily[] {
  if (repair === undefined) return [];
  const shown = buckets.slice(0, BUCKETS_MEASURED_MAX);
  return [
    family(
      'moln_files_bucket_bytes',
      `What a bucket holds, each byte once; the ${BUCKETS_MEASURED_MAX} largest`,
      shown.map(({ name, bytes }) => sample({ bucket: name }, bytes)),
    ),
    family(
      'moln_files_bucket_objects',
      `Objects of a bucket; the ${BUCKETS_MEASURED_MAX} largest`,
      shown.map(({ name, objects }) => sample({ bucket: name }, objects)),
    ),
    family(
      'moln_files_blocks',
      'Blocks by copies wanted and copies that count, or shares of a code',
      (census?.counts ?? []).map(({ code = '', wanted, valid, blocks }) =>
        sample({ code, wanted: String(wanted), valid: String(valid) }, blocks),
      ),
    ),
    family(
      'moln_files_blocks_lacking_copies',
      'Blocks whose policy is not met',
      census === undefined ? [] : [sample({}, census.lacking.blocks)],
    ),
    family(
      'moln_files_copies_made_total',
      'Copies that repair has made',
      [sample({}, repair.copied)],
      'counter',
    ),
    family(
      'moln_files_blocks_coded_total',
      'Blocks that were put into shares, or had lost ones made anew',
      [sample({}, repair.coded)],
      'counter',
    ),
    family(
      'moln_files_copies_failed_total',
      'Copies that repair could not make',
      [sample({}, repair.failed)],
      'counter',
    ),
  ];
}

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

function family(
  name: string,
  help: string,
  samples: readonly Sample[],
  type: MetricType = 'gauge',
): MetricFamily {
  return { name, help, type, samples };
}

function sample(labels: Labels, value: number): Sample {
  return { labels, value };
}
