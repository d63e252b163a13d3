/**
 * `registry.json`: where this node finds the registry once it is not the embedded one any more. Writing it is the moment at
 * which a node leaves the embedded registry for good; until then a copy in etcd counts for nothing.
 */
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import { array, boolean, integer, object, optional, type Schema, string } from '../base/schema.ts';

const FORMAT = 1;

export interface StoredPlace {
  /** Of etcd, such as `https://10.0.0.1:7421`. */
  readonly endpoints: readonly string[];
  /** What every key begins with there. */
  readonly prefix: string;
  /** Counts takeovers: of two places with different epochs the higher one is the cluster's. */
  readonly epoch: number;
  /** Somebody else looks after it: Moln manages no members there. */
  readonly isForeign?: boolean | undefined;
}

const fields = {
  endpoints: array(string(), { itemsMax: 100 }),
  prefix: string(),
  epoch: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  isForeign: optional(boolean()),
};

export const placeSchema: Schema<StoredPlace> = object(fields);

const schema: Schema<StoredPlace & { readonly format: number }> = object({
  format: integer({ min: FORMAT, max: FORMAT }),
  ...fields,
});

function pathOf(dataFolder: string): string {
  return join(dataFolder, 'registry.json');
}

/** Undefined while the registry is embedded. Throws `DATA_DAMAGED`. */
export async function readPlace(dataFolder: string): Promise<StoredPlace | undefined> {
  const path = pathOf(dataFolder);
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    const { format: _format, ...place } = schema.decode(JSON.parse(text), '');
    return place;
  } catch (error) {
    throw new MolnError('DATA_DAMAGED', `"${path}" cannot be read: ${messageOf(error)}`, {
      hint: 'Restore the file from a backup; it names the etcd of the cluster',
      cause: error,
    });
  }
}

export async function writePlace(dataFolder: string, place: StoredPlace): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, ...place }, undefined, 2)}\n`;
  await writeFileAtomic(pathOf(dataFolder), text);
}

/** Below it are the keys of one cluster, so that several can share an etcd that somebody else looks after. */
export function prefixOf(clusterId: string): string {
  return `/moln/${clusterId}/`;
}
