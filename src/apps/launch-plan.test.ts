import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppFolders } from './app-folders.ts';
import { fillCommand, launchEnvironment, type LaunchInput } from './launch-plan.ts';

const INPUT: LaunchInput = {
  app: 'a',
  instance: 'a-web-1',
  release: 'r1',
  releaseFolder: '/r',
  dataFolder: '/d',
  folders: { base: '/b', home: '/h', tmp: '/t', socketFolder: '/s' },
  process: { command: ['x'], env: { MODE: 'release', KEEP: 'yes' }, kind: 'http' },
  node: '/opt/node/bin/node',
  runners: '/opt/runners',
  port: 4000,
  socket: '/s.sock',
  shared: {},
  env: { MODE: 'app', PORT: '1', MOLN_APP: 'other', HOME: '/root' },
};

test('places in a command are filled wherever they stand', () => {
  const command = ['{node}', '{runners}/wsgi.py', '--root={release}', '{else}'];
  assert.deepEqual(fillCommand(command, INPUT), [
    '/opt/node/bin/node',
    '/opt/runners/wsgi.py',
    '--root=/r',
    '{else}',
  ]);
});

test('settings of the app win over the release, identity and address over both', () => {
  const env = launchEnvironment(INPUT);
  assert.deepEqual([env['MODE'], env['KEEP']], ['app', 'yes']);
  assert.deepEqual([env['PORT'], env['MOLN_APP'], env['HOME']], ['4000', 'a', '/h']);
  assert.equal(env['LISTEN_SOCKET'], '/s.sock');
  assert.match(env['PATH'] ?? '', /\/opt\/node\/bin/);
});

test('mounted folders are told by name', () => {
  const env = launchEnvironment({ ...INPUT, shared: { up_loads: '/run/x/photos' } });
  assert.equal(env['MOLN_FOLDER_UP_LOADS'], '/run/x/photos');
});

test('davfs2, which takes "/" in a path for "-", can tell mounted folders apart', () => {
  const folders = new AppFolders({ data: '/d' });
  const places = [
    ['shop', 'admin-photos'],
    ['shop-admin', 'photos'],
    ['shop', 'admin/photos'],
  ] as const;
  const paths = places.map(([app, place]) => folders.sharedFolder(app, place));
  assert.equal(new Set(paths.map((path) => path.replaceAll('/', '-'))).size, places.length);
});

test('nothing of the own environment gets through', () => {
  const env = launchEnvironment({ ...INPUT, port: undefined, socket: undefined, env: {} });
  const names = ['HOME', 'KEEP', 'LANG', 'MODE', 'MOLN_APP', 'MOLN_DATA_DIR', 'MOLN_INSTANCE'];
  names.push('MOLN_RELEASE', 'NODE_ENV', 'PATH', 'PYTHONDONTWRITEBYTECODE', 'PYTHONUNBUFFERED');
  assert.deepEqual(Object.keys(env).toSorted(), [...names, 'TMPDIR']);
  assert.deepEqual([env['PORT'], env['LISTEN_SOCKET']], [undefined, undefined]);
});
