/** From an archive to a sealed release, with the real npm, pip and sandbox of this machine; no network. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { BUILT_ARCHIVE_LIMITS, packFolder } from '../src/apps/archive.ts';
import { openDrivers } from '../src/apps/choose-driver.ts';
import { prepareRelease } from '../src/apps/prepare.ts';
import type { Prepared } from '../src/apps/prepare.ts';
import { ReleaseStore } from '../src/apps/release-store.ts';
import { findTools } from '../src/apps/tools.ts';
import { Turns } from '../src/apps/turns.ts';
import { systemClock } from '../src/base/time.ts';
import type { Clock } from '../src/base/time.ts';
import { isMolnError } from '../src/base/errors.ts';
import { until } from '../testing/until.ts';

const NODE = realpathSync(process.execPath);
const UID = 61_777;

interface Site {
  readonly data: string;
  readonly store: ReleaseStore;
  readonly steps: string[];
  readonly output: string[];
  prepare(files: Readonly<Record<string, string>>, options?: PrepareOptions): Promise<Prepared>;
  prepareFolder(folder: string, options?: PrepareOptions): Promise<Prepared>;
  /** What is in the sealed tree. */
  read(prepared: Prepared, path: string): Promise<string>;
  leftovers(): Promise<readonly string[]>;
}

interface PrepareOptions {
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly environment?: Readonly<Record<string, string>>;
}

async function site(t: TestContext): Promise<Site> {
  const data = await mkdtemp(join(tmpdir(), 'moln-build-'));
  t.after(() => rm(data, { recursive: true, force: true }));
  const drivers = await openDrivers({ data, node: NODE, runners: import.meta.dirname });
  const store = new ReleaseStore({ dataFolder: data });
  await store.start();
  const tools = await findTools();
  const builds = new Turns(1);
  const steps: string[] = [];
  const output: string[] = [];
  const prepareFolder = (folder: string, options: PrepareOptions = {}): Promise<Prepared> =>
    prepareRelease({
      store,
      builds,
      app: 'web',
      tar: packFolder(folder),
      driver: drivers.chosen,
      uid: UID,
      tools,
      node: NODE,
      cacheFolder: join(data, 'cache'),
      environment: { HOME: folder, ...options.environment },
      clock: options.clock ?? systemClock,
      onStep: (label) => steps.push(label),
      onOutput: (line) => output.push(line),
      signal: options.signal ?? new AbortController().signal,
    });
  return {
    data,
    store,
    steps,
    output,
    async prepare(files, options) {
      const folder = await mkdtemp(join(data, 'source-'));
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), text);
      }
      return prepareFolder(folder, options);
    },
    prepareFolder,
    async read(prepared, path) {
      return readFile(join(await store.open('web', prepared.release.id), path), 'utf8');
    },
    leftovers: () => readdir(join(data, 'apps/web/incoming')),
  };
}

/** A package.json with a build and nothing to install. */
function builds(script: string, more: object = {}): Readonly<Record<string, string>> {
  return {
    'package.json': JSON.stringify({
      name: 'x',
      scripts: { build: script, start: 'node .' },
      ...more,
    }),
  };
}

test('a build sees where packages come from and nothing else', async (t) => {
  const cloud = await site(t);
  const files = {
    ...builds('env > env.txt; id -u > uid.txt; nice > nice.txt; ls -a ~ > home.txt'),
    '.npmrc': '',
  };
  const prepared = await cloud.prepare(files, {
    environment: {
      NPM_CONFIG_REGISTRY: 'https://packages.example/',
      npm_config_prefix: '/somewhere',
      PIP_INDEX_URL: 'https://packages.example/simple',
      HTTPS_PROXY: 'http://proxy.example:3128',
      AWS_SECRET_ACCESS_KEY: 'secret',
      MOLN_DATA: '/elsewhere',
      NODE_OPTIONS: '--inspect',
    },
  });
  const env = await cloud.read(prepared, 'env.txt');
  assert.match(env, /^npm_config_registry=https:\/\/packages\.example\/$/im);
  assert.match(env, /^PIP_INDEX_URL=https:\/\/packages\.example\/simple$/m);
  assert.match(env, /^HTTPS_PROXY=http:\/\/proxy\.example:3128$/m);
  assert.doesNotMatch(env, /secret|\/elsewhere|--inspect|\/somewhere/);
  assert.match(await cloud.read(prepared, 'home.txt'), /\.npmrc/);
  assert.equal((await cloud.read(prepared, 'nice.txt')).trim(), '19');
  if (process.geteuid?.() === 0) {
    assert.equal((await cloud.read(prepared, 'uid.txt')).trim(), String(UID));
    const path = await cloud.store.open('web', prepared.release.id);
    const found = await lstat(join(path, 'env.txt'));
    assert.deepEqual([found.uid, found.gid, found.mode & 0o777], [0, UID, 0o440]);
  }
  await cloud.store.verify('web', prepared.release.id);
  assert.deepEqual(await cloud.leftovers(), []);
});

