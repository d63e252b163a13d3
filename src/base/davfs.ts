/**
 * Folders of WebDAV as folders of this machine, by the system's own davfs2: what that needs, how one is mounted and ended, and which
 * process serves it. Root's affair.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, systemCode } from './errors.ts';
import { isRunning, processId, type ProcessId, signalProcess } from './process-id.ts';
import { type Clock, withDeadline } from './time.ts';

const run = promisify(execFile);
const HELPER = 'mount.davfs';
const HELPER_FOLDERS: readonly string[] = ['/usr/sbin', '/sbin', '/usr/local/sbin'];
const FUSE = '/dev/fuse';
const USERS = '/etc/passwd';
/** Where davfs2 keeps the pid of each mount. */
const PIDS = '/run/mount.davfs';
/** So long the process of a mount may take to put in order what it has in its cache. */
const END_WITHIN_MS = 10_000;
const END_POLL_MS = 20;
/**
 * What was written is sent when the file is closed. From Linux 6.16 on a folder cannot be listed with davfs2's own buffer of 16 KiB
 * (https://github.com/alisarctl/davfs2/issues/22).
 */
const SETTINGS: readonly string[] = ['ask_auth 0', 'delay_upload 0', 'buf_size 128'];
/**
 * davfs2 serves a file to its owner only when that one has a name, and users of apps have none: its process, and nothing else, sees an /etc
 * that has one. A whole /etc, for what covers a file goes when that is replaced, as `useradd` does. What it mounts is seen by all because
 * the folder is below a shared mount (mount_namespaces(7)); where /etc is one as well, its cover must not be.
 */
const NAMED = [
  'mount --make-private "$(findmnt -n -o TARGET -T /etc)"',
  'users=$1; shift; cd /etc; mount -t tmpfs -o mode=755,size=64m,nosuid,nodev moln /etc',
  'for each in davfs2 fstab group hosts ld.so.cache mtab nsswitch.conf resolv.conf',
  'do [ ! -e "$each" ] || cp -a "$each" /etc/; done',
  'cp "$users" /etc/passwd; cd /; exec mount "$@"',
].join('\n');

/** What mounting needs and this machine has not. */
export interface DavLack {
  readonly kind: 'DAVFS' | 'FUSE';
  readonly message: string;
  readonly hint: string;
}

export interface DavMount {
  /** With a slash at its end. */
  readonly url: string;
  /** Exists, and nothing is mounted there. */
  readonly folder: string;
  readonly user: string;
  readonly password: string;
  /** Further options of mount(8), such as `ro`. */
  readonly options: readonly string[];
  /** Further lines of davfs2.conf(5). */
  readonly settings?: readonly string[];
  /** A user without a name, whose the files are; the folder must be below a shared mount. */
  readonly uid?: number;
}

/** One that the system knows, whether or not its process still runs. */
export interface SeenMount {
  readonly folder: string;
  readonly url: string;
  /** Whose the files are. */
  readonly uid: number;
}

/** Undefined when davfs2 and FUSE are here. */
export function davLack(): DavLack | undefined {
  if (!HELPER_FOLDERS.some((folder) => existsSync(join(folder, HELPER))))
    return {
      kind: 'DAVFS',
      message: `Mounting needs davfs2, and there is no "${HELPER}" here`,
      hint: 'Install it: apt-get install davfs2',
    };
  try {
    accessSync(FUSE, constants.R_OK | constants.W_OK);
  } catch {
    return {
      kind: 'FUSE',
      message: `Mounting needs ${FUSE}, which is not here`,
      hint: 'Load it with "modprobe fuse"; a container has to be given the device',
    };
  }
  return undefined;
}

