/** Releases from other nodes, of which any may lie: what is not to the byte what was sealed leaves nothing behind. */
import assert from 'node:assert/strict';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { type RawEntry, rawTar } from '../../testing/raw-tar.ts';
import { createLogger } from '../base/log.ts';
import { alonePeers, type PeerNode, type Peers, type PeerState } from '../cluster/cluster.ts';
import { packFolder } from './archive.ts';
import type { LaunchPlan, Release } from './model.ts';
import { ReleaseCopier } from './release-copy.ts';
import { ReleaseStore } from './release-store.ts';
import { HEALTH_DEFAULTS, PLACEMENT_DEFAULTS } from './settings.ts';

const PLAN: LaunchPlan = {
  kind: 'static',
  explanation: 'Static site',
  build: [],
  processes: {},
  staticRoot: '.',
  fallback: undefined,
  notFound: undefined,
  health: HEALTH_DEFAULTS,
  placement: PLACEMENT_DEFAULTS,
};

const APP = { name: 'web', uid: 61_234 };
const GROUP = process.geteuid?.() === 0 ? { gid: APP.uid } : {};

interface NodeStore {
  readonly data: string;
  readonly store: ReleaseStore;
  /** Everything that is on its disk of the app's releases. */
  readonly left: () => Promise<readonly string[]>;
}

async function nodeStore(t: TestContext): Promise<NodeStore> {
  const data = await mkdtemp(join(tmpdir(), 'moln-copy-'));
  const store = new ReleaseStore({ dataFolder: data });
  t.after(async () => {
    await store.removeApp(APP.name);
    await rm(data, { recursive: true, force: true });
  });
  await store.start();
  const left = async (): Promise<readonly string[]> => {
    const found = await readdir(join(data, 'apps'), { recursive: true });
    return found.filter((path) => /^web\/(?:incoming|releases)\/./.test(path));
  };
  return { data, store, left };
}

interface Sealed {
  readonly from: NodeStore;
  readonly release: Release;
  /** What the node that has it would send. */
  readonly tar: Buffer;
}

/** A release as a build leaves it: with executables, links, and one to the system. */
async function sealed(t: TestContext): Promise<Sealed> {
  const from = await nodeStore(t);
  const source = await mkdtemp(join(from.data, 'source-'));
  await writeFile(join(source, 'index.html'), '<h1>hej</h1>');
  await using staged = await from.store.receive(APP.name, packFolder(source));
  await mkdir(join(staged.path, 'bin'));
  await writeFile(join(staged.path, 'bin/run'), '#!/bin/sh\n');
  await chmod(join(staged.path, 'bin/run'), 0o755);
  await symlink('bin/run', join(staged.path, 'start'));
  await symlink('/usr/bin/env', join(staged.path, 'bin/env'));
  await symlink('bin/env', join(staged.path, 'env'));
  const release = await from.store.seal(staged, { plan: PLAN, createdAt: 42, ...GROUP });
  const copier = copierOf(from, {});
  return { from, release, tar: await buffer(await copier.pack(APP.name, release.id)) };
}

interface Other {
  readonly gives: () => Duplex;
  readonly state?: PeerState;
}

/** Peers that answer with what they are told to. */
function peersOf(others: Readonly<Record<string, Other>>): Peers {
  const alone = alonePeers({ id: 'here', name: 'here' });
  const [own] = alone.all();
  assert.ok(own !== undefined);
  const rest = Object.entries(others).map(([id, { state = 'ready' }]): PeerNode => ({
    ...own,
    id,
    name: id,
    state,
  }));
  return {
    ...alone,
    all: () => [own, ...rest],
    open: (id, method, params) => {
      assert.equal(method, 'apps.release');
      assert.deepEqual(Object.keys(params as object), ['app', 'id']);
      const other = others[id];
      assert.ok(other !== undefined, `${id} is not to be asked`);
      return Promise.resolve(other.gives());
    },
  };
}

/** `kept`: what the file store gives, if there is one. */
function copierOf(
  to: NodeStore,
  others: Readonly<Record<string, Other>>,
  kept?: () => Duplex,
): ReleaseCopier {
  const log = createLogger({ part: 'test', sinks: [], now: () => 0 });
  const open = (): Promise<Duplex> =>
    kept === undefined ? assert.fail('it is not to be asked') : Promise.resolve(kept());
  const vault = { isThere: kept !== undefined, open };
  return new ReleaseCopier({ releases: to.store, peers: peersOf(others), vault, log });
}

function sent(tar: Buffer): Duplex {
  return Duplex.from(Readable.from([tar], { objectMode: false }));
}