test('the same source is built once', async (t) => {
  const cloud = await site(t);
  const files = builds('date +%N > when.txt');
  const first = await cloud.prepare(files);
  const when = await cloud.read(first, 'when.txt');
  const second = await cloud.prepare(files);
  assert.deepEqual([first.reused, second.reused], [false, true]);
  assert.equal(second.release.id, first.release.id);
  assert.equal(await cloud.read(second, 'when.txt'), when);
  assert.equal(cloud.steps.filter((step) => step === 'npm run build').length, 1);
  const third = await cloud.prepare({ ...files, more: '' });
  assert.notEqual(third.release.id, first.release.id);
});

test('npm installs what is needed, and dev packages only for the build', async (t) => {
  const cloud = await site(t);
  const prepared = await cloud.prepare({
    ...builds('node build.js', {
      dependencies: { greeting: 'file:./packages/greeting' },
      devDependencies: { tool: 'file:./packages/tool' },
    }),
    'packages/greeting/package.json': '{"name": "greeting", "version": "1.0.0"}',
    'packages/greeting/index.js': 'module.exports = "hej"',
    'packages/tool/package.json': '{"name": "tool", "version": "1.0.0"}',
    'packages/tool/index.js': 'module.exports = (text) => text.toUpperCase()',
    'build.js':
      'require("fs").writeFileSync("built.txt", require("tool")(require("greeting")) + process.version)',
  });
  assert.deepEqual(cloud.steps.slice(2), ['npm dependencies', 'npm run build', 'npm prune']);
  assert.equal(await cloud.read(prepared, 'built.txt'), `HEJ${process.version}`);
  const path = await cloud.store.open('web', prepared.release.id);
  assert.equal(await readlink(join(path, 'node_modules/greeting')), '../packages/greeting');
  await assert.rejects(lstat(join(path, 'node_modules/tool')), { code: 'ENOENT' });
});

