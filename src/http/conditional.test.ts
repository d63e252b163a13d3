import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  evaluatePreconditions,
  matchesStrongly,
  matchesWeakly,
  parseEntityTag,
  parseEntityTagList,
  type ConditionalVerdict,
  type Preconditions,
  type Representation,
} from './conditional.ts';

const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5);
const AT = 'Fri, 02 Jan 2026 03:04:05 GMT';
const BEFORE = 'Fri, 02 Jan 2026 03:04:04 GMT';
const AFTER = 'Fri, 02 Jan 2026 03:04:06 GMT';
const STRONG: Representation = { etag: '"a"', lastModifiedMs: MODIFIED + 700 };
const WEAK: Representation = { etag: 'W/"a"', lastModifiedMs: MODIFIED };

test('entity tags are read strictly', () => {
  assert.deepEqual(parseEntityTag('"abc"'), { weak: false, tag: 'abc' });
  assert.deepEqual(parseEntityTag('W/""'), { weak: true, tag: '' });
  for (const text of ['', 'abc', '"a', 'a"', 'w/"a"', 'W/ "a"', '"a b"', '"a""b"', '"a",']) {
    assert.equal(parseEntityTag(text), undefined, text);
  }
});

test('lists of tags: gaps are fine, missing commas and bare words are not', () => {
  const a = { weak: false, tag: 'a' };
  const b = { weak: true, tag: 'b,c' };
  assert.equal(parseEntityTagList(' * '), '*');
  assert.deepEqual(parseEntityTagList('"a"'), [a]);
  assert.deepEqual(parseEntityTagList(' , "a" ,\t, W/"b,c", '), [a, b]);
  for (const text of ['', ' ', ',', '"a" "b"', '"a"W/"b"', 'a', '"a", *', '*, "a"', '"a", b']) {
    assert.equal(parseEntityTagList(text), undefined, text);
  }
  assert.equal(parseEntityTagList('"a",'.repeat(257)), undefined);
});

test('comparison table of RFC 9110 8.8.3.2', () => {
  const table: readonly (readonly [string, string, boolean, boolean])[] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ];
  for (const [left, right, strong, weak] of table) {
    const a = parseEntityTag(left);
    const b = parseEntityTag(right);
    assert(a !== undefined && b !== undefined);
    assert.equal(matchesStrongly(a, b), strong);
    assert.equal(matchesWeakly(a, b), weak);
  }
});

test('precedence of RFC 9110 13.2.2', () => {
  type Row = readonly [
    string,
    string,
    Preconditions,
    Representation | undefined,
    ConditionalVerdict,
  ];
  const table: readonly Row[] = [
    ['nothing asked', 'GET', {}, STRONG, 'perform'],
    ['If-Match holds', 'PUT', { ifMatch: '"b", "a"' }, STRONG, 'perform'],
    ['If-Match fails', 'PUT', { ifMatch: '"b"' }, STRONG, 'precondition-failed'],
    ['If-Match is strong', 'PUT', { ifMatch: 'W/"a"' }, WEAK, 'precondition-failed'],
    ['If-Match malformed', 'PUT', { ifMatch: 'a' }, STRONG, 'precondition-failed'],
    ['If-Match * with something', 'PUT', { ifMatch: '*' }, {}, 'perform'],
    ['If-Match * with nothing', 'PUT', { ifMatch: '*' }, undefined, 'precondition-failed'],
    [
      'If-Match beats If-Unmodified-Since',
      'PUT',
      { ifMatch: '"a"', ifUnmodifiedSince: BEFORE },
      STRONG,
      'perform',
    ],
    ['unmodified', 'PUT', { ifUnmodifiedSince: AT }, STRONG, 'perform'],
    ['modified', 'PUT', { ifUnmodifiedSince: BEFORE }, STRONG, 'precondition-failed'],
    ['bad date ignored', 'PUT', { ifUnmodifiedSince: 'yesterday' }, STRONG, 'perform'],
    ['If-None-Match same', 'GET', { ifNoneMatch: 'W/"a"' }, STRONG, 'not-modified'],
    ['If-None-Match same, HEAD', 'HEAD', { ifNoneMatch: '"a"' }, WEAK, 'not-modified'],
    ['If-None-Match same, POST', 'POST', { ifNoneMatch: '"a"' }, STRONG, 'precondition-failed'],
    ['If-None-Match other', 'GET', { ifNoneMatch: '"b"' }, STRONG, 'perform'],
    ['If-None-Match malformed', 'GET', { ifNoneMatch: 'a' }, STRONG, 'perform'],
    ['If-None-Match * with nothing', 'PUT', { ifNoneMatch: '*' }, undefined, 'perform'],
    ['If-None-Match * with something', 'PUT', { ifNoneMatch: '*' }, {}, 'precondition-failed'],
    [
      'If-None-Match beats If-Modified-Since',
      'GET',
      { ifNoneMatch: '"b"', ifModifiedSince: AFTER },
      STRONG,
      'perform',
    ],
    ['not modified since', 'GET', { ifModifiedSince: AT }, STRONG, 'not-modified'],
    ['modified since', 'GET', { ifModifiedSince: BEFORE }, STRONG, 'perform'],
    ['If-Modified-Since on POST', 'POST', { ifModifiedSince: AT }, STRONG, 'perform'],
    ['unknown time', 'GET', { ifModifiedSince: AT }, { etag: '"a"' }, 'perform'],
    ['If-Range tag holds', 'GET', { ifRange: '"a"', range: true }, STRONG, 'perform'],
    [
      'If-Range weak tag never holds',
      'GET',
      { ifRange: 'W/"a"', range: true },
      WEAK,
      'perform-ignoring-range',
    ],
    [
      'If-Range other tag',
      'GET',
      { ifRange: '"b"', range: true },
      STRONG,
      'perform-ignoring-range',
    ],
    ['If-Range date exact', 'GET', { ifRange: AT, range: true }, STRONG, 'perform'],
    [
      'If-Range later date',
      'GET',
      { ifRange: AFTER, range: true },
      STRONG,
      'perform-ignoring-range',
    ],
    ['If-Range without Range', 'GET', { ifRange: '"b"' }, STRONG, 'perform'],
    [
      '304 before If-Range',
      'GET',
      { ifNoneMatch: '"a"', ifRange: '"b"', range: true },
      STRONG,
      'not-modified',
    ],
  ];
  for (const [name, method, conditions, current, verdict] of table) {
    assert.equal(evaluatePreconditions(method, conditions, current), verdict, name);
  }
});
