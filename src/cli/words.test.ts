import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { chooseDataFolder } from './data-folder.ts';
import { count, printable, Words } from './words.ts';

function words(isTerminal: boolean, env: Record<string, string>): Words {
  const stream = new PassThrough();
  return new Words({
    stdout: stream,
    stderr: stream,
    stdin: Readable.from([]),
    env,
    isTerminal,
    cwd: '/',
  });
}

test('colours are for terminals, and not with NO_COLOR', () => {
  assert.equal(words(true, {}).style('red', 'x'), '\u001B[31mx\u001B[39m');
  assert.equal(words(true, { NO_COLOR: '1' }).style('red', 'x'), 'x');
  assert.equal(words(true, { NO_COLOR: '' }).style('red', 'x'), '\u001B[31mx\u001B[39m');
  assert.equal(words(true, { TERM: 'dumb' }).style('red', 'x'), 'x');
  assert.equal(words(false, {}).style('red', 'x'), 'x');
});

test('control characters are shown, tabs and letters stay', () => {
  assert.equal(printable('a\u001B[2J\tå\r\n\u009B'), 'a\\x1b[2J\tå\n\\x9b');
});

test('numbers take the noun in its number', () => {
  assert.equal(count(1, 'node'), '1 node');
  assert.equal(count(2, 'process'), '2 processes');
  assert.equal(count(0, 'app'), '0 apps');
});

test('the data folder: option, then MOLN_DATA, then the default of the user', () => {
  const io = { env: { MOLN_DATA: 'b', HOME: '/home/x' }, cwd: '/w' };
  assert.equal(chooseDataFolder(io, 'a', 0), '/w/a');
  assert.equal(chooseDataFolder(io, undefined, 0), '/w/b');
  assert.equal(chooseDataFolder({ ...io, env: {} }, undefined, 0), '/var/lib/moln');
  const home = { HOME: '/home/x' };
  assert.equal(chooseDataFolder({ ...io, env: home }, undefined, 1), '/home/x/.local/share/moln');
  const xdg = { ...home, XDG_DATA_HOME: '/data' };
  assert.equal(chooseDataFolder({ ...io, env: xdg }, undefined, 1), '/data/moln');
});
