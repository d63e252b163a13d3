/**
 * `registry.json`: where this node finds the registry once it is not the embedded one any more. Writing it is the moment at
 * which a node leaves the embedded registry for good; until then a copy in etcd counts for nothing.
 */
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import { integer, object, type Schema } from '../base/schema.ts';
import { type RegistryPlace, registryPlaceSchema } from '../cluster/cluster.ts';

const FORMAT = 1;

const schema: Schema<{ readonly format: number; readonly place: RegistryPlace }> = object({
  format: integer({ min: FORMAT, max: FORMAT }),
  place: registryPlaceSchema,
});

function pathOf(dataFolder: string): string {
  return join(dataFolder, 'registry.json');
}

/** Undefined while the registry is embedded. Throws `DATA_DAMAGED`. */
export async function readPlace(dataFolder: string): Promise<RegistryPlace | undefined> {
  const path = pathOf(dataFolder);
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    return schema.decode(JSON.parse(text), '').place;
  } catch (error) {
    throw new MolnError('DATA_DAMAGED', `"${path}" cannot be read: ${messageOf(error)}`, {
      hint: 'Restore the file from a backup; it names the etcd of the cluster',
      cause: error,
    });
  }
}

/** For its owner's eyes only: it may hold the key to somebody else's etcd. */
export async function writePlace(dataFolder: string, place: RegistryPlace): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, place }, undefined, 2)}\n`;
  await writeFileAtomic(pathOf(dataFolder), text, { mode: 0o600 });
}

/** Below it are the keys of one cluster, so that several can share an etcd that somebody else looks after. */
export function prefixOf(clusterId: string): string {
  return `/moln/${clusterId}/`;
}

/** The address of one of its managers. */
export function hostOf(endpoint: string): string {
  return new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
}

/** The same for the logs of its databases: outside of what every node keeps a copy of. */
export function logPrefixOf(clusterId: string): string {
  return `/moln-databases/${clusterId}/`;
}
