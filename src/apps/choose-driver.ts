/**
 * Which driver this node uses. The decision is a pure function of facts; `gatherDriverFacts` finds them out by
 * looking at folders and by trying the real thing once.
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { systemCode } from '../base/errors.ts';
import type { Drivers } from './driver.ts';
import { PlainDriver } from './driver-plain.ts';
import { UNSHARE_ARGS, UnshareDriver } from './driver-unshare.ts';
import { UID_FIRST } from './run-limits.ts';

const PROBE_TIMEOUT_MS = 10_000;

export interface DriverFacts {
  /** The agent's effective uid. */
  readonly uid: number;
  /** What went wrong when a sandbox was tried, in a few words; undefined when it worked. */
  readonly sandboxProblem: string | undefined;
  /** A file of the runtime that other users cannot run whatever is mounted, if any. */
  readonly closedRuntime: string | undefined;
  /** Topmost folders on the way to data, runtime and runners that other users cannot enter. */
  readonly closedFolders: readonly string[];
}

export type DriverChoice =
  | { readonly name: 'unshare'; readonly why: string }
  | { readonly name: 'plain'; readonly why: string; readonly ownUid: boolean };

/** `force` is for people who want the weaker driver, and for tests. */
export function chooseDriver(facts: DriverFacts, force?: 'plain'): DriverChoice {
  if (facts.uid !== 0)
    return { name: 'plain', why: 'the node does not run as root', ownUid: false };
  // Without mounts an app can only be given its own uid when that uid can walk to everything it needs.
  const ownUid = facts.closedFolders.length === 0 && facts.closedRuntime === undefined;
  if (force === 'plain') return { name: 'plain', why: 'it was asked for', ownUid };
  if (facts.closedRuntime !== undefined) {
    const why = `other users cannot run "${facts.closedRuntime}"`;
    return { name: 'plain', why, ownUid };
  }
  if (facts.sandboxProblem !== undefined) {
    return { name: 'plain', why: `a sandbox does not work here: ${facts.sandboxProblem}`, ownUid };
  }
  return {
    name: 'unshare',
    why: 'The node runs as root: each app has its own uid, process and mount namespaces',
  };
}

export interface DriverFolders {
  readonly data: string;
  /** Absolute path of the node binary, without symbolic links. */
  readonly node: string;
  /** Folder with the programs that serve Python and PHP apps. */
  readonly runners: string;
  /** Folder of sockets that are for all apps, if there is one. */
  readonly doors?: string;
}

/** Looks at folders and tries a sandbox; takes some 50 ms as root, nothing otherwise. */
export async function gatherDriverFacts(folders: DriverFolders): Promise<DriverFacts> {
  const uid = process.geteuid?.() ?? -1;
  if (uid !== 0) {
    return { uid, sandboxProblem: undefined, closedRuntime: undefined, closedFolders: [] };
  }
  const closed = [folders.data, dirname(folders.node), folders.runners].map(topmostClosed);
  return {
    uid,
    sandboxProblem: await trySandbox(),
    closedRuntime: (statSync(folders.node).mode & 0o005) === 0o005 ? undefined : folders.node,
    closedFolders: [...new Set(closed.filter((folder) => folder !== undefined))],
  };
}

export async function openDrivers(folders: DriverFolders, force?: 'plain'): Promise<Drivers> {
  const facts = await gatherDriverFacts(folders);
  const choice = chooseDriver(facts, force);
  const unshare = new UnshareDriver({
    why: choice.why,
    view: {
      hidden: [folders.data, ...facts.closedFolders],
      readable: [
        dirname(folders.node),
        folders.runners,
        ...(folders.doors === undefined ? [] : [folders.doors]),
      ],
    },
  });
  const plain = new PlainDriver(choice.name === 'plain' ? choice : { why: '', ownUid: false });
  return { chosen: choice.name === 'plain' ? plain : unshare, byName: { unshare, plain } };
}

/** The first folder from the root down that others may not enter. */
function topmostClosed(path: string): string | undefined {
  const parent = dirname(path);
  const above = parent === path ? undefined : topmostClosed(parent);
  if (above !== undefined) return above;
  try {
    return (statSync(path).mode & 0o001) === 0 ? path : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined when all tools are there and the kernel lets us. */
async function trySandbox(): Promise<string | undefined> {
  const script =
    'nsenter -V >/dev/null && mount -t tmpfs tmpfs /tmp && exec prlimit --core=0:0 -- setpriv ' +
    `--reuid=${UID_FIRST} --regid=${UID_FIRST} --clear-groups --no-new-privs ` +
    '--bounding-set=-all --inh-caps=-all --pdeathsig=KILL -- /bin/sh -c "exit 0"';
  try {
    await promisify(execFile)('unshare', [...UNSHARE_ARGS, '/bin/sh', '-c', script], {
      timeout: PROBE_TIMEOUT_MS,
      encoding: 'utf8',
    });
    return undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'unshare is not installed (Debian: util-linux)';
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    return said.trim().split('\n')[0] || 'unshare failed';
  }
}
