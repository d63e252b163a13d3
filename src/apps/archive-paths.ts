/**
 * What a path or link in an archive may be: pure checks, so that unpacking only acts on names that cannot leave
 * the folder. Refuses rather than repairs: a repaired name is a name that nobody sent.
 */
import { posix } from 'node:path';
import { MolnError } from '../base/errors.ts';

/** Bytes of one path below the folder; Linux stops at 4096 for the whole path. */
export const ARCHIVE_PATH_BYTES_MAX = 1024;
/** Bytes of one name in a path, as Linux has it. */
export const ARCHIVE_NAME_BYTES_MAX = 255;
/** Links in one resolution, as Linux has it. */
const LINK_STEPS_MAX = 40;

export type EntryKind = 'file' | 'directory' | 'symlink';

export function archiveRefused(path: string, why: string, hint?: string): MolnError {
  return new MolnError('APPS_ARCHIVE_REFUSED', `Cannot take ${JSON.stringify(path)}: ${why}`, {
    hint: hint ?? 'Remove it from the folder, or name it in .molnignore',
    details: { path },
  });
}

/** The path relative to the folder, without `./` and a slash at the end; `` is the folder itself. */
export function archivePath(name: string): string {
  if (name.includes('\0')) throw archiveRefused(name, 'its name contains a NUL byte');
  if (name.includes('\uFFFD')) throw archiveRefused(name, 'its name is not valid UTF-8');
  if (name.startsWith('/')) throw archiveRefused(name, 'its path is absolute');
  if (Buffer.byteLength(name) > ARCHIVE_PATH_BYTES_MAX) {
    const bytes = Buffer.byteLength(name);
    const short = `${name.slice(0, 60)}…`;
    throw archiveRefused(
      short,
      `its path has ${bytes} bytes, at most ${ARCHIVE_PATH_BYTES_MAX} are allowed`,
    );
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  for (const part of parts) {
    if (part === '..') throw archiveRefused(name, 'its path leads out of the folder');
    if (Buffer.byteLength(part) > ARCHIVE_NAME_BYTES_MAX) {
      throw archiveRefused(
        name,
        `one of its names is longer than ${ARCHIVE_NAME_BYTES_MAX} bytes, the most that Linux takes`,
      );
    }
  }
  return parts.join('/');
}

/** Every folder above `path`, outermost first. */
export function foldersAbove(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}

/** Whether links may lead to absolute paths: only in a tree of which a hash says that it is the one that was sealed. */
export type AbsoluteLinks = 'refused' | 'taken';

/** Refuses a link whose text alone already leads out. */
export function checkLinkText(path: string, target: string, absolute: AbsoluteLinks): void {
  if (target === '' || target.includes('\0') || target.includes('\uFFFD')) {
    throw archiveRefused(path, 'the target of this link is not a valid path');
  }
  if (Buffer.byteLength(target) > ARCHIVE_PATH_BYTES_MAX) {
    throw archiveRefused(
      path,
      `the target of this link has more than ${ARCHIVE_PATH_BYTES_MAX} bytes`,
    );
  }
  if (target.startsWith('/')) {
    if (absolute === 'taken') return;
    throw archiveRefused(path, `this link points to the absolute path ${JSON.stringify(target)}`);
  }
  const reached = posix.join(posix.dirname(path), target);
  if (reached === '..' || reached.startsWith('../')) {
    throw archiveRefused(path, `this link points out of the folder (${JSON.stringify(target)})`);
  }
}

/**
 * Follows a link as the kernel would, through the other links of the tree: `a/up -> ..` makes `a/up/../x` lead
 * elsewhere than its text says. Refuses when any step leaves the folder. A target that does not exist is allowed
 * as long as it stays inside.
 */
export function checkLinkStaysInside(
  path: string,
  links: ReadonlyMap<string, string>,
  absolute: AbsoluteLinks,
): void {
  const target = links.get(path);
  if (target === undefined) return;
  checkLinkText(path, target, absolute);
  if (target.startsWith('/')) return;
  const at: string[] = path.split('/').slice(0, -1);
  const rest: string[] = target.split('/');
  let followed = 1;
  while (rest.length > 0) {
    const part = rest.shift();
    if (part === undefined || part === '' || part === '.') continue;
    if (part === '..') {
      if (at.length === 0) {
        throw archiveRefused(path, `this link leads out of the folder through other links`);
      }
      at.pop();
      continue;
    }
    const next = links.get([...at, part].join('/'));
    if (next === undefined) {
      at.push(part);
      continue;
    }
    followed += 1;
    if (next.startsWith('/') && absolute === 'taken') return;
    if (followed > LINK_STEPS_MAX || next.startsWith('/')) {
      throw archiveRefused(path, 'this link goes round in circles');
    }
    rest.unshift(...next.split('/'));
  }
}
