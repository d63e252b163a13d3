import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Question, questionLine, readQuestion, readRefusal, refusalLine } from './question.ts';

const QUESTION: Question = {
  tier: 'region',
  scheme: 'http',
  client: '2001:db8::7',
  purges: '17:3:4',
  space: 'app/blog@r1',
};

function valueOf(line: string): string {
  return line.slice(line.indexOf(': ') + 2, -2);
}

test('what is written is read', () => {
  assert.deepEqual(readQuestion(valueOf(questionLine(QUESTION))), QUESTION);
  const nobody = { ...QUESTION, client: '' };
  assert.deepEqual(readQuestion(valueOf(questionLine(nobody))), nobody);
  const odd = { ...QUESTION, client: 'a b\r\nX: y' };
  assert.equal(readQuestion(valueOf(questionLine(odd)))?.client, '');
  for (const refusal of ['alone', 'unshared', 'late', 'failed'] as const) {
    assert.equal(readRefusal(valueOf(refusalLine(refusal))), refusal);
  }
});

const BAD = [
  undefined,
  '',
  '1 region http - 0 a@',
  '2 world http - 0 a@',
  '2 region ftp - 0 a@',
  '2 region http  0 a@',
  '2 region http - x a@',
  '2 region http - 0',
  '2 region http - 0 a@ more',
  `2 region http - 0 ${'a'.repeat(501)}`,
  '2 region http - 0 a@, 2 region http - 0 a@',
];

for (const text of BAD) {
  test(`refused: ${text?.slice(0, 60)}`, () => assert.equal(readQuestion(text), undefined));
}

test('what is no refusal is none', () => {
  for (const text of [undefined, '', 'alone, alone', 'sometimes']) {
    assert.equal(readRefusal(text), undefined);
  }
});
