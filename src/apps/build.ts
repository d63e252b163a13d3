/**
 * Runs the build commands of a release in its staged tree: in the app's own sandbox and uid where the node has that,
 * at the lowest priority, with nothing of the agent's environment but where packages come from.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ensureFolder, requireSpace } from '../base/disk.ts';
import { MolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { processId } from '../base/process-id.ts';
import type { ProcessId } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import { formatDuration } from '../base/time.ts';
import { buildEnvironment, copyRegistrySettings } from './build-environment.ts';
import type { BuildFolders } from './build-environment.ts';
import type { Driver, LaunchSpec } from './driver.ts';
import type { BuildStep } from './model.ts';
import { freeBytesLeast } from './release-store.ts';
import type { StagedTree } from './release-store.ts';
import { BUILD_WATCH_EVERY_MS } from './run-limits.ts';
import type { Tools } from './tools.ts';
import { giveTree, removeOwnedTree } from './tree-owner.ts';
import { relocateVenv } from './venv.ts';

/** Lines of output that a failed build shows. */
export const FAILED_BUILD_LINES = 30;
/** Longer lines are cut into pieces. */
const LINE_CHARACTERS_MAX = 2000;

export interface BuildContext {
  readonly driver: Driver;
  /** Unix uid and gid of the app; used when the agent is root. */
  readonly uid: number;
  readonly tools: Tools;
  /** Absolute path of the node binary. */
  readonly node: string;
  /** `<data>/cache`: downloads of npm and pip, kept per app. */
  readonly cacheFolder: string;
  /** The agent's environment, for registries and proxies. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly onStep: (label: string) => void;
  readonly onOutput: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs all steps in order. Throws `APPS_BUILD_FAILED` with the last lines of output (`details.lines`), or the signal's
 * reason; then every process of the build is gone.
 */
export async function runBuild(
  staged: StagedTree,
  steps: readonly BuildStep[],
  context: BuildContext,
): Promise<void> {
  if (steps.length === 0) return;
  const asRoot = process.geteuid?.() === 0;
  const folders = await makeFolders(staged, context, asRoot);
  if (asRoot) await giveTree(staged.path, context.uid);
  for (const step of steps) {
    context.signal.throwIfAborted();
    context.onStep(step.label);
    await runStep(staged, step, folders, context);
  }
  await removeOwnedTree(folders.home);
  await removeOwnedTree(folders.tmp);
  await relocateVenv(staged.path, staged.finalPath);
}

async function makeFolders(
  staged: StagedTree,
  context: BuildContext,
  asRoot: boolean,
): Promise<BuildFolders> {
  const beside = dirname(staged.path);
  const folders: BuildFolders = {
    home: join(beside, 'home'),
    tmp: join(beside, 'tmp'),
    npmCache: join(context.cacheFolder, 'npm', staged.app),
    pipCache: join(context.cacheFolder, 'pip', staged.app),
  };
  await ensureFolder(context.cacheFolder, 0o711);
  await ensureFolder(dirname(folders.npmCache), 0o711);
  await ensureFolder(dirname(folders.pipCache), 0o711);
  for (const folder of Object.values(folders) as string[]) await ensureFolder(folder);
  await copyRegistrySettings(context.environment, folders.home);
  if (asRoot) {
    await giveTree(folders.home, context.uid);
    for (const folder of [folders.tmp, folders.npmCache, folders.pipCache]) {
      await chown(folder, context.uid, context.uid);
    }
  }
  return folders;
}

async function runStep(
  staged: StagedTree,
  step: BuildStep,
  folders: BuildFolders,
  context: BuildContext,
): Promise<void> {
  const instance = `${staged.app}-build-${randomId(6)}`;
  const tree = staged.path;
  const spec: LaunchSpec = {
    instance,
    uid: context.uid,
    command: [...lowPriority(context.tools), ...step.command],
    cwd: tree,
    env: buildEnvironment({
      agent: context.environment,
      folders,
      node: context.node,
      tree,
      app: staged.app,
      instance,
    }),
    tmpFolder: folders.tmp,
    readable: [],
    writable: [tree, folders.home, folders.npmCache, folders.pipCache],
    shared: [],
  };
  const plan = context.driver.command(spec);
  const child = spawn(plan.file, [...plan.args], {
    cwd: plan.cwd,
    env: plan.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(plan.uid === undefined ? {} : { uid: plan.uid }),
    ...(plan.gid === undefined ? {} : { gid: plan.gid }),
  });
  await finish(child, { step, instance, tree }, context);
}

interface Running {
  readonly step: BuildStep;
  readonly instance: string;
  readonly tree: string;
}

async function finish(
  child: ChildProcess,
  { step, instance, tree }: Running,
  context: BuildContext,
): Promise<void> {
  const root = child.pid === undefined ? undefined : processId(child.pid);
  const lines: string[] = [];
  readLines(child, (raw) => {
    // Where a build happens means nothing to people.
    const line = raw.replaceAll(`${tree}/`, '').replaceAll(tree, '.');
    lines.push(line);
    if (lines.length > FAILED_BUILD_LINES) lines.shift();
    context.onOutput(line);
  });
  const stop = (): void => killAll(context.driver, root, instance);
  let timedOut = false;
  using _deadline = context.clock.after(step.timeoutMs, () => {
    timedOut = true;
    stop();
  });
  let full: unknown;
  using _watch = context.clock.every(BUILD_WATCH_EVERY_MS, () => {
    full ??= noSpaceLeft(context.cacheFolder);
    if (full !== undefined) stop();
  });
  context.signal.addEventListener('abort', stop, { once: true });
  // Output that a forgotten background process keeps open must not hold the build up: it goes with the command.
  child.once('exit', stop);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    context.signal.throwIfAborted();
    if (full !== undefined) throw full;
    if (timedOut) throw failed(step, `took longer than ${formatDuration(step.timeoutMs)}`, lines);
    if (code !== 0) {
      const how = code === null ? `was ended by ${signal}` : `ended with code ${code}`;
      throw failed(step, how, lines);
    }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw failed(step, error.message, lines);
    throw error;
  } finally {
    context.signal.removeEventListener('abort', stop);
  }
}

