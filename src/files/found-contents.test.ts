import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { About } from './about.ts';
import { type FoundContent, objectOfContents } from './found-contents.ts';

function found(fid: string, createdAt: number, about: About = {}): FoundContent {
  return { fid, size: 10, createdAt, about };
}

/** What is at the key, and what each upload has aside. */
function told(...contents: readonly FoundContent[]): readonly unknown[] {
  const { object, aside } = objectOfContents(contents);
  const sources = (one = object): string =>
    (one?.segments ?? []).map(({ source }) => source).join();
  return [sources(), ...aside.map((one) => `${one.upload}: ${sources(one.object)}`)];
}

test('an upload is the object where nothing else is, and where none of its parts lacks', () => {
  const part = (fid: string, number: number, at = number): FoundContent =>
    found(fid, at, { upload: 'u', part: number });
  assert.deepEqual(told(part('b', 2), part('a', 1)), ['a,b']);
  assert.deepEqual(told(part('a', 1), part('c', 3)), ['', 'u: a,c']);
  assert.deepEqual(told(found('w', 0), part('a', 1), part('b', 2)), ['w', 'u: a,b']);
  assert.deepEqual(told(part('a', 1), found('w', 5)), ['w'], 'replaced by what came later');
  assert.deepEqual(told(part('a', 1), found('w', 5, { at: 10 })), ['a,w'], 'gone on with');
  const other = found('x', 3, { upload: 'v', part: 1 });
  assert.deepEqual(told(part('a', 1), other), ['a', 'v: x'], 'the first of two');
  assert.deepEqual(told(part('old', 1, 1), part('new', 1, 2)), ['new'], 'the newest of a number');
});
