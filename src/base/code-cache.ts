/**
 * This program's code as Node has compiled it, kept on disk for the processes that an agent starts. One that finds its code there
 * starts in a third of the time and never loads the TypeScript compiler, which would stay in memory: 16 to 40 MiB, in each
 * of its threads that loads code anew.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Beside the code, as the launcher has it: whoever may write there may change the code anyway. */
const BESIDE: string = fileURLToPath(new URL('../../node_modules/.cache/moln', import.meta.url));
/** In the run folder, where nothing may be written beside the code. Never a shared folder, where another user could plant code. */
const OWN = 'compile-cache';
const LOAD_TIMEOUT_MS = 20_000;

/** Of a process that uses the cache. Threads look at it too, so it stays in place. */
export function codeCacheEnvironment(runFolder: string): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: codeCacheFolder(runFolder) };
}

export interface LoadedCode {
  readonly runFolder: string;
  /** What Node runs: an entry, and words with which it loads everything, writes down what it compiled and ends. */
  readonly words: readonly string[];
}

/** Once for each kind of process and `code`, see `codeOf`. That it failed costs memory and time, no more. */
export async function fillCodeCache(
  kind: string,
  code: string,
  { runFolder, words }: LoadedCode,
): Promise<void> {
  // Node keeps what each user compiled apart, and one may not write over the other's marker.
  const marker = join(codeCacheFolder(runFolder), `filled-${kind}-${process.getuid?.() ?? 'all'}`);
  if ((await readFile(marker, 'utf8').catch(() => '')) === code) return;
  if ((await loadCode({ runFolder, words })) !== undefined) return;
  await writeFile(marker, code).catch(() => undefined);
}

/** Loads what is on disk in a process of its own; answers what is wrong with it. */
export async function loadCode({ runFolder, words }: LoadedCode): Promise<string | undefined> {
  const child = spawn(process.execPath, words, {
    cwd: '/',
    env: codeCacheEnvironment(runFolder),
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LOAD_TIMEOUT_MS,
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0 ? undefined : said.trim();
}

function codeCacheFolder(runFolder: string): string {
  try {
    mkdirSync(BESIDE, { recursive: true });
    accessSync(BESIDE, constants.W_OK);
    return BESIDE;
  } catch {
    const own = join(runFolder, OWN);
    mkdirSync(own, { recursive: true });
    return own;
  }
}
