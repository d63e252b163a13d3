import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missingImport } from './missing-import.ts';

test('what is to be installed is the package, of which npm makes no repository of somebody', () => {
  const importer = fileURLToPath(import.meta.url);
  const hintOf = (specifier: string): string | undefined =>
    missingImport('/', importer, specifier).hint;
  assert.equal(hintOf('chart/of'), 'Install it with "npm install chart"');
  assert.equal(hintOf('@some/chart/of'), 'Install it with "npm install @some/chart"');
  assert.equal(hintOf('chart'), 'Install it with "npm install chart"');
});
