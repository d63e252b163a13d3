/**
 * Whose a folder is. `NODE` in it says which node and which back end; without it a folder is away, never empty: that is what a
 * disk looks like that was not mounted. `LOCK` names the process that has it, for people; what keeps a second one out is a
 * lock of the kernel, which a dead process cannot leave behind.
 */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder, readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { messageOf, MolnError, systemCode } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { integer, object, string } from '../base/schema.ts';
import { takeNameLock } from '../net/net.ts';
import { away } from './errors.ts';
import { FOLDERS } from './layout.ts';

const NODE_FILE = 'NODE';
const LOCK_FILE = 'LOCK';
const FORMAT = 1;
/** A file system's own folder in its root. */
const FOREIGN_BUT_FINE: ReadonlySet<string> = new Set(['lost+found']);

const IDENTITY = object({
  format: integer({ min: 1, max: FORMAT }),
  node: string({ lengthMax: 200 }),
  id: string({ pattern: /^[0-9a-z]{4,64}$/ }),
  createdAt: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});

export interface Identity {
  readonly node: string;
  /** Of the back end, chosen when it was made. */
  readonly id: string;
}

export interface Expected {
  readonly node: string;
  /** Undefined: any back end of this node. */
  readonly id: string | undefined;
}

/** Throws `BLOBS_AWAY` when the folder is not the one that is expected. */
export async function checkIdentity(path: string, expected: Expected): Promise<Identity> {
  const found = await readIdentity(path);
  if (found === undefined) {
    throw away(path, `it has no file "${NODE_FILE}", as if its disk was not mounted`);
  }
  if (found.node !== expected.node) {
    throw away(path, `it belongs to node "${found.node}", not to "${expected.node}"`);
  }
  if (expected.id !== undefined && found.id !== expected.id) {
    throw away(path, `it is back end "${found.id}", not "${expected.id}"`);
  }
  return found;
}

/** Makes a folder that holds nothing yet into a back end; one that is one already stays as it is. */
export async function makeBackend(path: string, node: string, now: number): Promise<void> {
  await ensureFolder(path);
  if ((await readIdentity(path)) !== undefined) return;
  for (const name of await readdir(path)) await requireNothing(path, name);
  for (const name of FOLDERS) await ensureFolder(join(path, name));
  // Last, so that a folder that says what it is has all that it needs.
  const identity = { format: FORMAT, node, id: randomId(), createdAt: now };
  await writeFileAtomic(join(path, NODE_FILE), `${JSON.stringify(identity)}\n`);
}

/** What a crash in the middle of `makeBackend` leaves may be there, and nothing else. */
async function requireNothing(path: string, name: string): Promise<void> {
  if (FOREIGN_BUT_FINE.has(name) || name.startsWith(`${NODE_FILE}.tmp-`)) return;
  const known = FOLDERS.includes(name);
  if (known && (await readdir(join(path, name))).length === 0) return;
  throw new MolnError(
    'BLOBS_NOT_EMPTY',
    `Folder "${path}" holds "${name}", so it cannot become storage`,
    { hint: 'Choose an empty folder, as a new one on that disk' },
  );
}

async function readIdentity(path: string): Promise<Identity | undefined> {
  let text: string | undefined;
  try {
    text = await readTextIfAny(join(path, NODE_FILE));
  } catch (error) {
    throw away(path, `its file "${NODE_FILE}" cannot be read (${systemCode(error) ?? 'unknown'})`);
  }
  if (text === undefined) return undefined;
  try {
    return IDENTITY.decode(JSON.parse(text), '');
  } catch (error) {
    throw away(path, `its file "${NODE_FILE}" is not valid: ${messageOf(error)}`);
  }
}

/** Dispose of it to let others have the back end. By its id, so that two mounts of one disk, or two addresses of one folder, are one. */
export async function claimId(path: string, id: string): Promise<AsyncDisposable> {
  const claim = await takeNameLock(`blobs ${id}`);
  if (claim === undefined) throw away(path, 'another process has it');
  return claim;
}

/** As `claimId`, and says in the folder who it is. */
export async function claimBackend(
  path: string,
  id: string,
  process: { readonly pid: number; readonly now: number },
): Promise<AsyncDisposable> {
  const claim = await claimId(path, id);
  try {
    const text = `${JSON.stringify({ pid: process.pid, since: process.now })}\n`;
    await writeFile(join(path, LOCK_FILE), text, { mode: 0o600 });
  } catch (error) {
    // Only for people; a read-only disk is read all the same.
    if (systemCode(error) !== 'EROFS' && systemCode(error) !== 'ENOSPC') {
      await claim[Symbol.asyncDispose]();
      throw error;
    }
  }
  return claim;
}
