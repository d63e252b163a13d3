/**
 * `node.json`: who this node is. Format 2; in format 1 every node had made its cluster itself. It is written twice: first the ids alone, then with the marks of the keys
 * that were made for them; in between, the next start goes on with the same ids and makes what is missing.
 */
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { isMolnError, messageOf } from '../base/errors.ts';
import { array, boolean, integer, object, optional, type Schema, string } from '../base/schema.ts';
import { dataDamaged, dataTooNew } from './errors.ts';

const FORMAT = 2;

export interface NodeFile {
  readonly cluster: { readonly id: string; readonly name: string };
  readonly node: { readonly id: string; readonly name: string };
  readonly createdAt: number;
  /** Once set, the authority and the sealing key exist and must never be made anew. */
  readonly keys?: { readonly authoritySha256: string; readonly sealKeyId: string };
  /** Only in a node that has joined a cluster. */
  readonly joined?: {
    readonly at: number;
    /** The authority's key is here too, not its certificate alone. */
    readonly authorityKey: boolean;
    /** Where managers were then: the first ones to ask. */
    readonly managers: readonly ManagerAddress[];
  };
}

export interface ManagerAddress {
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

const named: Schema<{ readonly id: string; readonly name: string }> = object({
  id: string({ pattern: /^[0-9a-z]{8,32}$/, patternMeans: 'lower-case letters and digits' }),
  name: string(),
});

export const managerSchema: Schema<ManagerAddress> = object({
  id: string(),
  address: string(),
  port: integer({ min: 1, max: 65_535 }),
});

const nodeFileSchema: Schema<NodeFile & { readonly format: number }> = object({
  format: integer({ min: 1, max: FORMAT }),
  cluster: named,
  node: named,
  createdAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  keys: optional(object({ authoritySha256: string(), sealKeyId: string() })),
  joined: optional(
    object({
      at: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      authorityKey: boolean(),
      managers: array(managerSchema),
    }),
  ),
});

/** Undefined when there is none yet. Throws `CLUSTER_DATA_TOO_NEW` and `CLUSTER_DATA_DAMAGED`. */
export async function readNodeFile(path: string): Promise<NodeFile | undefined> {
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const format = formatOf(value);
    if (format !== undefined && format > FORMAT) throw dataTooNew(path, format, FORMAT);
    const { format: _format, ...file } = nodeFileSchema.decode(value, '');
    return file;
  } catch (error) {
    if (isMolnError(error, 'CLUSTER_DATA_TOO_NEW')) throw error;
    throw dataDamaged(path, messageOf(error), error);
  }
}

export async function writeNodeFile(path: string, file: NodeFile): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify({ format: FORMAT, ...file }, undefined, 2)}\n`);
}

function formatOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('format' in value)) return undefined;
  return typeof value.format === 'number' ? value.format : undefined;
}
