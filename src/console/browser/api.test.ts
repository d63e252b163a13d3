import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileUrl } from './api.ts';

test('the address of an object stays in its bucket, whatever its key is', () => {
  for (const key of ['a/b', '../other/x', './a', 'a/../../other/x', '%2e%2e/x', 'ü ?#']) {
    const { pathname, search, hash } = new URL(fileUrl('mine', key), 'https://node.test');
    assert(pathname.startsWith('/files/mine/'), pathname);
    assert.equal(decodeURIComponent(pathname.slice('/files/mine/'.length)), key);
    assert.equal(search + hash, '');
  }
});
