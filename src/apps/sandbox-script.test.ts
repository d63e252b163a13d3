import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { isWithin, outermost, sandboxScript, scriptCommand, shellQuote } from './sandbox-script.ts';

const SPEC = {
  instance: 'a-web-1',
  uid: 61_000,
  command: ['node', "it's $HOME"],
  cwd: '/data/apps/a/releases/r/tree',
  env: { PATH: '/evil', LD_PRELOAD: '/evil.so', MOLN_INSTANCE: 'a-web-1', 'no-name': 'x' },
  tmpFolder: '/data/apps/a/run/a-web-1/tmp',
  readable: ['/data/apps/a/releases/r/tree'],
  writable: ['/data/apps/a/data', '/data/apps/a/run/a-web-1'],
  shared: [],
};

test('quoting survives a shell', () => {
  for (const text of ['plain', "it's", '$(id) `id` "x" \\ \n ;', "''", '-n']) {
    const back = execFileSync('/bin/sh', ['-c', `printf %s ${shellQuote(text)}`]).toString();
    assert.equal(back, text);
  }
});

test('folders: within and outermost', () => {
  assert.ok(isWithin('/a/b', '/a') && isWithin('/a', '/a') && isWithin('/a', '/'));
  assert.ok(!isWithin('/ab', '/a') && !isWithin('/a', '/a/b'));
  assert.deepEqual(outermost(['/a/b', '/c', '/a', '/a', '/ab']), ['/a', '/c', '/ab']);
});

test('the data folder is covered before what the app needs of it is shown again', () => {
  const lines = sandboxScript(SPEC, { hidden: ['/data'], readable: ['/opt/node'] }).split('\n');
  const at = (part: string): number => lines.findIndex((line) => line.includes(part));
  assert.ok(at("exec 4<'/data'") < at("tmpfs '/data'"));
  assert.ok(at("tmpfs '/data'") < at("'/proc/self/fd/4/apps/a/data' '/data/apps/a/data'"));
  assert.ok(lines.some((line) => line.endsWith("remount,bind,ro '/data/apps/a/releases/r/tree'")));
  assert.ok(!lines.some((line) => line.includes("remount,bind,ro '/data/apps/a/data'")));
  assert.equal(at('/opt/node'), -1, 'what is not covered is left alone');
});

test('only its own mounted folders stay', () => {
  const own = "/run/moln-1/folders/a/it's";
  const folders = [own, '/run/moln-1/folders/b/photos', '/run/moln-2/folders/a/photos', '/srv/x'];
  const script = sandboxScript({ ...SPEC, shared: [own] }, { hidden: ['/data'], readable: [] });
  const lines = script.slice(0, script.indexOf('exec 3<')).split('\n').slice(2);
  const told = folders.map((folder) => `1 2 0:1 / ${folder} rw - fuse http://x rw`).join('\n');
  const played = lines.join('\n').replace('$(cat /proc/self/mountinfo)', '$TOLD');
  const left = execFileSync('/bin/sh', ['-c', `umount() { echo umount "$@"; }\n${played}`], {
    env: { TOLD: told },
  });
  assert.deepEqual(left.toString().trim().split('\n'), [
    'umount -n -i -l /run/moln-1/folders/b/photos',
    'umount -n -i -l /run/moln-2/folders/a/photos',
  ]);
});

test('the app chooses nothing that runs before its privileges are gone', () => {
  const { argv, env } = scriptCommand(SPEC, 'true');
  assert.deepEqual(argv.slice(-2), SPEC.command);
  assert.ok(!env['PATH']?.includes('/evil'));
  assert.equal(env['LD_PRELOAD'], undefined);
  assert.equal(env['MOLN_CARRIED_LD_PRELOAD'], '/evil.so');
  assert.equal(env['MOLN_INSTANCE'], 'a-web-1', 'an agent finds it by this');
});
