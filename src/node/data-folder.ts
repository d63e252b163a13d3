/**
 * The layout of one node's data folder, its format version, and the lock that keeps a second agent out.
 *
 * The lock is an abstract unix socket named after the folder: the kernel frees it when the agent dies, however it
 * dies, so there is no stale lock to clean up. `run/agent.json` only says who holds it.
 */
import { chmodSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  diskError,
  ensureFolderSync,
  isTemporaryName,
  removeTree,
  sweepTemporary,
  writeFileAtomicSync,
} from '../base/disk.ts';
import { MolnError, systemCode } from '../base/errors.ts';
import { isRunning, processId } from '../base/process-id.ts';
import { lockName, takeNameLock } from '../net/net.ts';

/** Version of the layout below; a folder of a newer one is refused untouched. */
const FORMAT = 1;
const FORMAT_FILE = 'format.json';

export interface DataFolder {
  readonly path: string;
  readonly registry: string;
  readonly apps: string;
  readonly databases: string;
  readonly run: string;
  readonly logs: string;
  readonly keys: string;
  readonly apiSocket: string;
}

/** Dispose frees the folder, and removes a new one that nobody wanted to keep. */
export interface FolderLock extends AsyncDisposable {
  readonly folder: DataFolder;
  /** The start succeeded: from now on the folder stays. */
  keep(): void;
}

/**
 * Creates what is missing and takes the lock. Throws `NODE_RUNNING`, `DATA_TOO_NEW`, `DATA_FOREIGN`, `DATA_DAMAGED` or
 * `DISK_*`, and then everything is as it was.
 */
export async function openDataFolder(path: string): Promise<FolderLock> {
  const root = resolve(path);
  const before = contentsOf(root);
  const isNew = before === undefined || before.length === 0;
  if (!isNew && !before.includes(FORMAT_FILE)) throw foreign(root);
  const found = statSync(root, { throwIfNoEntry: false });
  if (found !== undefined) checkOwner(root, found.uid);
  const modeBefore = found?.mode;
  // Apps run under their own uids and must pass through; what is private below closes itself.
  ensureFolderSync(root, 0o711);
  let kept = !isNew;
  const lock = await takeNameLock(realpathSync(root));
  if (lock === undefined) throw running(realpathSync(root));
  const release = async (): Promise<void> => {
    if (!kept) await undo(root, modeBefore);
    await lock[Symbol.asyncDispose]();
  };
  try {
    await sweepTemporary(root);
    checkFormat(join(root, FORMAT_FILE));
    for (const name of ['run', 'logs', 'keys']) ensureFolderSync(join(root, name), 0o700);
    ensureFolderSync(join(root, 'apps'), 0o711);
    const self = processId(process.pid);
    writeFileAtomicSync(join(root, 'run', 'agent.json'), `${JSON.stringify(self)}\n`);
  } catch (error) {
    await release();
    throw error;
  }
  return {
    folder: layout(root),
    keep: () => {
      kept = true;
    },
    [Symbol.asyncDispose]: release,
  };
}

/**
 * Names in the folder, undefined when there is none. What a file system makes by itself does not count, nor what a start
 * left that was killed in the middle of its first write.
 */
function contentsOf(root: string): readonly string[] | undefined {
  try {
    return readdirSync(root).filter((name) => name !== 'lost+found' && !isTemporaryName(name));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw diskError(error, root);
  }
}

/** Whoever owns a folder can put other files in the place of keys and registry, whatever their modes. */
function checkOwner(root: string, uid: number): void {
  if (uid === process.geteuid?.()) return;
  throw new MolnError('DATA_FOREIGN', `"${root}" belongs to another user (uid ${uid})`, {
    hint: `Run as that user, take it over with "chown -R $(id -u) ${root}", or choose another with --data DIR`,
  });
}

function foreign(root: string): MolnError {
  return new MolnError(
    'DATA_FOREIGN',
    `"${root}" holds files that are not Moln's, so it cannot be a data folder`,
    { hint: 'Choose an empty or new folder with --data DIR' },
  );
}

/** Removes everything of a folder that was empty or not there before. */
async function undo(root: string, modeBefore: number | undefined): Promise<void> {
  for (const name of contentsOf(root) ?? []) await removeTree(join(root, name));
  if (modeBefore === undefined) await removeTree(root);
  else chmodSync(root, modeBefore & 0o7777);
}

function layout(root: string): DataFolder {
  return {
    path: root,
    registry: join(root, 'registry.sqlite'),
    apps: join(root, 'apps'),
    databases: join(root, 'databases'),
    run: join(root, 'run'),
    logs: join(root, 'logs'),
    keys: join(root, 'keys'),
    apiSocket: join(root, 'run', 'api.sock'),
  };
}

function running(root: string): MolnError {
  const { pid, startTicks } = readJson(join(root, 'run', 'agent.json')) ?? {};
  const isKnown = typeof pid === 'number' && typeof startTicks === 'number';
  if (isKnown && !isRunning({ pid, startTicks })) return held(root);
  const who = isKnown ? ` as process ${pid}` : '';
  return new MolnError('NODE_RUNNING', `A node already runs on the data folder "${root}"${who}`, {
    hint: `Run "moln status --data ${root}" to see it, or choose another folder with --data DIR`,
  });
}

/** Any user may take the name of the lock: whoever has it can keep a node from starting, and nothing more. */
function held(root: string): MolnError {
  return new MolnError(
    'NODE_RUNNING',
    `The lock of the data folder "${root}" is held by a process that is not its last agent`,
    { hint: `Find it with "ss -xlp | grep ${lockName(root)}" as root and end it` },
  );
}

function checkFormat(path: string): void {
  const found = readJson(path);
  if (found === undefined) {
    writeFileAtomicSync(path, `${JSON.stringify({ format: FORMAT })}\n`, 0o644);
    return;
  }
  const format = found['format'];
  if (format === FORMAT) return;
  if (typeof format === 'number' && format > FORMAT) {
    throw new MolnError(
      'DATA_TOO_NEW',
      `The data folder has format ${format}, this Moln knows up to ${FORMAT}`,
      { hint: 'Start the newer Moln that wrote it, or choose another folder with --data DIR' },
    );
  }
  throw new MolnError('DATA_DAMAGED', `"${path}" does not say a known format`, {
    hint: 'Restore the file from a backup, or choose another folder with --data DIR',
  });
}

function readJson(path: string): Readonly<Record<string, unknown>> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    // Not JSON is as good as no known format; the caller says so.
    return {};
  }
}
