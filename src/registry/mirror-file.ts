/** What a mirror has left on the disk, for when its source is gone for good and nobody follows it any more. */
import { existsSync } from 'node:fs';
import { removeTree } from '../base/disk.ts';
import type { ListResult, Revision } from './contract.ts';
import { MirrorStore } from './mirror-store.ts';

/** Complete, and true at `revision`. */
export interface MirrorCopy {
  readonly revision: Revision;
  list(prefix: string): Promise<ListResult>;
}

/** Undefined when there is no file, or the prefix of that source was never loaded into it. Nobody has it open. */
export async function readMirror<T>(
  options: { readonly path: string; readonly sourceId: string; readonly prefix: string },
  use: (copy: MirrorCopy) => Promise<T>,
): Promise<T | undefined> {
  if (!existsSync(options.path)) return undefined;
  using store = new MirrorStore(options);
  const revision = store.revisionOf(options.prefix);
  if (revision === undefined) return undefined;
  const list = (prefix: string): Promise<ListResult> =>
    Promise.resolve({ entries: store.list(prefix), revision });
  return await use({ revision, list });
}

/** Nobody has it open. */
export async function removeMirror(path: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await removeTree(`${path}${suffix}`);
}