/** A wheel is a zip: made here, so that pip needs no network. */
function makeWheel(path: string): void {
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("greeting.py", "def main():\\n    print('hej')\\n")
    z.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n")
    z.writestr("greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("greeting-1.0.dist-info/entry_points.txt", "[console_scripts]\\ngreet = greeting:main\\n")
    z.writestr("greeting-1.0.dist-info/RECORD", "")
`;
  execFileSync('python3', ['-c', script, path]);
}

test('pip installs into an environment that works where the release ends up, also on another node', async (t) => {
  const cloud = await site(t);
  const folder = await mkdtemp(join(cloud.data, 'python-'));
  makeWheel(join(folder, 'greeting-1.0-py3-none-any.whl'));
  await writeFile(join(folder, 'requirements.txt'), './greeting-1.0-py3-none-any.whl\n');
  await writeFile(join(folder, 'Procfile'), 'web: greet\n');
  const good = await cloud.prepareFolder(folder);
  const path = await cloud.store.open('web', good.release.id);
  assert.equal(execFileSync(join(path, '.venv/bin/greet'), { encoding: 'utf8' }), 'hej\n');
  const script = await readFile(join(path, '.venv/bin/greet'), 'utf8');
  assert.doesNotMatch(script, /incoming/);

  const other = await site(t);
  const tar = packFolder(path, { isWhole: true, limits: BUILT_ARCHIVE_LIMITS });
  const { id } = await other.store.takeOver('web', good.release, tar);
  // What still leads to the first node leads nowhere now.
  await cloud.store.remove('web', id);
  const copy = join(await other.store.open('web', id), '.venv/bin');
  const output = { encoding: 'utf8' } as const;
  assert.equal(execFileSync(join(copy, 'greet'), output), 'hej\n');
  assert.equal(execFileSync(join(copy, 'python'), ['-m', 'greeting'], output), '');
  assert.match(execFileSync(join(copy, 'pip'), ['show', 'greeting'], output), /Version: 1\.0/);
});

test('a failed build says what it printed last and leaves nothing', async (t) => {
  const cloud = await site(t);
  const script =
    'for i in $(seq 50); do echo line $i; done; echo "\u001b[31mred\u001b[0m reason" >&2; exit 3';
  const error = await cloud.prepare(builds(script)).catch((thrown: unknown) => thrown);
  assert.ok(isMolnError(error, 'APPS_BUILD_FAILED'));
  assert.match(error.message, /"npm run build" ended with code 3/);
  const lines = error.details?.['lines'] as readonly string[];
  assert.equal(lines.length, 30);
  assert.ok(lines.includes('line 50'));
  assert.ok(lines.some((line) => line === 'red reason'));
  assert.ok(cloud.output.includes('line 1'));
  assert.deepEqual(await cloud.store.list('web'), []);
  assert.deepEqual(await cloud.leftovers(), []);
});

test('a build that hangs is ended by its time-out or by whoever asked', async (t) => {
  const cloud = await site(t);
  // Fires at once whatever it is asked to wait for.
  const impatient: Clock = { ...systemClock, after: (_ms, call) => systemClock.after(300, call) };
  const hanging = builds('sleep 1000 & echo $! ; sleep 1000');
  await assert.rejects(cloud.prepare(hanging, { clock: impatient }), {
    code: 'APPS_BUILD_FAILED',
    message: /took longer than 15 min/,
  });

  const stop = new AbortController();
  cloud.output.length = 0;
  const preparing = cloud.prepare(hanging, { signal: stop.signal });
  preparing.catch(() => undefined);
  await until('the build to run', () => cloud.output.some((line) => /^\d+$/.test(line)));
  stop.abort(new Error('gave up'));
  await assert.rejects(preparing, /gave up/);
  assert.deepEqual(await cloud.leftovers(), []);
  await until(
    'its processes to be gone',
    () => !execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes('sleep 1000'),
  );
});

test('what a build leaves running ends with it', async (t) => {
  const cloud = await site(t);
  await cloud.prepare(builds('(sleep 2000 &) ; echo done > done.txt'));
  await until(
    'it to be gone',
    () => !execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes('sleep 2000'),
  );
});

test('a built site is served from where the build wrote it', async (t) => {
  const cloud = await site(t);
  const vite = {
    devDependencies: { vite: 'file:./fake' },
    scripts: { build: 'mkdir out && touch out/index.html out/404.html' },
  };
  const fake = { 'fake/package.json': '{"name": "vite", "version": "1.0.0"}' };
  const { release } = await cloud.prepare({ ...fake, 'package.json': JSON.stringify(vite) });
  assert.equal(release.plan.staticRoot, 'out', 'not dist, where vite usually writes');
  assert.equal(release.plan.notFound, '404.html');
  const nothing = { ...vite, scripts: { build: 'true' } };
  await assert.rejects(cloud.prepare({ ...fake, 'package.json': JSON.stringify(nothing) }), {
    code: 'APPS_NOTHING_TO_DEPLOY',
    message: /made no folder "dist"/,
  });
});

test('a site does not give away its settings', async (t) => {
  const cloud = await site(t);
  const settings = JSON.stringify({ env: { KEY: 'private' }, domains: ['shop.example'] });
  const prepared = await cloud.prepare({ 'index.html': 'hej', 'moln.json': settings });
  assert.deepEqual(prepared.domains, ['shop.example']);
  const path = await cloud.store.open('web', prepared.release.id);
  assert.deepEqual(await readdir(path), ['index.html']);
});

test('a full disk is one sentence and leaves nothing', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root to mount a small disk');
  const data = await mkdtemp(join(tmpdir(), 'moln-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', data], { stdio: 'ignore' });
  } catch {
    await rm(data, { recursive: true });
    return t.skip('cannot mount a small disk here');
  }
  t.after(async () => {
    execFileSync('umount', [data]);
    await rm(data, { recursive: true });
  });
  const store = new ReleaseStore({ dataFolder: data });
  await store.start();
  const source = await mkdtemp(join(tmpdir(), 'moln-full-source-'));
  t.after(() => rm(source, { recursive: true }));
  await writeFile(join(source, 'index.html'), Buffer.alloc(1024 * 1024));
  await assert.rejects(store.receive('web', Readable.from(packFolder(source))), {
    code: 'DISK_FULL',
  });
  assert.deepEqual(await readdir(join(data, 'apps/web/incoming')), []);
});