/** A build that fills the disk would take what serves down with it. */
function noSpaceLeft(folder: string): unknown {
  try {
    requireSpace(folder, Math.floor(freeBytesLeast(folder) / 2));
    return undefined;
  } catch (error) {
    return error;
  }
}

function killAll(driver: Driver, root: ProcessId | undefined, instance: string): void {
  if (root !== undefined) driver.kill(root, instance);
}

/** Lines of both streams as they come; one that is too long is given in pieces, so that memory stays bounded. */
function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  const give = (line: string): void => {
    const plain = stripVTControlCharacters(line).trimEnd();
    if (plain !== '') onLine(plain);
  };
  for (const stream of [child.stdout, child.stderr]) {
    let pending = '';
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      const lines = (pending + text).split(/\r\n|[\r\n]/);
      pending = lines.pop() ?? '';
      lines.forEach(give);
      for (; pending.length > LINE_CHARACTERS_MAX; pending = pending.slice(LINE_CHARACTERS_MAX)) {
        give(pending.slice(0, LINE_CHARACTERS_MAX));
      }
    });
    stream?.once('end', () => give(pending));
  }
}

function failed(step: BuildStep, how: string, lines: readonly string[]): MolnError {
  return new MolnError('APPS_BUILD_FAILED', `Build step "${step.label}" ${how}`, {
    hint: 'Correct what the last lines say and deploy again; nothing was changed',
    details: { step: step.label, lines: [...lines] },
  });
}

/** Builds must not slow down what serves. */
function lowPriority(tools: Tools): readonly string[] {
  return [
    ...(tools.nice === undefined ? [] : [tools.nice, '-n', '19']),
    ...(tools.ionice === undefined ? [] : [tools.ionice, '-c', '3']),
  ];
}
