/**
 * Serves a PHP app inside its instance: `php-main.ts --root FOLDER`. Files come from the disk, scripts from the
 * children of a php-cgi or php-fpm that this process starts. Listens on LISTEN_SOCKET, else on 127.0.0.1:PORT. Stands alone: only
 * this folder is visible inside an instance.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join, sep } from 'node:path';
import { scheduler } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PhpHandler } from './php-handler.ts';

/** Scripts at the same time, unless PHP_FCGI_CHILDREN says otherwise. */
const CHILDREN = 5;
/** A child is replaced after so many requests, since PHP extensions leak. */
const REQUESTS_PER_CHILD = 1000;
const PHP_START_TRIES = 500;
const PHP_START_PAUSE_MS = 20;
const KEEP_ALIVE_TIMEOUT_MS = 120_000;
const PHP_SOCKET = 'php.sock';
/** Longest path of a unix socket (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

function fail(message: string): never {
  process.stderr.write(`moln: ${message}\n`);
  process.exit(1);
}

function privateFolder(): string {
  const wished = join(tmpdir(), 'php-XXXXXX', 'php.sock');
  const base = Buffer.byteLength(wished) <= SOCKET_PATH_BYTES_MAX ? tmpdir() : '/tmp';
  return mkdtempSync(join(base, 'php-'));
}

function phpSettings(): string[] {
  const settings = ['cgi.fix_pathinfo=0', 'expose_php=0', 'log_errors=1', 'display_errors=0'];
  const data = process.env['MOLN_DATA_DIR'];
  if (data !== undefined && data !== '') {
    // Sessions outlive an instance, and belong to this app alone.
    const sessions = join(data, 'php-sessions');
    mkdirSync(sessions, { recursive: true, mode: 0o700 });
    settings.push(`session.save_path=${sessions}`);
  }
  return settings.flatMap((each) => ['-d', each]);
}

/**
 * What php-cgi or php-fpm needs to be told to serve on the socket in `folder`. Both keep `children` workers; php-fpm
 * takes that from a file only.
 */
function listenWords(program: string, folder: string, children: number): string[] {
  const socket = join(folder, PHP_SOCKET);
  if (!basename(program).startsWith('php-fpm')) return ['-b', socket];
  // php-fpm does not like to be root; where the app is root, its node chose so.
  const isRoot = process.geteuid?.() === 0;
  const config = join(folder, 'fpm.conf');
  const lines = [
    '[global]',
    // It insists on a file. What it says goes to our standard error, which cannot always be opened by name.
    'error_log = /dev/null',
    '[app]',
    `listen = ${socket}`,
    ...(isRoot ? ['user = root', 'group = root'] : []),
    'pm = static',
    `pm.max_children = ${children}`,
    `pm.max_requests = ${REQUESTS_PER_CHILD}`,
    'clear_env = no',
    'catch_workers_output = yes',
    'decorate_workers_output = no',
    // Which scripts run is decided here, by `php-paths.ts`.
    'security.limit_extensions =',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  const asRoot = isRoot ? ['--allow-to-run-as-root'] : [];
  return ['--nodaemonize', '--force-stderr', ...asRoot, '--fpm-config', config];
}

async function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path: socket });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { root: { type: 'string' }, php: { type: 'string', default: 'php-cgi' } },
  });
  if (values.root === undefined) fail('Usage: php-main.ts --root FOLDER');
  const root = realpathSync(values.root);
  const release = realpathSync(process.cwd());
  const inside = root === release || root.startsWith(release + sep) ? release : root;
  const children = Number(process.env['PHP_FCGI_CHILDREN'] ?? CHILDREN);
  const folder = privateFolder();
  const phpSocket = join(folder, PHP_SOCKET);
  let stopping = false;

  const php = spawn(values.php, [...listenWords(values.php, folder, children), ...phpSettings()], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      PHP_FCGI_CHILDREN: String(children),
      PHP_FCGI_MAX_REQUESTS: String(REQUESTS_PER_CHILD),
    },
  });
  php.once('error', (error) => fail(`Cannot start ${values.php}: ${error.message}`));
  php.once('exit', (code, signal) => {
    rmSync(folder, { recursive: true, force: true });
    if (stopping) process.exit(0);
    fail(`${basename(values.php)} ended (${signal ?? `code ${code}`})`);
  });
  const stop = (): void => {
    stopping = true;
    php.kill('SIGTERM');
  };

  const handler = new PhpHandler({
    folders: { root, inside },
    phpSocket,
    children,
    onError: (text) => process.stderr.write(text.endsWith('\n') ? text : `${text}\n`),
  });
  const server = createServer((request, response) => {
    handler.handle(request, response).catch((error: unknown) => {
      process.stderr.write(`moln: ${request.method} ${request.url}: ${String(error)}\n`);
      response.destroy();
    });
  });
  // The gateway in front watches the clock; uploads may take their time.
  server.requestTimeout = 0;
  // Longer than the gateway keeps a connection that it does not use, so that it never meets a closed one.
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.on('error', (error) => {
    process.stderr.write(`moln: Cannot listen: ${error.message}\n`);
    stop();
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopping = true;
      server.close(stop);
      server.closeIdleConnections();
    });
  }
  for (let tries = 0; !(await answers(phpSocket)); tries++) {
    if (tries >= PHP_START_TRIES) fail(`${basename(values.php)} does not answer`);
    await scheduler.wait(PHP_START_PAUSE_MS);
  }
  listen(server);
}

function listen(server: ReturnType<typeof createServer>): void {
  const socket = process.env['LISTEN_SOCKET'];
  const port = process.env['PORT'];
  if (socket !== undefined && socket !== '') {
    rmSync(socket, { force: true });
    server.listen(socket);
  } else if (port !== undefined && /^\d+$/.test(port)) server.listen(Number(port), '127.0.0.1');
  else fail('Neither LISTEN_SOCKET nor PORT says where to listen');
}

await main();
