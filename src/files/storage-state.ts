/** The state of the whole store, for people and metrics: its places, buckets and copies, and what is wrong, in words. */
import type { Clock } from '../base/time.ts';
import type { BlockCensus, Census } from './census.ts';
import type { FilesTroubles } from './control.ts';
import { BUCKETS_TOLD_MAX, LOOK_WITHIN_MS } from './limits.ts';
import type { BucketInfo } from './model.ts';
import { atMost } from './patience.ts';
import type { PlaceTable, PlaceView } from './place-table.ts';
import type { Repair, RepairState } from './repair.ts';

export interface StorageState {
  /** Of the process. */
  readonly memoryBytes: number;
  /** This node's id. */
  readonly node: string;
  readonly places: readonly PlaceView[];
  /** The largest, in order of bytes. */
  readonly buckets: readonly Omit<BucketInfo, 'settings'>[];
  /** Of all buckets. */
  readonly totals: { readonly buckets: number; readonly bytes: number; readonly objects: number };
  /** Undefined while they are counted for the first time. */
  readonly census: Census | undefined;
  /** Name of the node that makes copies which lack. */
  readonly repairs: string | undefined;
  /** Only on that node. */
  readonly repair: RepairState | undefined;
  readonly troubles: FilesTroubles;
}

export async function storageState(given: {
  readonly store: { buckets(): Promise<readonly BucketInfo[]> };
  readonly places: Pick<PlaceTable, 'look' | 'self' | 'views'>;
  readonly repair: Pick<Repair, 'state'>;
  readonly census: Pick<BlockCensus, 'recent'>;
  readonly repairs: string | undefined;
  readonly isRepairing: boolean;
  readonly clock: Clock;
}): Promise<StorageState> {
  const { store, places, repair, repairs, isRepairing, clock } = given;
  const [all, census] = await Promise.all([
    store.buckets(),
    given.census.recent(),
    atMost(clock, LOOK_WITHIN_MS, places.look()),
  ]);
  const views = places.views();
  const ours = isRepairing ? repair.state() : undefined;
  return {
    memoryBytes: process.memoryUsage.rss(),
    node: places.self,
    places: views,
    buckets: all
      .toSorted((one, other) => other.bytes - one.bytes)
      .slice(0, BUCKETS_TOLD_MAX)
      .map(({ settings: _settings, ...shown }) => shown),
    totals: {
      buckets: all.length,
      bytes: all.reduce((total, { bytes }) => total + bytes, 0),
      objects: all.reduce((total, { objects }) => total + objects, 0),
    },
    census,
    repairs,
    repair: ours,
    troubles: troublesOf(views, census, ours),
  };
}

/** Pure. `repair`: where this node repairs. */
export function troublesOf(
  places: readonly Pick<PlaceView, 'name' | 'nodeName' | 'state' | 'usage'>[],
  census: Pick<Census, 'lacking'> | undefined,
  repair?: Pick<RepairState, 'isRunning' | 'missing'>,
): FilesTroubles {
  const troubles = places.flatMap(({ nodeName, name, state, usage }) => {
    if (state === 'good' || state === 'drain') return [];
    const why = usage?.reason === undefined ? '' : `: ${usage.reason}`;
    return [`storage ${nodeName}/${name} is ${state}${why}`];
  });
  const { blocks } = census?.lacking ?? { blocks: 0 };
  if (blocks === 0) return { troubles, warnings: [] };
  const lack = blocks === 1 ? '1 block of files lacks' : `${blocks} blocks of files lack`;
  if (places.length < 2) {
    const help = 'give them a second one with "moln storage add DIR", or add a machine';
    return { troubles, warnings: [`Files have one copy, for there is one storage: ${help}`] };
  }
  const isStuck = repair !== undefined && !repair.isRunning && repair.missing > 0;
  const canHelp = !isStuck && places.filter(({ state }) => state === 'good').length > 1;
  const when = canHelp ? 'they are being made' : 'they are made as soon as a storage can take them';
  return { troubles: [...troubles, `${lack} copies: ${when}`], warnings: [] };
}
