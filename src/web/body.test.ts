import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readForm } from './body.ts';

async function fieldsOf(body: string): Promise<Readonly<Record<string, unknown>>> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const request = new Request('http://app.test', { method: 'POST', body, headers });
  const admit = (): void => assert.fail('There is no file');
  return await readForm(request, { bytesMax: 1, admit, folder: () => assert.fail('No file') });
}

test('of fields that come several times the last counts, lists have them all', async () => {
  const fields = await fieldsOf('a=1&b[]=2&a=3&b[]=4&c[]=5&d=6&d[]=7&__proto__=8');
  assert.deepEqual(Object.entries(fields), [
    ['a', '3'],
    ['b', ['2', '4']],
    ['c', ['5']],
    ['d', ['6', '7']],
    ['__proto__', '8'],
  ]);
});

test('a list as long as a form can be is read at once', async () => {
  // When each copies those before it, this takes a minute.
  assert.equal(((await fieldsOf('a[]=&'.repeat(200_000)))['a'] as unknown[]).length, 200_000);
});
