/** One request at the origin, whoever is asked: caches of several gateway processes, nodes and regions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './gateway-kit.ts';
import { answerTo, ask, bodyOf, get, SharingGateways, statusOf } from './gateway-sharing-kit.ts';

const COLD_BYTES: number = 512 * 1024;
const CROWD = 200;

test('two processes of one machine ask the origin once', async () => {
  await using gateways = await SharingGateways.start([{ workers: 2 }], (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end('shared');
  });
  for (let path = 0; path < 10; path++) {
    for (const gateway of gateways.all) {
      const text = await get(gateway, `/${path}`);
      assert.equal(bodyOf(text), 'shared', text);
    }
  }
  assert.equal(gateways.asked.length, 10);
});

test('a crowd at three gateways with two processes each is one request at the origin', async () => {
  const go = Promise.withResolvers<void>();
  const nodes = [{ workers: 2 }, { workers: 2 }, { workers: 2 }];
  await using gateways = await SharingGateways.start(nodes, (_request, response) => {
    void go.promise.then(() => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('x'.repeat(COLD_BYTES));
    });
  });
  const { all } = gateways;
  const clients = Array.from({ length: CROWD }, (_, at) => ask(all[at % all.length], '/cold'));
  await until('the first request', () => gateways.asked.length > 0);
  const open = (): number => all.reduce((sum, { plane }) => sum + plane.stats().connections, 0);
  await until('all to be there', () => open() === CROWD);
  go.resolve();
  const answers = await Promise.all(clients.map(answerTo));
  for (const answer of answers) assert.equal(bodyOf(answer), 'x'.repeat(COLD_BYTES));
  assert.equal(gateways.asked.length, 1);
  const statuses = answers.map(statusOf);
  assert.ok(
    statuses.some((one) => one.startsWith('Moln-Owner; fwd=uri-miss')),
    statuses[0],
  );
});
