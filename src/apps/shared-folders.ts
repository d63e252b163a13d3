/**
 * The folders of buckets that apps ask for in their settings, mounted on this node while an instance that asked for them is here. One mount
 * a place and app: all its instances share it, and nobody else enters it. What serves a mount does not end with the agent. An instance that
 * has lost its mount ends by itself (`goneFolder`), and its next start mounts anew.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { promisify } from 'node:util';
import {
  davLack,
  davMounts,
  davProcess,
  dropDav,
  mountDav,
  type SeenMount,
  unmountDav,
} from '../base/davfs.ts';
import { ensureFolder } from '../base/disk.ts';
import { messageOf, MolnError, systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { isRunning } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { AppServices } from './app-context.ts';
import type { AppFolders } from './app-folders.ts';
import { type InstanceRecord, readRecords, type SharedFolder } from './instance-record.ts';
import { FOLDER_SEEN_MS, FOLDER_SEND_MS, FOLDERS_EVERY_MS } from './run-limits.ts';

/** What other nodes write is looked for that often, in seconds. */
const SETTINGS: readonly string[] = ['dir_refresh 1', 'file_refresh 1'];
const OPTIONS: readonly string[] = ['rw', 'dir_mode=700', 'file_mode=600', 'nosuid', 'nodev'];
const POLL_MS = 20;
const run = promisify(execFile);

export class SharedFolders implements Worker {
  readonly name = 'app folders';
  readonly #folders: AppFolders;
  readonly #services: Pick<AppServices, 'folderOf'>;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By app: what is done about its folders, one after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  #base: Promise<void> | undefined;
  #mounted = 0;

  constructor(options: {
    readonly folders: AppFolders;
    readonly services: Pick<AppServices, 'folderOf'>;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#folders = options.folders;
    this.#services = options.services;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  status(): string {
    return `${this.#mounted} folders of buckets mounted for apps`;
  }

  /**
   * Mounts what the record wishes and is not mounted, and says what serves each. The record is on the disk already: from then on nothing
   * of it is unmounted. Throws `APPS_NOT_ROOT`, `APPS_NO_DAVFS`, `APPS_NO_FUSE`, `APPS_MOUNT`, and what is wrong with the bucket.
   */
  async ready({ app, uid, folders = [] }: InstanceRecord): Promise<readonly SharedFolder[]> {
    if (folders.length === 0) return [];
    requireSystem(app);
    const ready: SharedFolder[] = [];
    await this.#alone(app, async () => {
      for (const { place } of folders) ready.push(await this.#ready(app, uid, place));
    });
    return ready;
  }

  /** Unmounts what no record wishes any more: of instances that ended, and of apps that were removed while no agent ran. */
  async step(signal: AbortSignal): Promise<StepResult> {
    const mounts = this.#seen();
    this.#mounted = mounts.length;
    for (const { folder } of mounts) {
      if (signal.aborted) break;
      const app = dirname(relative(this.#folders.shared, folder));
      await this.#alone(app, async () => {
        if (!this.#isWished(app, folder)) await this.#unmount(folder);
      });
    }
    return { kind: 'idle', retryInMs: FOLDERS_EVERY_MS };
  }

  /** The node stops, and its instances have: what they wrote last is sent. */
  async end(): Promise<void> {
    await Promise.all(this.#turns.values());
    await Promise.all(this.#seen().map(({ folder }) => this.#unmount(folder)));
    await closeBase(this.#folders.shared).catch((error: unknown) => {
      this.#log.warn('The place of shared folders stays', { reason: messageOf(error) });
    });
  }

  #seen(): readonly SeenMount[] {
    const { shared } = this.#folders;
    if (!existsSync(shared)) return [];
    return davMounts().filter(({ folder }) => folder.startsWith(`${shared}/`));
  }

  #isWished(app: string, folder: string): boolean {
    const places = readRecords(this.#folders.run(app)).flatMap(({ folders = [] }) => folders);
    return places.some(({ place }) => this.#folders.sharedFolder(app, place) === folder);
  }

  async #ready(app: string, uid: number, place: string): Promise<SharedFolder> {
    const { url, user, password } = await this.#services.folderOf(app, place);
    const folder = this.#folders.sharedFolder(app, place);
    const known = davProcess(folder);
    const seen = this.#seen().find((each) => each.folder === folder);
    // The port of WebDAV may be another one by now, and the app one of the same name.
    const fits = seen?.url === url && seen.uid === uid;
    if (fits && known !== undefined) return { place, server: known };
    await dropDav(folder, this.#clock);
    await this.#openBase();
    await ensureFolder(dirname(folder), 0o711);
    // An app that finds no mount here must not write to this machine's disk instead.
    await ensureFolder(folder, 0o700);
    try {
      await mountDav({ url, folder, user, password, options: OPTIONS, settings: SETTINGS, uid });
    } catch (error) {
      throw notMounted(app, place, messageOf(error));
    }
    const untilMs = this.#clock.monotonicMs() + FOLDER_SEEN_MS;
    for (;;) {
      const server = davProcess(folder);
      if (server !== undefined) {
        this.#log.info('A folder of an app is mounted', { app, place });
        return { place, server };
      }
      if (this.#clock.monotonicMs() > untilMs)
        throw notMounted(app, place, 'mount.davfs has ended');
      await this.#clock.sleep(POLL_MS);
    }
  }

  /** A mount of its own that is shared: what davfs2 mounts there in its own namespace is seen in all that have it (`davfs.ts`). */
  async #openBase(): Promise<void> {
    this.#base ??= openBase(this.#folders.shared).finally(() => {
      this.#base = undefined;
    });
    await this.#base;
  }

