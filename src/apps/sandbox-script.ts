/**
 * Pure: the shell script that turns fresh namespaces into an app's sandbox and then runs the app under a tiny
 * init. Needs util-linux (mount, setpriv, prlimit) and any POSIX sh.
 */
import assert from 'node:assert/strict';
import type { LaunchSpec } from './driver.ts';
import { COMMAND_TAG } from './process-table.ts';
import { OPEN_FILES_MAX, PROCESSES_PER_APP_MAX } from './run-limits.ts';

/** Quotes for sh: everything but NUL survives. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** True when `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** Without those that lie below another one, and without duplicates; shortest first. */
export function outermost(folders: readonly string[]): string[] {
  const sorted = [...new Set(folders)].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return sorted.filter(
    (folder, index) => !sorted.slice(0, index).some((outer) => isWithin(folder, outer)),
  );
}

/**
 * The app's environment travels under this prefix while root's tools run: a `LD_PRELOAD` or `PATH` that an app sets
 * must not reach anything that still has privileges.
 */
const CARRIED = 'MOLN_CARRIED_';
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Where root's tools are looked up, whatever the app's own PATH says. */
const TOOLS_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** By these an agent finds processes that it has no record of. */
const TAGS = ['MOLN_INSTANCE', 'MOLN_DATA_DIR', COMMAND_TAG];

/** The environment for the privileged part of the start. Names that are no shell names are left out. */
function carriedEnvironment(
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const carried: Record<string, string> = { PATH: TOOLS_PATH };
  for (const [name, value] of Object.entries(env)) {
    if (TAGS.includes(name)) carried[name] = value;
    else if (ENV_NAME.test(name)) carried[`${CARRIED}${name}`] = value;
  }
  return carried;
}

/** Shell lines that give the carried names back; they run without privileges. */
function restoreLines(env: Readonly<Record<string, string>>): string[] {
  return Object.keys(env)
    .filter((name) => ENV_NAME.test(name) && !TAGS.includes(name))
    .map((name) => `export ${name}="$${CARRIED}${name}"; unset ${CARRIED}${name}`);
}

/**
 * PID 1 of the sandbox. A PID 1 ignores signals that it has no handler for, and everybody's orphans become its
 * children; so it forwards the signals that stop an app and reaps. Descriptor 3 carries stdin past the
 * `/dev/null` that sh gives to background commands.
 */
const INIT_LINES: readonly string[] = [
  'exec 3<&0',
  ...['TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2'].map(
    (signal) => `trap 'kill -${signal} "$child" 2>/dev/null' ${signal}`,
  ),
  '"$@" <&3 3<&- &',
  'child=$!',
  'exec 3<&-',
  // A trapped signal ends `wait` early; only a child that is gone ends the loop.
  'while :; do wait "$child"; code=$?; kill -0 "$child" 2>/dev/null || break; done',
  'exit "$code"',
];

/** argv that drops to the app's uid without any way back, then runs what follows. */
function dropPrivileges(uid: number): string[] {
  return [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
    '--inh-caps=-all',
    // The kernel clears the parent death signal of `unshare --kill-child` when the uid changes.
    '--pdeathsig=KILL',
    '--',
  ];
}

/** As far as this machine allows: inside a container the agent may not be able to raise a limit. */
const LIMIT_LINES: readonly string[] = [
  'ulimit -c 0',
  `prlimit --pid $$ --nofile=${OPEN_FILES_MAX}:${OPEN_FILES_MAX} 2>/dev/null || :`,
  `prlimit --pid $$ --nproc=${PROCESSES_PER_APP_MAX}:${PROCESSES_PER_APP_MAX} 2>/dev/null || :`,
];

/** The last lines of a privileged script: become the app, run `lines` with the app's argv. */
function becomeApp(spec: LaunchSpec, lines: readonly string[]): string[] {
  const script = [`unset ${SETUP} ${INIT}`, ...restoreLines(spec.env), ...lines].join('\n');
  const drop = dropPrivileges(spec.uid).join(' ');
  return [
    ...LIMIT_LINES,
    `cd ${shellQuote(spec.cwd)}`,
    `export ${INIT}=${shellQuote(script)}`,
    `exec ${drop} /bin/sh -c 'eval "$${INIT}"' moln-init "$@"`,
  ];
}

/** Scripts travel in the environment, so that a process list stays readable. */
const SETUP = 'MOLN_SETUP';
const INIT = 'MOLN_INIT';

