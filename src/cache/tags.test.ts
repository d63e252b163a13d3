import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldList } from './fields.ts';
import { TAG_CHARACTERS_MAX, TAGS_MAX, tagsOf } from './tags.ts';

const of = (...lines: readonly (readonly [string, string])[]): readonly string[] =>
  tagsOf(new FieldList(lines));

test('both fields are read, each with its own separator, over several lines, each tag once', () => {
  assert.deepEqual(of(['Surrogate-Key', 'a  b'], ['Surrogate-Key', 'c a']), ['a', 'b', 'c']);
  assert.deepEqual(of(['Cache-Tag', 'a, two words ,b,,']), ['a', 'two words', 'b']);
  assert.deepEqual(of(['Cache-Tag', 'b'], ['Surrogate-Key', 'a']), ['a', 'b']);
  assert.deepEqual(of(['Content-Type', 'text/plain']), []);
});

test('too many and too long ones do not count', () => {
  const many = Array.from({ length: TAGS_MAX + 1 }, (_, index) => `t${index}`).join(' ');
  assert.equal(of(['Surrogate-Key', many]).length, TAGS_MAX);
  assert.deepEqual(of(['Surrogate-Key', `${'x'.repeat(TAG_CHARACTERS_MAX + 1)} y`]), ['y']);
});
