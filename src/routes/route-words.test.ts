import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inRouteWords } from './route-words.ts';

test('a place in a route is told as it was written', () => {
  const table: readonly (readonly [string, string])[] = [
    ['routes[3].hosts[1]', 'routes[3].host[1]'],
    ['routes[0].target.upstreams[2].weight', 'routes[0].upstreams[2].weight'],
    ['routes[0].target.notFound', 'routes[0].static.notFound'],
    ['routes[0].target.location', 'routes[0].redirect.to'],
    ['routes[0].balance.algorithm', 'routes[0].balance'],
    ['routes[0].balance', 'routes[0].balance'],
    ['routes[0].balance.health.intervalMs', 'routes[0].health.interval'],
    ['routes[0].balance.eject.timeMsMax', 'routes[0].eject.timeMax'],
    ['routes[0].balance.limits.queueTimeoutMs', 'routes[0].limits.queueTimeout'],
    ['routes[0].site.access.trust[0]', 'routes[0].trust[0]'],
    ['routes[0].site.headers.request.set.Via', 'routes[0].headers.request.set.Via'],
    ['routes[0].site.headers.request.set.X-Wait-Ms', 'routes[0].headers.request.set.X-Wait-Ms'],
    ['routes[0].target.upstreams[1].address.tls.name', 'routes[0].upstreams[1].tls.name'],
    ['routes[0].site.rate.perMs', 'routes[0].rate.per'],
    ['routes[0].limits.responseTimeoutMs', 'routes[0].timeouts.response'],
    ['routes[0].limits.requestBodyBytesMax', 'routes[0].limits.requestBody'],
    ['routes[0].cache.negativeS', 'routes[0].cache.negative'],
    ['routes[0].path', 'routes[0].path'],
    ['listeners[0].balance', 'listeners[0].balance'],
  ];
  for (const [place, wanted] of table) assert.equal(inRouteWords(place), wanted);
  assert.equal(
    inRouteWords('Key "routes[0].hosts[0]" is "A", beside "routes[1].site.rewrite"'),
    'Key "routes[0].host[0]" is "A", beside "routes[1].rewrite"',
  );
});
