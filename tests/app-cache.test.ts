/** The gateways as a cache in front of an app: what it marks is stored, and every deploy begins anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder, nodeApp, writeFiles } from '../testing/app-folder.ts';
import type { Answer } from '../testing/http.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { step } from '../testing/step.ts';
import type { CacheExplanations, CacheStatus, ClusterTop, PurgeAnswer } from '../src/api/api.ts';

/** Says how often it was asked; `/page` may be stored for an hour. */
function counter(word: string): Readonly<Record<string, string>> {
  return nodeApp(
    `(globalThis.asked = (globalThis.asked ?? 0) + 1,
      request.url === '/page' ? (response.setHeader('Cache-Control', 'max-age=3600'), response.setHeader('Cache-Tag', 'page')) : 0,
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

test('what is stored for an app is shown, explained and purged', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('deploy', appFolder(t, counter('one')), '--name', 'app');
  const page = (): Promise<Answer> => node.get('app', '/page');
  const url = `${node.url('app')}/page`;
  /** A gateway process without it may get the next request. */
  const stored = (): Promise<boolean> =>
    until('it to be stored', async () => /; hit/.test(statusOf(await page())));
  const decisions = async (): Promise<readonly string[]> =>
    (await node.json<CacheExplanations>('why', 'cached', url)).explanations.map(
      ({ decision }) => decision,
    );

  await step(t, 'it is shown, and why it is there', async () => {
    await stored();
    const { tiers, routes } = await node.json<CacheStatus>('cache');
    assert.ok(tiers.some(({ keys, name }) => keys > 0 && name === 'memory'));
    const app = routes.find(({ route }) => route === 'app/app');
    assert.ok((app?.hits ?? 0) > 0);
    assert.match((await node.cli('cache')).stdout, /app\/app +\d+ +\d+ % +.*hit \d/);
    assert.ok((await decisions()).includes('hit'));
    assert.match((await node.cli('why', 'cached', url)).stdout, /hit \(fresh\), route app\/app/);
  });

  for (const words of [[url], ['--tag', 'page'], ['--app', 'app'], ['--prefix', url], ['--all']]) {
    await step(t, `purge ${words[0]}`, async () => {
      await stored();
      const { nodes, away } = await node.json<PurgeAnswer>('cache', 'purge', ...words);
      assert.deepEqual([nodes.length, away.length], [1, 0]);
      assert.ok((await decisions()).every((decision) => decision === 'miss'));
    });
  }

  await step(t, 'a purge with a mistake is refused', async () => {
    const { code, stderr } = await node.cli('cache', 'purge', 'app.localhost/page');
    assert.equal(code, 2);
    assert.match(stderr, /is no URL that begins with http or https/);
    assert.equal((await node.cli('cache', 'purge')).code, 2);
  });

  await step(t, 'top counts it', async () => {
    await using _load = node.load('app', '/page');
    const top = await node.json<ClusterTop>('gateway', 'top', '--seconds', '1');
    assert.equal(top.routes[0]?.name, 'app/app');
    assert.equal(top.urls[0]?.name, `app.localhost:${node.ports.http}/page`);
  });
});

function statusOf(answer: Answer): string {
  return String(answer.headers['cache-status']);
}
