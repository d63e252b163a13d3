/** Fulfils what the API asks for about the file store (`src/api/storage-model.ts`), and tells what is wrong with it. */
import type { StorageCloud, StorageDetail, StoragePlace } from '../api/api.ts';
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { MetricFamily } from '../base/metrics.ts';
import {
  type Files,
  filesFamilies,
  type FilesTroubles,
  type StorageState,
} from '../files/files.ts';
import { sentenceFrom } from './sentence.ts';

export interface StorageCloudOptions {
  readonly files: Pick<Files, 'storage' | 'troubles'>;
  readonly log: Logger;
}

const NOTHING = {
  places: [],
  buckets: [],
  totals: { buckets: 0, bytes: 0, objects: 0 },
  copies: undefined,
  repair: { node: undefined, done: undefined },
} as const;

export class NodeStorageCloud implements StorageCloud {
  readonly #options: StorageCloudOptions;

  constructor(options: StorageCloudOptions) {
    this.#options = options;
  }

  async showStorage(): Promise<StorageDetail> {
    try {
      const state = await this.#options.files.storage();
      if (state !== undefined) return detailOf(state);
      const sentence = 'Nothing is stored yet: begin with "moln files create BUCKET"';
      return { ...NOTHING, state: 'unused', sentence };
    } catch (error) {
      const isAway = isMolnError(error, 'FILES_AWAY') || isMolnError(error, 'FILES_CATALOGUE_AWAY');
      if (!isAway) throw error;
      return { ...NOTHING, state: 'away', sentence: error.message };
    }
  }

  troubles(): Promise<FilesTroubles> {
    return this.#options.files.troubles();
  }

  async families(): Promise<readonly MetricFamily[]> {
    try {
      const state = await this.#options.files.storage();
      return state === undefined ? [] : filesFamilies(state);
    } catch (error) {
      this.#options.log.debug('The file process does not tell its figures', { error });
      return [];
    }
  }
}

/** Pure. */
export function detailOf(state: StorageState): StorageDetail {
  const { places, buckets, totals, census, repairs, repair, troubles } = state;
  const wrong = [...troubles.troubles, ...troubles.warnings];
  const good =
    census === undefined ? 'Copies are being counted' : 'Every block has the copies that it wants';
  return {
    state: 'open',
    sentence: sentenceFrom(wrong) ?? good,
    places: places.map(placeOf),
    buckets: buckets.map(({ quotaBytes, ...shown }) => ({
      ...shown,
      quotaBytes: quotaBytes ?? undefined,
    })),
    totals,
    copies: census,
    repair: {
      node: repairs,
      done:
        repair === undefined
          ? undefined
          : {
              isRunning: repair.isRunning,
              doing: repair.doing,
              queued: repair.queued,
              queuedBytes: repair.queuedBytes,
              copied: repair.copied,
              failed: repair.failed,
              bytesPerSecond: repair.bytesPerSecond,
              rate: repair.rate,
              why: repair.why,
            },
    },
  };
}

function placeOf(place: StorageState['places'][number]): StoragePlace {
  const { id, nodeName, name, path, state, usage } = place;
  return {
    id,
    node: nodeName,
    name,
    path,
    state,
    reason: reasonOf(place),
    diskBytes: usage?.diskBytes,
    limitBytes: usage?.limitBytes,
    usedBytes: usage?.usedBytes,
    freeBytes: usage?.freeBytes,
    blocks: usage?.blobs,
  };
}

function reasonOf({
  state,
  isForgotten,
  isLeaving,
  usage,
}: StorageState['places'][number]): string | undefined {
  if (isForgotten) return 'Its node is none of the cluster any more';
  if (isLeaving) return 'It is being emptied, and is removed then';
  if (usage?.reason !== undefined) return usage.reason;
  if (state === 'drain') return 'Its node is being drained';
  return state === 'away' || state === 'lost' ? 'Its node does not answer' : undefined;
}
