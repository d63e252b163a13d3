/** What the scenario tests need of the system, and how to get it on Debian. */
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runQuietly, type Outcome } from './run.ts';

interface Need {
  /** The program looked for, with `*` for a version in its name, or a Python module as `python3:NAME`. */
  readonly program: string;
  readonly package: string;
  readonly why: string;
}

const NEEDS: readonly Need[] = [
  { program: 'chromium', package: 'chromium', why: 'the console is tested in a real browser' },
  { program: 'curl', package: 'curl', why: 'apps are asked by a client that is not ours' },
  { program: 'haproxy', package: 'haproxy', why: 'a balancer that is not ours reads our load' },
  { program: 'openssl', package: 'openssl', why: 'certificates for the TLS tests' },
  { program: 'ip', package: 'iproute2', why: 'addresses and sockets of the machine' },
  { program: 'etcd', package: 'etcd-server', why: 'the registry of a cluster, as a real one' },
  { program: 'pebble', package: 'pebble', why: 'a certificate authority that speaks ACME' },
  { program: 'faketime', package: 'faketime', why: 'a clock that jumps' },
  { program: 'unshare', package: 'util-linux', why: 'apps kept apart' },
  { program: 'setpriv', package: 'util-linux', why: 'apps under users of their own' },
  { program: 'python3', package: 'python3', why: 'Python apps' },
  { program: 'python3:ensurepip', package: 'python3-venv', why: 'Python apps with packages' },
  { program: 'gunicorn', package: 'gunicorn', why: 'Python apps on WSGI' },
  { program: 'python3:uvicorn', package: 'python3-uvicorn', why: 'Python apps on ASGI' },
  { program: 'python3:flask', package: 'python3-flask', why: 'Python apps in Flask' },
  { program: 'python3:django', package: 'python3-django', why: 'Python apps in Django' },
  { program: 'php-cgi', package: 'php-cgi', why: 'PHP apps' },
  { program: 'php', package: 'php-cli', why: 'PHP apps' },
  { program: 'php-fpm*', package: 'php-fpm', why: 'PHP apps where php-cgi is missing' },
  { program: 'mount.davfs', package: 'davfs2', why: 'a bucket as a folder of the system' },
  { program: 'sshd', package: 'openssh-server', why: 'a storage that is rented, over SFTP' },
  { program: 'litmus', package: 'litmus', why: 'the judge of WebDAV servers' },
  { program: 's3cmd', package: 's3cmd', why: 'a client of S3 that is not ours' },
  { program: 'rclone', package: 'rclone', why: 'a client of S3 and WebDAV that is not ours' },
  { program: 'python3:boto3', package: 'python3-boto3', why: 'the client that most use for S3' },
];

const ATTEMPTS = 3;
const UPDATE_TIMEOUT_MS = 180_000;
const INSTALL_TIMEOUT_MS = 600_000;
const PAUSE_MS = 3000;
/** What apt's cron job may hold the lock for. */
const LOCK_TIMEOUT_S = 120;

/** True when everything is there, after installing it where that is possible. Says what it does. */
export async function ensurePackages(): Promise<boolean> {
  let missing = await findMissing();
  if (missing.length === 0) return true;
  const packages = [...new Set(missing.map((need) => need.package))];
  const command = `apt-get install --no-install-recommends -y ${packages.join(' ')}`;
  if (!isDebian() || process.getuid?.() !== 0) {
    console.error('The tests need programs that are not installed:');
    for (const need of missing) console.error(`  ${need.program.padEnd(16)} ${need.why}`);
    console.error(`Install them as root with:\n  ${command}`);
    return false;
  }
  console.log(`Installing what the tests need: ${packages.join(' ')}`);
  for (let attempt = 1; attempt <= ATTEMPTS && missing.length > 0; attempt++) {
    if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
    await install(packages);
    missing = await findMissing();
  }
  if (missing.length === 0) return true;
  const names = missing.map((need) => need.program).join(', ');
  console.error(`After ${ATTEMPTS} attempts these are still missing: ${names}`);
  console.error(`  See what "${command}" says`);
  return false;
}

async function install(packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', `DPkg::Lock::Timeout=${LOCK_TIMEOUT_S}`, '-o', 'Acquire::Retries=3', '-q'];
  const update = ['apt-get', ...wait, 'update'];
  report(await runQuietly(update, { timeoutMs: UPDATE_TIMEOUT_MS, env }), 'apt-get update');
  const add = ['apt-get', ...wait, 'install', '-y', '--no-install-recommends', ...packages];
  report(await runQuietly(add, { timeoutMs: INSTALL_TIMEOUT_MS, env }), 'apt-get install');
}

function report(outcome: Outcome, what: string): void {
  if (!outcome.ok) console.error(`${what} failed:\n${outcome.output.slice(-2000)}`);
}

async function findMissing(): Promise<readonly Need[]> {
  const found = await Promise.all(NEEDS.map((need) => isThere(need.program)));
  return NEEDS.filter((_need, at) => found[at] !== true);
}

async function isThere(program: string): Promise<boolean> {
  const [interpreter = '', module] = program.split(':');
  if (module === undefined) return isOnPath(interpreter);
  // Debian's own interpreter, whatever else stands first on the path: its packages are for that one.
  const command = ['/usr/bin/python3', '-c', `import ${module}`];
  return (await runQuietly(command, { timeoutMs: UPDATE_TIMEOUT_MS })).ok;
}

function isOnPath(program: string): boolean {
  // What only root runs need not be on everybody's path.
  return [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin'].some((folder) => {
    try {
      if (!program.endsWith('*')) {
        accessSync(join(folder, program), constants.X_OK);
        return true;
      }
      return readdirSync(folder).some((name) => name.startsWith(program.slice(0, -1)));
    } catch {
      // Not in this folder; the next one may have it.
      return false;
    }
  });
}

function isDebian(): boolean {
  try {
    return /^ID(?:_LIKE)?=.*(?:debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    // No such file: not a system that we know how to install on.
    return false;
  }
}