  async #unmount(folder: string): Promise<void> {
    try {
      await unmountDav(folder, { clock: this.#clock, withinMs: FOLDER_SEND_MS });
    } catch (error) {
      const reason = messageOf(error);
      this.#log.warn('A folder of an app could not be unmounted in order', { folder, reason });
      await dropDav(folder, this.#clock);
    }
    for (const each of [folder, dirname(folder)]) removeIfEmpty(each);
  }

  async #alone(app: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(app) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#turns.set(app, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(app) === settled) this.#turns.delete(app);
    }
  }
}

/** What a record says before anything is mounted; undefined when nothing is asked for. */
export function wishedFolders(
  places: Readonly<Record<string, string>>,
): readonly SharedFolder[] | undefined {
  const wished = [...new Set(Object.values(places))].map((place) => ({ place }));
  return wished.length === 0 ? undefined : wished;
}

/** The place whose mount an instance was started with and that serves no more. */
export function goneFolder({ folders = [] }: InstanceRecord): string | undefined {
  return folders.find(({ server }) => server !== undefined && !isRunning(server))?.place;
}

async function openBase(base: string): Promise<void> {
  await ensureFolder(dirname(base), 0o711);
  await ensureFolder(base, 0o711);
  const small = 'mode=711,size=1m,nosuid,nodev';
  if (!isMounted(base)) await run('mount', ['-t', 'tmpfs', '-o', small, 'moln', base]);
  await run('mount', ['--make-shared', base]);
}

async function closeBase(base: string): Promise<void> {
  if (isMounted(base)) await run('umount', [base]);
  for (const each of [base, dirname(base)]) removeIfEmpty(each);
}

/** Its path has nothing that proc_pid_mountinfo(5) escapes. */
function isMounted(base: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === base);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (!['ENOTEMPTY', 'ENOENT', 'EBUSY'].includes(code)) throw error;
  }
}

function requireSystem(app: string): void {
  if (process.geteuid?.() !== 0)
    throw new MolnError('APPS_NOT_ROOT', `App "${app}" asks for folders, and only root can mount`, {
      hint: 'Run this node as root, or use S3_… instead',
    });
  const lack = davLack();
  if (lack === undefined) return;
  const message = `App "${app}" asks for folders. ${lack.message}`;
  throw new MolnError(`APPS_NO_${lack.kind}`, message, lack);
}

function notMounted(app: string, place: string, said: string): MolnError {
  return new MolnError('APPS_MOUNT', `"${place}" cannot be mounted for app "${app}": ${said}`, {
    hint: 'See the log of the system for words of mount.davfs',
    retryable: true,
  });
}
