/** What `moln doctor` looks at: each check reads one fact of this machine and says what to do about it. */
import { constants, accessSync, readFileSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
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

/** Programs that make Moln better when they are there. */
const TOOLS: readonly { readonly name: string; readonly package: string; readonly use: string }[] =
  [
    { name: 'python3', package: 'python3', use: 'Python apps run' },
    { name: 'gunicorn', package: 'gunicorn', use: 'WSGI apps run on a production server' },
    { name: 'uvicorn', package: 'uvicorn', use: 'ASGI apps run' },
    { name: 'php-cgi', package: 'php-cgi', use: 'PHP apps run' },
    { name: 'git', package: 'git', use: 'apps can be fetched from repositories' },
  ];

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
  const open = (statSync(dataFolder).mode & 0o022) !== 0;
  if (!open) return ok(name, `"${dataFolder}" is there and ours alone to write`);
  return {
    name,
    verdict: 'warn',
    sentence: `"${dataFolder}" may be written by other users`,
    fix: `Run "chmod go-w ${dataFolder}"`,
  };
}

/** How well apps can be kept apart. `has` says whether a program is installed. */
export function checkIsolation(uid: number | undefined, has: (tool: string) => boolean): Finding {
  const name = 'Isolation';
  if (uid !== 0) {
    return {
      name,
      verdict: 'warn',
      sentence: 'Not root: apps run as this user and are not kept apart',
      fix: 'Run Moln as root to give each app its own user and namespaces',
    };
  }
  const missing = ['unshare', 'setpriv'].filter((tool) => !has(tool));
  if (missing.length === 0) {
    return ok(
      name,
      'Root, unshare and setpriv are there: each app gets its own user and namespaces',
    );
  }
  return {
    name,
    verdict: 'warn',
    sentence: `${missing.join(' and ')} not found: apps are not kept apart`,
    fix: 'Run "apt-get install util-linux"',
  };
}

export function checkTools(has: (tool: string) => boolean): readonly Finding[] {
  return TOOLS.map((tool) => {
    if (has(tool.name)) return ok(tool.name, `found: ${tool.use}`);
    return {
      name: tool.name,
      verdict: 'warn',
      sentence: `not found; with it ${tool.use}`,
      fix: `Run "apt-get install ${tool.package}" if you need it`,
    };
  });
}

/** True when an executable of that name lies on the path. */
export function findsTool(path: string, tool: string): boolean {
  return path.split(':').some((folder) => {
    if (folder === '') return false;
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      // Not there or not ours to run: the next folder may have it.
      return false;
    }
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
