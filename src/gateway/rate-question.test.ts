import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answersLine,
  RATE_BUCKETS_MAX,
  readAnswers,
  readReports,
  reportsLine,
} from './rate-question.ts';

const ONE = '0123456789abcdef0123456789abcdef';
const TWO = 'f123456789abcdef0123456789abcdef';

function valueOf(line: string): string {
  return line.slice(line.indexOf(': ') + 2, -2);
}

test('what is written is read', () => {
  const reports = new Map([
    [ONE, { taken: 3, fullMs: 12.345 }],
    [TWO, { taken: 0, fullMs: 0 }],
  ]);
  assert.deepEqual(readReports(valueOf(reportsLine(reports))), reports);
  const answers = new Map([[ONE, 0.25]]);
  assert.deepEqual(readAnswers(valueOf(answersLine(answers))), answers);
});

test('what is odd counts for nothing', () => {
  const many = Array.from({ length: RATE_BUCKETS_MAX + 1 }, () => `${ONE}:1:1`).join(' ');
  for (const odd of [
    undefined,
    '',
    ONE,
    `${ONE}:-1:0`,
    `${ONE}:1:1e9`,
    `${ONE}:1:0 `,
    `${ONE}:1:NaN`,
    many,
  ]) {
    assert.equal(readReports(odd), undefined, odd);
  }
  for (const odd of [undefined, '', `${ONE}:`, `${ONE}:-1`, `x${ONE}:1`]) {
    assert.equal(readAnswers(odd), undefined, odd);
  }
});