/** argv and environment that run a privileged script on the app's command. */
export function scriptCommand(
  spec: LaunchSpec,
  script: string,
): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  return {
    argv: ['/bin/sh', '-c', `eval "$${SETUP}"`, 'moln-setup', ...spec.command],
    env: { ...carriedEnvironment(spec.env), [SETUP]: script },
  };
}

/** What the driver hides from every app, and what every app may read below that. */
export interface SandboxView {
  readonly hidden: readonly string[];
  readonly readable: readonly string[];
}

/** Each of `AppFolders.sharedFolder`, as a pattern of sh. */
const SHARED_FOLDERS = '/run/moln-*/folders/*/*';

/** POSIX sh knows descriptors of one digit only: 3 is the app's /tmp, 4 to 9 are hidden folders as they were. */
const COVERS_MAX = 6;

/**
 * The mounts of the sandbox. Folders that are hidden get an empty tmpfs on top; what the app may see below them is
 * mounted back at its own path, through a descriptor of the folder that was opened before. Runs as root in fresh
 * namespaces, with the app's argv as positional parameters.
 */
export function sandboxScript(spec: LaunchSpec, view: SandboxView): string {
  const covers = outermost(['/tmp', '/var/tmp', '/dev/shm', ...view.hidden]);
  const shown = [
    ...outermost(spec.writable).map((path) => ({ path, readOnly: false })),
    ...outermost([...spec.readable, ...view.readable]).map((path) => ({ path, readOnly: true })),
  ].flatMap(({ path, readOnly }) => {
    const cover = covers.find((one) => isWithin(path, one));
    return cover === undefined ? [] : [{ path, readOnly, cover }];
  });
  const opened = [...new Set(shown.map(({ cover }) => cover))];
  assert(opened.length <= COVERS_MAX, `A sandbox shows parts of at most ${COVERS_MAX} folders`);
  // Outer folders first, or they would bury the inner ones.
  shown.sort((a, b) => a.path.length - b.path.length);

  const lines = ['set -e', 'umask 022', ...leaveLines(spec.shared)];
  lines.push(`exec 3<${shellQuote(spec.tmpFolder)}`);
  for (const [index, cover] of opened.entries()) {
    lines.push(`exec ${index + 4}<${shellQuote(cover)}`);
  }
  for (const cover of covers) lines.push(coverLine(cover));
  for (const { path, readOnly, cover } of shown) {
    const at = shellQuote(path);
    const below = cover === '/' ? path : path.slice(cover.length);
    lines.push(`mkdir -p ${at}`, bind(opened.indexOf(cover) + 4, at, below));
    if (readOnly) lines.push(`mount -o remount,bind,ro ${at}`);
  }
  lines.push('exec 3<&-');
  for (const index of opened.keys()) lines.push(`exec ${index + 4}<&-`);
  return [...lines, ...becomeApp(spec, INIT_LINES)].join('\n');
}

/** For a command inside the namespaces of a running sandbox; runs as root after `nsenter`. */
export function insideScript(spec: LaunchSpec): string {
  return becomeApp(spec, ['exec "$@"']).join('\n');
}

/**
 * Mounted folders of other apps, of whatever node on this machine, leave these namespaces: nobody else sees them, and they can be unmounted
 * where they belong while this app runs on. Not by their helper, and without a word to the system's table, for they only leave here.
 */
function leaveLines(own: readonly string[]): string[] {
  const kept = own.length === 0 ? [] : [`${own.map(shellQuote).join('|')}) ;;`];
  return [
    'mounts=$(cat /proc/self/mountinfo)',
    'printf "%s\\n" "$mounts" | while read -r _ _ _ _ at _; do case "$at" in',
    ...kept,
    `${SHARED_FOLDERS}) umount -n -i -l "$at" || exit 1 ;;`,
    'esac; done',
    'unset mounts',
  ];
}

function coverLine(cover: string): string {
  const at = shellQuote(cover);
  if (cover === '/tmp') return bind(3, at);
  if (cover !== '/var/tmp' && cover !== '/dev/shm') {
    return `mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs ${at}`;
  }
  return `[ ! -d ${at} ] || mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs ${at}`;
}

function bind(from: number, to: string, below = ''): string {
  return `mount --no-canonicalize --bind ${shellQuote(`/proc/self/fd/${from}${below}`)} ${to}`;
}
