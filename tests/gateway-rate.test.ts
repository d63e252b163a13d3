/** A rate limit over several gateway processes, near each other and on nodes of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RateConfig } from '../src/gateway/site-config.ts';
import { type Gateway, until } from './gateway-kit.ts';
import { get, SharingGateways } from './gateway-sharing-kit.ts';

const HOUR_MS = 3_600_000;

async function limited(
  wishes: Parameters<typeof SharingGateways.start>[0],
  rate: RateConfig,
): Promise<SharingGateways> {
  const handler = (_request: unknown, response: { end(text: string): void }): void =>
    response.end('in');
  return await SharingGateways.start(wishes, handler, { site: { rate } });
}

/** How many of so many requests, one after the other, are let in. */
async function letIn(
  gateways: readonly (Gateway | undefined)[],
  times: number,
  key = 'k',
): Promise<number> {
  let count = 0;
  for (let time = 0; time < times; time++) {
    const text = await get(gateways[time % gateways.length], '/', `X-Key: ${key}\r\n`);
    if (text.startsWith('HTTP/1.1 200')) count++;
    else assert.match(text, /^HTTP\/1\.1 429 .*Retry-After: \d+/s);
    assert.match(text, /RateLimit: "default";r=\d+/);
  }
  return count;
}

test('the processes of one machine have one limit', async () => {
  const rate = { requests: 10, perMs: HOUR_MS, header: 'x-key' };
  await using gateways = await limited([{ workers: 2 }], rate);
  for (const key of ['a', 'b', 'c']) {
    // In a row each hears of the other: as exact as one process. A request more for each may be ahead of the word.
    const count = await letIn(gateways.all, 16, key);
    assert.ok(count >= 10 && count <= 12, `${count} for ${key}`);
    assert.equal(await letIn(gateways.all, 4, key), 0);
  }
});

test('a crowd that comes at once gets a burst, and another one at most', async () => {
  const rate = { requests: 50, perMs: HOUR_MS, header: 'x-key' };
  await using gateways = await limited([{ workers: 2 }], rate);
  const { all } = gateways;
  const answers = await Promise.all(
    Array.from({ length: 150 }, (_, at) => get(all[at % 2], '/', 'X-Key: k\r\n')),
  );
  const count = answers.filter((text) => text.startsWith('HTTP/1.1 200')).length;
  assert.ok(count >= 50 && count <= 100, `${count}`);
});

const THREE = [{ workers: 2 }, { workers: 2, region: 'east' }, { workers: 2 }];

test('a limit of the cluster holds over nodes, one of a node for each', async () => {
  const rate = { requests: 8, perMs: HOUR_MS, header: 'x-key' };
  await using cluster = await limited(THREE, { ...rate, scope: 'cluster' });
  const count = await letIn(cluster.all, 18);
  assert.ok(count >= 8 && count <= 14, `${count}`);
  assert.equal(await letIn(cluster.all, 6), 0);
  await using nodes = await limited(THREE, rate);
  const each = await letIn(nodes.all, 42);
  assert.ok(each >= 24 && each <= 30, `${each}`);
});

test('the keeper is gone: another one goes on from what was known', async () => {
  const rate = { requests: 8, perMs: HOUR_MS, header: 'x-key', scope: 'cluster' } as const;
  await using gateways = await limited(THREE, rate);
  const keys = ['a', 'b', 'c'];
  for (const key of keys) assert.ok((await letIn(gateways.all, 18, key)) >= 8);
  const [first, ...others] = gateways.all;
  assert.ok(first !== undefined);
  await first.plane[Symbol.asyncDispose]();
  for (const key of keys) assert.equal(await letIn(others, 5, key), 0, key);
  // A key that nobody has seen: the others agree on a keeper.
  let tries = 0;
  await until('the others to agree', async () => {
    const count = await letIn(others, 15, `new${tries++}`);
    return count >= 8 && count <= 13;
  });
});