/** Throws what `mount` said. The password is in files that only root reads, and only until it is mounted. */
export async function mountDav(wish: DavMount): Promise<void> {
  const { url, folder, user, password, options, settings = [], uid } = wish;
  const own = await mkdtemp(join(tmpdir(), 'moln-mount-'));
  try {
    const [conf, secrets, users] = ['davfs2.conf', 'secrets', 'passwd'].map((name) =>
      join(own, name),
    ) as [string, string, string];
    await writeFile(secrets, `${url} ${user} ${password}\n`, { mode: 0o600 });
    const lines = [`secrets ${secrets}`, ...SETTINGS, ...settings];
    await writeFile(conf, `${lines.join('\n')}\n`, { mode: 0o600 });
    const owner = uid === undefined ? [] : [`uid=${uid}`];
    const words = ['-t', 'davfs', '-o', [`conf=${conf}`, ...owner, ...options].join(','), url];
    if (uid === undefined) {
      await run('mount', [...words, folder]);
      return;
    }
    const line = `moln-${uid}:x:${uid}:${uid}::/nonexistent:/usr/sbin/nologin\n`;
    const known = (await readFile(USERS, 'utf8')).replace(/\n?$/, '\n');
    await writeFile(users, known + line, { mode: 0o644 });
    const script = ['sh', '-ec', NAMED, 'moln-mount', users, ...words, folder];
    await run('unshare', ['--mount', '--propagation', 'unchanged', '--', ...script]);
  } catch (error) {
    throw new Error(saidBy(error), { cause: error });
  } finally {
    await rm(own, { recursive: true });
  }
}

/**
 * Resolves when all that was written is sent; throws what `umount` said. davfs2's own helper does the same and looks every three seconds
 * whether it is done.
 */
export async function unmountDav(
  folder: string,
  { clock, withinMs = Infinity }: { readonly clock: Clock; readonly withinMs?: number },
): Promise<void> {
  const daemon = davProcess(folder);
  const late = (): Error => new Error('What serves it does not answer');
  try {
    // It looks at the folder first, and so waits for the process that serves it, which may be busy or hang.
    const left = run('umount', ['-i', folder]);
    await (withinMs === Infinity ? left : withDeadline(withinMs, late, () => left));
  } catch (error) {
    throw new Error(saidBy(error), { cause: error });
  }
  if (daemon === undefined || (await ended(daemon, clock, withinMs))) return;
  throw new Error('Not all that was written could be sent in time');
}

/** Ends what is left of a mount that does not serve as it should, so that another one can take its place. */
export async function dropDav(folder: string, clock: Clock): Promise<void> {
  const daemon = davProcess(folder);
  // In whatever state it is: this one does not look at the folder.
  for (const _ of davMounts().filter((each) => each.folder === folder))
    await run('umount', ['-i', '-l', folder]);
  if (daemon !== undefined) {
    signalProcess(daemon, 'SIGTERM');
    if (!(await ended(daemon, clock, END_WITHIN_MS))) signalProcess(daemon, 'SIGKILL');
  }
  // davfs2 refuses to mount where it finds one.
  await rm(pidFile(folder), { force: true });
}

/** The process that serves what is mounted there, while it runs. */
export function davProcess(folder: string): ProcessId | undefined {
  try {
    const pid = Number(readFileSync(pidFile(folder), 'utf8'));
    if (!Number.isSafeInteger(pid) || pid < 2) return undefined;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words[0]?.endsWith(HELPER) === true && words.includes(folder)
      ? processId(pid)
      : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** All that are mounted; proc_pid_mountinfo(5). */
export function davMounts(): readonly SeenMount[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [left = '', right = ''] = line.split(' - ');
      const [type, url = '', options = ''] = right.split(' ');
      const uid = Number(/(?:^|,)user_id=(\d+)/.exec(options)?.[1]);
      const folder = left.split(' ')[4] ?? '';
      return type === 'fuse' && url.startsWith('http')
        ? [{ folder: plain(folder), url: plain(url), uid }]
        : [];
    });
}

async function ended(daemon: ProcessId, clock: Clock, withinMs: number): Promise<boolean> {
  const untilMs = clock.monotonicMs() + withinMs;
  while (isRunning(daemon)) {
    if (clock.monotonicMs() > untilMs) return false;
    await clock.sleep(END_POLL_MS);
  }
  return true;
}

function pidFile(folder: string): string {
  return join(PIDS, `${folder.slice(1).replaceAll('/', '-')}.pid`);
}

function plain(escaped: string): string {
  return escaped.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** What a program wrote before it failed, as one line. */
function saidBy(error: unknown): string {
  const { stderr } = error as { readonly stderr?: string };
  const said = (stderr ?? '').trim().split('\n').join('; ');
  return said === '' ? messageOf(error) : said;
}
