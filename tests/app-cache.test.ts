/** The gateways as a cache in front of an app: what it marks is stored, and every deploy begins anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder, nodeApp, writeFiles } from '../testing/app-folder.ts';
import type { Answer } from '../testing/http.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

/** Says how often it was asked; `/page` may be stored for an hour. */
function counter(word: string): Readonly<Record<string, string>> {
  return nodeApp(
    `(globalThis.asked = (globalThis.asked ?? 0) + 1,
      request.url === '/page' ? response.setHeader('Cache-Control', 'max-age=3600') : 0,
      '${word} ' + globalThis.asked)`,
  );
}

test('an app says what may be stored, and a deploy is seen at once', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, counter('one'));
  await node.json('deploy', folder, '--name', 'app');
  const page = (): Promise<Answer> => node.get('app', '/page');
  const first = await until('the app', async () => {
    const answer = await page();
    return answer.status === 200 ? answer : undefined;
  });
  assert.equal((await page()).body, first.body);
  assert.match(String((await page()).headers['cache-status']), /^Moln; hit; ttl=3\d{3}$/);
  const other = (await node.get('app', '/other')).body;
  assert.notEqual((await node.get('app', '/other')).body, other);

  writeFiles(folder, counter('two'));
  await node.json('deploy', folder, '--name', 'app');
  const second = await page();
  assert.match(second.body, /^two /);
  assert.equal((await page()).body, second.body);
  await node.json('app', 'app', 'env', 'A=1');
  assert.match(String((await page()).headers['cache-status']), /fwd=uri-miss/);

  writeFiles(folder, { 'moln.json': JSON.stringify({ cache: false }) });
  await node.json('deploy', folder, '--name', 'app');
  const plain = await page();
  assert.equal(plain.headers['cache-status'], undefined);
  assert.notEqual((await page()).body, plain.body);
});
