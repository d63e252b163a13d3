import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ifHolds, parseIf, submittedTokens } from './if-header.ts';

const STATE = { etag: '"e"', tokens: new Set(['urn:uuid:1']) };
const NONE = { etag: undefined, tokens: new Set<string>() };

function holds(text: string): boolean | undefined {
  const lists = parseIf(text);
  return lists === undefined
    ? undefined
    : ifHolds(lists, (resource) => (resource === undefined || resource === '/a' ? STATE : NONE));
}

test('the If field: lists, tags, Not', () => {
  const cases: readonly (readonly [string, boolean | undefined])[] = [
    ['(<urn:uuid:1>)', true],
    ['(<urn:uuid:2>)', false],
    ['(<urn:uuid:1> ["e"])', true],
    ['(<urn:uuid:1> ["f"])', false],
    ['(<urn:uuid:2>) (["e"])', true],
    ['(Not <urn:uuid:2>)', true],
    ['(Not <urn:uuid:1>) (Not <DAV:no-lock> ["f"])', false],
    ['</a> (<urn:uuid:1>) </b> (<urn:uuid:1>)', true],
    ['</b> (<urn:uuid:1>)', false],
    ['</b> (Not <urn:uuid:1>)', true],
    ['  ( <urn:uuid:1>  [ "e" ] ) ', true],
    ['', undefined],
    ['()', undefined],
    ['(<urn:uuid:1>', undefined],
    ['<urn:uuid:1>', undefined],
    ['(<urn:uuid:1>) </a> (<urn:uuid:1>)', undefined],
    ['(urn:uuid:1)', undefined],
    ['(<urn:uuid:1>) x', undefined],
    ['(<a>)'.repeat(65), undefined],
  ];
  for (const [text, wanted] of cases) assert.equal(holds(text), wanted, text);
});

test('tokens that are named, whatever the lists say', () => {
  assert.deepEqual([...submittedTokens(parseIf('(<a> ["x"]) (Not <b>)') ?? [])], ['a', 'b']);
});
