import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MolnError } from '../base/errors.ts';
import { failureAnswer, failureOf } from './failures.ts';

const CASES: readonly (readonly [error: unknown, status: number])[] = [
  [new MolnError('WEB_BAD_BODY', 'This is no JSON'), 400],
  [new MolnError('WEB_FORBIDDEN', 'Not yours'), 403],
  [new MolnError('WEB_FORGED', 'Of another site'), 403],
  [new MolnError('WEB_NOT_FOUND', 'There is no page /x'), 404],
  [new MolnError('WEB_METHOD', 'PUT is not possible'), 405],
  [new MolnError('WEB_STALE', 'Somebody was faster'), 409],
  [new MolnError('WEB_BODY_TOO_LARGE', 'At most 1 MiB'), 413],
  [new MolnError('WEB_TOO_MANY', 'Ten a minute'), 429],
  [new MolnError('WEB_BUSY', '50 uploads'), 503],
  [new Error('secret'), 500],
];

test('each refusal says the id that is in the log, as a page and as JSON, and why where that is the visitor’s business', async () => {
  for (const [error, status] of CASES) {
    const failure = failureOf(error, 'id<7>');
    const page = failureAnswer(failure, error, false);
    assert.equal(page.status, status);
    const html = await page.text();
    assert.match(html, /<p>It was noted as <code>id&lt;7&gt;<\/code>\.<\/p>/);
    assert.equal(html.includes((error as Error).message), status !== 500);
    const json = failureAnswer(failure, error, true);
    const problem = (await json.json()) as { id: string; status: number; detail?: string };
    assert.deepEqual([problem.id, problem.status, json.status], ['id<7>', status, status]);
    assert.equal(problem.detail, status === 500 ? undefined : (error as Error).message);
  }
});