test('a copy is what was sealed: bytes, executables, links; and can be copied on', async (t) => {
  const { from, release, tar } = await sealed(t);
  const to = await nodeStore(t);
  await copierOf(to, { there: { gives: () => sent(tar) } }).ensure(APP, release);
  assert.deepEqual(await to.store.find(APP.name, release.id), JSON.parse(JSON.stringify(release)));
  await to.store.verify(APP.name, release.id);
  const path = await to.store.open(APP.name, release.id);
  assert.equal(await readFile(join(path, 'index.html'), 'utf8'), '<h1>hej</h1>');
  assert.equal((await lstat(join(path, 'index.html'))).mode & 0o777, 0o440);
  assert.equal((await lstat(join(path, 'bin/run'))).mode & 0o777, 0o550);
  assert.equal(await readlink(join(path, 'start')), 'bin/run');
  assert.equal(await readlink(join(path, 'bin/env')), '/usr/bin/env');
  if (GROUP.gid !== undefined) assert.equal((await lstat(path)).gid, GROUP.gid);
  assert.deepEqual((await to.left()).toSorted(), (await from.left()).toSorted());
  const again = await copierOf(to, {}).pack(APP.name, release.id);
  assert.ok((await buffer(again)).equals(tar), 'a third node gets the same bytes');
});

/** Entries beside those of an honest archive, and the code that they are refused with. */
const HOSTILE: readonly (readonly [what: string, entry: RawEntry, code: string])[] = [
  ['a path that leads up', { name: '../../x', content: 'x' }, 'APPS_ARCHIVE_REFUSED'],
  ['a path that leads up and back', { name: 'a/../b' }, 'APPS_ARCHIVE_REFUSED'],
  ['an absolute path', { name: '/tmp/moln-x', content: 'x' }, 'APPS_ARCHIVE_REFUSED'],
  ['a link that leads up', { name: 'l', type: '2', link: '../../x' }, 'APPS_ARCHIVE_REFUSED'],
  ['a hard link to outside', { name: 'h', type: '1', link: '/etc/passwd' }, 'APPS_ARCHIVE_REFUSED'],
  ['a device', { name: 'd', type: '3' }, 'APPS_ARCHIVE_REFUSED'],
  ['a file through a link', { name: 'bin/env/x', content: 'x' }, 'APPS_ARCHIVE_REFUSED'],
  // Links to the system are what builds make too: the hash tells who made it.
  ['a link to the system', { name: 'l', type: '2', link: '/etc/passwd' }, 'APPS_COPY_DIFFERS'],
  ['one more file', { name: 'more', content: 'x' }, 'APPS_COPY_DIFFERS'],
  ['one more folder', { name: 'more/', type: '5' }, 'APPS_COPY_DIFFERS'],
];

const END_BYTES = 1024;

for (const [what, entry, code] of HOSTILE) {
  test(`a copy with ${what} is refused, and nothing of it is left`, async (t) => {
    const { release, tar } = await sealed(t);
    const to = await nodeStore(t);
    const before = await readdir(to.data, { recursive: true });
    const hostile = Buffer.concat([tar.subarray(0, -END_BYTES), rawTar([entry])]);
    await assert.rejects(to.store.takeOver(APP.name, release, Readable.from([hostile]), GROUP), {
      code,
    });
    assert.deepEqual(await to.left(), []);
    assert.equal(await to.store.find(APP.name, release.id), undefined);
    const after = await readdir(to.data, { recursive: true });
    const made = after.filter((path) => !before.includes(path));
    assert.deepEqual(made.toSorted(), ['apps/web', 'apps/web/incoming']);
  });
}

test('other bytes, another mode or another link are refused', async (t) => {
  const { release } = await sealed(t);
  const honest: readonly RawEntry[] = [
    { name: 'bin/run', content: '#!/bin/sh\n', mode: 0o755 },
    { name: 'bin/env', type: '2', link: '/usr/bin/env' },
    { name: 'env', type: '2', link: 'bin/env' },
    { name: 'index.html', content: '<h1>hej</h1>' },
    { name: 'start', type: '2', link: 'bin/run' },
  ];
  const changes: readonly RawEntry[] = [
    { name: 'index.html', content: '<h1>hey</h1>' },
    { name: 'bin/run', content: '#!/bin/sh\n', mode: 0o644 },
    { name: 'bin/env', type: '2', link: '/usr/bin/false' },
    { name: 'start', type: '2', link: 'bin/env' },
  ];
  for (const change of changes) {
    const to = await nodeStore(t);
    const entries = honest.map((entry) => (entry.name === change.name ? change : entry));
    const taking = to.store.takeOver(APP.name, release, sent(rawTar(entries)), GROUP);
    await assert.rejects(taking, { code: 'APPS_COPY_DIFFERS' }, change.name);
    assert.deepEqual(await to.left(), []);
  }
  const to = await nodeStore(t);
  await to.store.takeOver(APP.name, release, sent(rawTar(honest)), GROUP);
  assert.equal((await to.store.list(APP.name)).length, 1, 'unchanged it is taken');
});

