/**
 * Finds what belongs to a data folder by the process ids written there, for when no agent is left to ask:
 * `run/*.json` (agent, gateways) and `apps/<app>/run/*.json` (instances).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { isRunning, type ProcessId } from '../base/process-id.ts';

export interface Found {
  readonly id: ProcessId;
  readonly role: 'agent' | 'gateway' | 'instance';
  /** `instance blog-web-x7`, as people are told. */
  readonly label: string;
}

/** How deep a process id may lie in its file. */
const DEPTH_MAX = 3;

/** Living processes only; a recycled pid does not count. */
export function findProcesses(dataFolder: string): readonly Found[] {
  const found: Found[] = [];
  const collect = (folder: string, roleOf: (name: string) => Found['role']): void => {
    for (const file of namesIn(folder)) {
      if (!file.endsWith('.json')) continue;
      const name = file.slice(0, -'.json'.length);
      for (const id of processIdsIn(join(folder, file))) {
        const role = roleOf(name);
        if (isRunning(id))
          found.push({ id, role, label: role === name ? role : `${role} ${name}` });
      }
    }
  };
  collect(join(dataFolder, 'run'), (name) => (name.startsWith('gateway') ? 'gateway' : 'agent'));
  for (const app of namesIn(join(dataFolder, 'apps'))) {
    collect(join(dataFolder, 'apps', app, 'run'), () => 'instance');
  }
  return found;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

function processIdsIn(file: string): readonly ProcessId[] {
  try {
    return processIdsOf(JSON.parse(readFileSync(file, 'utf8')), DEPTH_MAX);
  } catch (error) {
    // Half a file, or one that vanished between listing and reading, names no process.
    if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function processIdsOf(value: unknown, depth: number): readonly ProcessId[] {
  if (typeof value !== 'object' || value === null || depth === 0) return [];
  if ('pid' in value && 'startTicks' in value) {
    const { pid, startTicks } = value;
    if (typeof pid === 'number' && typeof startTicks === 'number') return [{ pid, startTicks }];
  }
  return Object.values(value).flatMap((inner) => processIdsOf(inner, depth - 1));
}
