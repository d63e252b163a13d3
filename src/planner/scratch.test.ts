import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import { Catalogue } from './catalogue.ts';
import { type Scratch, ScratchPool } from './scratch.ts';
import { ScratchRoom } from './scratch-room.ts';

const isOpen = ({ db }: Scratch): boolean => {
  try {
    db.exec('SELECT 1');
    return true;
  } catch {
    return false;
  }
};

/** What an empty scratch takes. */
function emptyBytes(catalogue: Catalogue): number {
  using pool = new ScratchPool(new ScratchRoom(0));
  const scratch = pool.take(catalogue);
  const { bytes } = scratch;
  pool.give(scratch);
  return bytes;
}

test('scratches of all pools share one room, and the one that was used longest ago goes first', () => {
  using shadow = new MemoryDatabase();
  shadow.exec('CREATE TABLE t(a)');
  const catalogue = new Catalogue(1, shadow, {});
  const room = new ScratchRoom(2 * emptyBytes(catalogue));
  using one = new ScratchPool(room);
  using other = new ScratchPool(room);
  const [first, second, third] = [one.take(catalogue), one.take(catalogue), other.take(catalogue)];
  one.give(first);
  one.give(second);
  assert.equal(one.take(catalogue), second, 'the newest is warm');
  one.give(second);
  other.give(third);
  assert.deepEqual([first, second, third].map(isOpen), [false, true, true]);
  assert.equal(one.take(catalogue), second);
  // What is in use takes no room of those that wait.
  const fourth = other.take(catalogue);
  assert.equal(fourth, third);
  other.give(fourth);
  one.give(second);
  assert.deepEqual([second, third].map(isOpen), [true, true]);
});

test('what is given back to a pool that is closed takes no room', () => {
  using shadow = new MemoryDatabase();
  shadow.exec('CREATE TABLE t(a)');
  const catalogue = new Catalogue(1, shadow, {});
  const pool = new ScratchPool(new ScratchRoom(2 * emptyBytes(catalogue)));
  const scratch = pool.take(catalogue);
  pool[Symbol.dispose]();
  pool.give(scratch);
  assert.equal(isOpen(scratch), false);
});
