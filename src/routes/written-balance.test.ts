import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balanceOf } from './written-balance.ts';
import { decodeFile } from '../standalone/file-schema.ts';

const WORKERS = 2;

/** What the workers are told of a route with these keys. */
function told(route: object): unknown {
  const file = decodeFile({ listeners: [{ port: 1 }], routes: [route] });
  const [decoded] = file.routes;
  assert.ok(decoded);
  return balanceOf(decoded, false, WORKERS);
}

test('a route that chooses nothing is left on the quickest way', () => {
  assert.equal(told({ limits: { requestBody: '1MB' } }), undefined);
  const [plain] = decodeFile({ listeners: [{ port: 1 }], routes: [{}] }).routes;
  assert.ok(plain);
  assert.deepEqual(balanceOf(plain, true, WORKERS), {}, 'weights need a balancer');
});

test('what is not said is as usual, times are milliseconds', () => {
  const table: readonly (readonly [object, object])[] = [
    [{ balance: 'least' }, { algorithm: 'least' }],
    [
      { balance: 'hash', hash: { by: 'header', name: 'X-Tenant' } },
      { algorithm: 'hash', hash: { by: 'header', name: 'X-Tenant' } },
    ],
    [{ sticky: { cookie: 'at' } }, { sticky: { cookie: 'at' } }],
    [
      { health: { path: '/up' } },
      { health: { path: '/up', intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 3 } },
    ],
    [
      { health: { path: '/', interval: '5s', timeout: '100ms', status: 204, rise: 1, fall: 1 } },
      {
        health: { path: '/', intervalMs: 5000, timeoutMs: 100, status: [204], rise: 1, fall: 1 },
      },
    ],
    [{ eject: {} }, { eject: { failures: 5, shareMax: 0.5, timeMs: 10_000, timeMsMax: 300_000 } }],
    [{ retries: {} }, { retries: { attempts: 3, budget: 0.2, perSecond: 10 } }],
    [{ hedge: { after: '200ms' } }, { hedge: { afterMs: 200 } }],
    [{ slowStart: '30s' }, { slowStartMs: 30_000 }],
    [{ agent: { port: 9777 } }, { agent: { port: 9777, intervalMs: 2000 } }],
  ];
  for (const [route, wanted] of table) assert.deepEqual(told(route), wanted);
});

test('each worker gets its share of the counts', () => {
  assert.deepEqual(told({ limits: { perUpstream: 5, queue: 10, queueTimeout: '2s' } }), {
    limits: { perUpstream: 3, queue: 5, queueTimeoutMs: 2000 },
  });
  assert.deepEqual(told({ limits: { adaptive: true } }), {
    limits: { queue: 50, queueTimeoutMs: 1000, adaptive: true },
  });
});

test('unknown keys and words are named', () => {
  const table: readonly (readonly [object, RegExp])[] = [
    [{ balance: 'fastest' }, /"routes\[0\]\.balance" is "fastest", want one of p2c, least/],
    [{ hedge: { before: '1s' } }, /Unknown key "routes\[0\]\.hedge\.before"/],
    [{ limits: { perUpstreams: 1 } }, /did you mean "perUpstream"/],
    [{ eject: { share: 2 } }, /"routes\[0\]\.eject\.share" is 2, want 0 to 1/],
  ];
  for (const [route, refusal] of table) assert.throws(() => told(route), refusal);
});
