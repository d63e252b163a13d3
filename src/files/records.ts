/** What the registry keeps of files: that they are used, and the key of the cluster for them. All else is in the catalogue. */
import { integer, object, type Schema, string } from '../base/schema.ts';
import { Collection, type Registry } from '../registry/registry.ts';

export const FILES_PREFIX = '/files/';
export const FILES_ID = 'store';

/** Under `/files/store`. */
export interface FilesRecord {
  readonly createdAt: number;
  /** Who used them first. */
  readonly by: string;
  /** Seals secrets of access keys and signs tickets. Sealed itself, base64. */
  readonly key: string;
}

const schema: Schema<FilesRecord> = object({
  createdAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  by: string(),
  key: string(),
});

export function filesRecords(registry: Registry): Collection<FilesRecord> {
  return new Collection({ registry, prefix: FILES_PREFIX, schema });
}
