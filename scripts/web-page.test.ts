/** Keeps `docs/web-reference.md` true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { WEB_PAGE, webPage } from './web-page.ts';

test('docs/web-reference.md is what the comments say now: run "node scripts/web-page.ts"', () => {
  const page = readFileSync(WEB_PAGE, 'utf8');
  assert.equal(page, webPage());
  for (const name of ['Model', 'controller', 'sendMail', 'files', 'translator'])
    assert.match(page, new RegExp(`^## ${name}\n\n\`\`\`ts\n\\w`, 'm'));
});
