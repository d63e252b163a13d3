/** What `moln doctor` looks at: each check reads one fact of this machine and says what to do about it. */
import { constants, accessSync, readFileSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { DriverChoice, Tools } from '../apps/apps.ts';
import { diskSpace } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';

export interface Finding {
  readonly name: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly sentence: string;
  /** What to type or do; on everything but `ok`. */
  readonly fix: string | undefined;
}

const NODE_MAJOR_LEAST = 24;
const MEMORY_BYTES_LEAST: number = 256 * 1024 * 1024;
const MEMORY_BYTES_GOOD: number = 1024 * 1024 * 1024;
const DISK_BYTES_LEAST: number = 256 * 1024 * 1024;
const DISK_BYTES_GOOD: number = 2 * 1024 * 1024 * 1024;

const ok = (name: string, sentence: string): Finding => ({
  name,
  verdict: 'ok',
  sentence,
  fix: undefined,
});

export function checkRuntime(version: string): Finding {
  const major = Number(/^v(\d+)/.exec(version)?.[1]);
  if (major >= NODE_MAJOR_LEAST) return ok('Runtime', `Node ${version}`);
  return {
    name: 'Runtime',
    verdict: 'fail',
    sentence: `Node ${version}, Moln needs ${NODE_MAJOR_LEAST} or newer`,
    fix: 'Run "npm ci" in the folder of Moln, which brings it along, and start ./moln',
  };
}

export function checkMemory(): Finding {
  const bytes = totalmem();
  const sentence = `${formatBytes(bytes)} in this machine`;
  if (bytes >= MEMORY_BYTES_GOOD) return ok('Memory', sentence);
  return {
    name: 'Memory',
    verdict: bytes < MEMORY_BYTES_LEAST ? 'fail' : 'warn',
    sentence,
    fix: `Moln runs from ${formatBytes(MEMORY_BYTES_LEAST)}; ${formatBytes(MEMORY_BYTES_GOOD)} is comfortable`,
  };
}

export function checkDisk(dataFolder: string): Finding {
  const { freeBytes, sizeBytes } = diskSpace(existing(dataFolder));
  const sentence = `${formatBytes(freeBytes)} of ${formatBytes(sizeBytes)} free for "${dataFolder}"`;
  if (freeBytes >= DISK_BYTES_GOOD) return ok('Disk', sentence);
  return {
    name: 'Disk',
    verdict: freeBytes < DISK_BYTES_LEAST ? 'fail' : 'warn',
    sentence,
    fix: 'Free some space there, or choose another folder with --data DIR',
  };
}

export function checkDataFolder(dataFolder: string): Finding {
  const name = 'Data folder';
  const place = existing(dataFolder);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (systemCode(error) !== 'EACCES' && systemCode(error) !== 'EROFS') throw error;
    return {
      name,
      verdict: 'fail',
      sentence: `"${place}" may not be written by this user`,
      fix: 'Run as the user who owns it, or choose another folder with --data DIR',
    };
  }
  if (place !== dataFolder) return ok(name, `"${dataFolder}" will be created`);
  const { mode, uid } = statSync(dataFolder);
  if (uid !== process.geteuid?.()) {
    return {
      name,
      verdict: 'fail',
      sentence: `"${dataFolder}" belongs to another user (uid ${uid})`,
      fix: 'Run as that user, or choose another folder with --data DIR',
    };
  }
  const open = (mode & 0o022) !== 0;
  if (!open) return ok(name, `"${dataFolder}" is there and ours alone to write`);
  return {
    name,
    verdict: 'warn',
    sentence: `"${dataFolder}" may be written by other users`,
    fix: `Run "chmod go-w ${dataFolder}"`,
  };
}

/** How well apps can be kept apart, as the node itself would choose. */
export function checkIsolation(choice: DriverChoice): Finding {
  const name = 'Isolation';
  if (choice.name === 'unshare') return ok(name, choice.why);
  const apart = choice.ownUid ? 'share processes and files' : 'are not kept apart';
  return {
    name,
    verdict: 'warn',
    sentence: `apps ${apart}: ${choice.why}`,
    fix: 'Run Moln as root, with util-linux installed and its folders open to all users to enter',
  };
}

/** Programs that make more kinds of apps run, or run better. */
export function checkTools(tools: Tools): readonly Finding[] {
  const packages = tools.python?.packages ?? {};
  const rows: readonly (readonly [string, string | undefined, string, string])[] = [
    ['Python', tools.python?.version, 'python3 python3-venv', 'Python apps run'],
    ['gunicorn', packages['gunicorn'], 'gunicorn', 'WSGI apps run on a production server'],
    ['uvicorn', packages['uvicorn'], 'python3-uvicorn', 'ASGI apps have WebSockets'],
    ['PHP', tools.phpCgi ?? tools.phpFpm, 'php-cgi', 'PHP apps run'],
    ['npm', tools.npm, 'npm', 'Node apps get their packages'],
  ];
  return rows.map(([name, found, debian, use]) => {
    if (found !== undefined) return ok(name, `${found}: ${use}`);
    const fix = `Run "apt-get install ${debian}" if you need it`;
    return { name, verdict: 'warn', sentence: `not found; with it ${use}`, fix };
  });
}

const OPEN_FILES_GOOD = 65_536;

/** Every connection is an open file. Node raises the soft limit to the hard one by itself. */
export function checkOpenFiles(): Finding {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const most = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  if (most >= OPEN_FILES_GOOD) return ok('Open files', 'enough for many connections');
  return {
    name: 'Open files',
    verdict: 'warn',
    sentence: `at most ${most} a process, which limits connections`,
    fix: `Raise it with "ulimit -Hn ${OPEN_FILES_GOOD}" before "moln up"`,
  };
}

/** The folder itself, or the nearest one above it that exists. */
function existing(folder: string): string {
  let place = folder;
  for (;;) {
    try {
      statSync(place);
      return place;
    } catch (error) {
      const code = systemCode(error);
      if ((code !== 'ENOENT' && code !== 'ENOTDIR') || place === '/') throw error;
      place = dirname(place);
    }
  }
}
