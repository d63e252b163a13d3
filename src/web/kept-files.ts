/** Files that rows have: put into the app's files when the row is saved, and removed, by a job, when it no longer has them. */
import type { Field } from './fields.ts';
import { files } from './files.ts';
import { job, type Job } from './jobs.ts';

/** Rows have a name, not as much as a visitor likes. */
const NAME_CHARACTERS_MAX = 255;
/** Files that one job removes. */
const REMOVED_TOGETHER = 100;

/** What a row has of a file. */
export interface KeptFile {
  /** For `files.get` and `files.url`. */
  readonly key: string;
  /** As the visitor called it; its beginning when that is longer than 255 characters. */
  readonly name: string;
  readonly size: number;
  /** As the visitor's browser says. */
  readonly type: string;
}

type Values = Readonly<Record<string, unknown>>;
type FieldsByName = Readonly<Record<string, Field>>;

/** The framework's own job, in every app. In a transaction it belongs to that, so nothing is lost when that is taken back. */
export const REMOVE_FILES: Job<string | readonly string[]> = job(
  'moln_remove_file',
  async (keys: string | readonly string[]) => {
    for (const key of [keys].flat()) await files.delete(key);
  },
);

/** Saves what has files: they are put first, and taken away again when `save` fails. */
export async function withKeptFiles<T>(
  fields: FieldsByName,
  values: Values,
  save: (values: Values) => Promise<T>,
): Promise<T> {
  const kept: Record<string, KeptFile> = {};
  try {
    for (const [name, value] of Object.entries(values)) {
      if (fields[name]?.kind !== 'file' || !(value instanceof File)) continue;
      kept[name] = { ...(await files.put(value)), name: nameOf(value) };
    }
    return await save({ ...values, ...kept });
  } catch (error) {
    for (const { key } of Object.values(kept)) await files.delete(key);
    throw error;
  }
}

/** By and by, after the transaction that one is in. */
export async function removeFiles(keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += REMOVED_TOGETHER)
    await REMOVE_FILES.enqueue(keys.slice(at, at + REMOVED_TOGETHER));
}

export function hasFiles(fields: FieldsByName): boolean {
  return Object.values(fields).some(({ kind }) => kind === 'file');
}

export function fileKeys(fields: FieldsByName, row: Values): readonly string[] {
  return Object.entries(fields)
    .filter(([, { kind }]) => kind === 'file')
    .map(([name]) => (row[name] as KeptFile | null | undefined)?.key)
    .filter((key) => key !== undefined);
}

function nameOf({ name }: File): string {
  return name.slice(0, NAME_CHARACTERS_MAX).toWellFormed();
}
