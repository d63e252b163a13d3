/** Names and the record of the database process on disk. It writes its record itself, before it answers. */
import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import type { ProcessId } from '../base/process-id.ts';

/** `databases.json`, format 1. */
export interface ProcessRecord {
  readonly format: 1;
  readonly process: ProcessId;
  /** What it runs, see `codeOf`. */
  readonly code: string;
}

/** All absolute. */
export interface DatabaseFolders {
  /** Files of databases; the owner alone may enter it. */
  readonly folder: string;
  /** For sockets and records. */
  readonly runFolder: string;
  readonly logFolder: string;
}

export interface ProcessPaths {
  readonly socket: string;
  /** For apps, which may run as other users: whoever comes in there shows a token. */
  readonly appSocket: string;
  readonly record: string;
  /** Structured log of the process. */
  readonly log: string;
  /** What a crash prints. */
  readonly output: string;
  /** The embedded log of a node that is alone. */
  readonly ownLog: string;
  /** Says that the logs have moved to etcd. */
  readonly logNote: string;
  /** What the standby keeps of the logs. */
  readonly logMirror: string;
  /** Where other nodes come in, handed on by the gateways' door. */
  readonly peerSocket: string;
  /** The port for apps, kept so that their settings stay good. */
  readonly port: string;
}

/** Of `src`: what the process loads. */
export const CODE_FOLDERS: readonly string[] = [
  'accounts',
  'base',
  'database',
  'databases',
  'hrana',
  'http',
  'net',
  'planner',
  'registry',
  'slots',
  'sql',
  'sqlite',
];

export function processPaths({ folder, runFolder, logFolder }: DatabaseFolders): ProcessPaths {
  return {
    socket: join(runFolder, 'databases.sock'),
    // The data folder lets others through, and of what is in it this folder alone; sandboxes of apps show it.
    appSocket: join(folder, '..', 'doors', 'db.sock'),
    record: join(runFolder, 'databases.json'),
    log: join(logFolder, 'databases.jsonl'),
    output: join(logFolder, 'databases.out'),
    ownLog: join(folder, 'log.sqlite'),
    logNote: join(folder, 'log.json'),
    logMirror: join(folder, 'log-mirror.sqlite'),
    peerSocket: join(runFolder, 'databases.peers'),
    port: join(folder, 'port.json'),
  };
}

export async function writeProcessRecord(path: string, record: ProcessRecord): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(record)}\n`);
}

/** Undefined when there is none, or none that can be read: such a process is unknown. */
export async function readProcessRecord(path: string): Promise<ProcessRecord | undefined> {
  const text = await readTextIfAny(path);
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as Partial<ProcessRecord> | null;
    const isWhole =
      Number.isSafeInteger(record?.process?.pid) &&
      Number.isSafeInteger(record?.process?.startTicks) &&
      typeof record?.code === 'string';
    return isWhole ? (record as ProcessRecord) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