test('a stream that is cut in the middle leaves nothing', async (t) => {
  const { release, tar } = await sealed(t);
  for (const length of [0, 512, 1000, Math.floor(tar.length / 2), tar.length - END_BYTES]) {
    const to = await nodeStore(t);
    const ends = sent(tar.subarray(0, length));
    await assert.rejects(
      to.store.takeOver(APP.name, release, ends, GROUP),
      { code: 'APPS_ARCHIVE_BROKEN' },
      `${length} bytes`,
    );
    assert.deepEqual(await to.left(), []);
    const fails = Readable.from(
      (async function* () {
        yield tar.subarray(0, length);
        throw new Error('the connection was reset');
      })(),
      { objectMode: false },
    );
    await assert.rejects(
      to.store.takeOver(APP.name, release, fails, GROUP),
      { code: 'APPS_ARCHIVE_BROKEN', message: /reset/ },
      `${length} bytes`,
    );
    assert.deepEqual(await to.left(), []);
  }
});

test('a node that lies is passed over, one that is lost is not asked', async (t) => {
  const { release, tar } = await sealed(t);
  const to = await nodeStore(t);
  const copier = copierOf(to, {
    lost: { gives: () => assert.fail('it is lost'), state: 'lost' },
    liar: { gives: () => sent(rawTar([{ name: 'index.html', content: 'mine' }])) },
    broken: { gives: () => sent(tar.subarray(0, 700)) },
    honest: { gives: () => sent(tar) },
    last: { gives: () => assert.fail('it is there already') },
  });
  await copier.ensure(APP, release);
  await to.store.verify(APP.name, release.id);
  await copier.ensure(APP, release);
});

test('when nobody can give it, the reasons are told by node, and it may be tried again', async (t) => {
  const { release, tar } = await sealed(t);
  const to = await nodeStore(t);
  let isMended = false;
  const copier = copierOf(to, {
    liar: { gives: () => sent(rawTar([{ name: '../x' }])) },
    broken: { gives: () => sent(isMended ? tar : tar.subarray(0, 700)) },
  });
  await assert.rejects(copier.ensure(APP, release), {
    code: 'APPS_RELEASE_MISSING',
    message: /liar: .*leads out.*; broken: .*cannot be read/,
    retryable: true,
  });
  assert.deepEqual(await to.left(), []);
  isMended = true;
  await copier.ensure(APP, release);
  const alone = await nodeStore(t);
  await assert.rejects(copierOf(alone, {}).ensure(APP, release), {
    code: 'APPS_RELEASE_MISSING',
    message: /there is no other node/,
  });
});

test('the file store is asked when no node gives it, and is believed no more than they are', async (t) => {
  const { release, tar } = await sealed(t);
  const to = await nodeStore(t);
  const broken = { gives: () => sent(tar.subarray(0, 700)) };
  const lies = (): Duplex => sent(rawTar([{ name: 'index.html', content: 'mine' }]));
  await assert.rejects(copierOf(to, { broken }, lies).ensure(APP, release), {
    code: 'APPS_RELEASE_MISSING',
    message: /broken: .*cannot be read.*; the file store: .* is not what was sealed/,
  });
  assert.deepEqual(await to.left(), []);
  await copierOf(to, { broken }, () => sent(tar)).ensure(APP, release);
  await to.store.verify(APP.name, release.id);
  const near = await nodeStore(t);
  const never = (): Duplex => assert.fail('a node has given it');
  await copierOf(near, { honest: { gives: () => sent(tar) } }, never).ensure(APP, release);
});

test('whoever asks at the same time waits for the same copy', async (t) => {
  const { release, tar } = await sealed(t);
  const to = await nodeStore(t);
  let opened = 0;
  const gives = (): Duplex => {
    opened++;
    return sent(tar);
  };
  const copier = copierOf(to, { there: { gives } });
  await Promise.all([1, 2, 3].map(() => copier.ensure(APP, release)));
  assert.equal(opened, 1);
});

test('only a sealed release is packed', async (t) => {
  const { from } = await sealed(t);
  const code = 'APPS_RELEASE_MISSING';
  for (const id of ['0123456789ab', '../../x']) {
    await assert.rejects(copierOf(from, {}).pack(APP.name, id), { code });
  }
});
