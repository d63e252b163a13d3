import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemOf, retryAfterMs } from './acme-transport.ts';
import type { Held } from './decide.ts';
import { refused } from './errors.ts';
import { forGateways } from './for-gateways.ts';
import { covers, isPublicHost, publicHostsOf, readHost } from './hosts.ts';
import { TICKET_KEY_LIFE_MS } from './limits.ts';
import { nextTicketKeys } from './ticket-keys.ts';
import { warningsOf, type WarningInput } from './warnings.ts';

const DAY = 86_400_000;
const NOW: number = 1000 * DAY;

test('public hosts are those that an authority can know', () => {
  for (const host of [
    'example.org',
    'a.b.example.org',
    '*.example.org',
    'xn--bcher-kva.example.org',
  ]) {
    assert.equal(isPublicHost(host), true, host);
  }
  for (const host of [
    '*',
    'localhost',
    'x.localhost',
    'nas.local',
    'a.internal',
    'printer',
    '10.0.0.1',
    'a_b.org',
    'x.home.arpa',
    '-a.org',
  ]) {
    assert.equal(isPublicHost(host), false, host);
  }
  assert.deepEqual(publicHostsOf(['b.org', 'a.org', 'b.org', '*', 'x.localhost']), [
    'a.org',
    'b.org',
  ]);
  assert.equal(readHost('Shop.Example.ORG'), 'shop.example.org');
  assert.throws(() => readHost('a b'), { code: 'CERTS_HOST_INVALID' });
  assert.ok(covers('*.a.org', 'x.a.org'));
  for (const host of ['a.org', 'y.x.a.org', '*.a.org.evil'])
    assert.ok(!covers('*.a.org', host), host);
});

test('warnings come weeks ahead, by name', () => {
  const held = (more: Partial<Held>): Held => ({
    host: 'a.org',
    source: 'own',
    names: ['a.org'],
    notBefore: NOW - 60 * DAY,
    notAfter: NOW + 30 * DAY,
    addedAt: NOW,
    ...more,
  });
  const kinds = (more: Partial<WarningInput>): readonly string[] =>
    warningsOf({
      nowMs: NOW,
      held: [],
      failures: [],
      hosts: ['a.org'],
      isOn: true,
      hasDns: false,
      ...more,
    }).map(({ host, kind, text }) => {
      assert.ok(text.includes(host), text);
      return kind;
    });
  assert.deepEqual(kinds({ held: [held({})] }), []);
  assert.deepEqual(kinds({ held: [held({ notAfter: NOW + 20 * DAY })] }), ['expires-soon']);
  assert.deepEqual(kinds({ held: [held({ notAfter: NOW - 1 })] }), ['expired']);
  assert.deepEqual(kinds({ held: [held({ notBefore: NOW + DAY })] }), ['not-yet-valid']);
  assert.deepEqual(
    kinds({ held: [held({ notBefore: NOW - 3 * DAY, notAfter: NOW + 4 * DAY })] }),
    [],
  );
  assert.deepEqual(kinds({ held: [held({ notBefore: NOW - 5 * DAY, notAfter: NOW + 2 * DAY })] }), [
    'expires-soon',
  ]);
  assert.deepEqual(kinds({ held: [held({})], hosts: ['b.org'] }), ['mismatch']);
  assert.deepEqual(kinds({ held: [held({})], hosts: ['*'] }), []);
  assert.deepEqual(kinds({ hosts: ['*.a.org'] }), ['wildcard']);
  const failure = {
    host: 'a.org',
    count: 2,
    at: NOW,
    retryAt: NOW + DAY,
    code: 'X',
    message: 'no',
  };
  assert.deepEqual(kinds({ failures: [failure] }), ['failing']);
});

test('gateways get own certificates first, and what each kind of challenge is answered with', () => {
  const certificate = (host: string, source: 'acme' | 'own') => ({
    host,
    source,
    certPem: host,
    keyPem: 'k',
    addedAt: 1,
  });
  const order = (kind: 'http-01' | 'tls-alpn-01' | 'dns-01') => ({
    host: 'a.org',
    directory: 'd',
    startedAt: 1,
    keyPem: 'k',
    url: 'u',
    challenge: {
      kind,
      host: 'a.org',
      url: 'u',
      token: 't',
      answer: 't.p',
      tls: kind === 'tls-alpn-01' ? { cert: 'c', key: 'k' } : undefined,
    },
  });
  const share = forGateways({
    certificates: [certificate('a.org', 'acme'), certificate('b.org', 'own')],
    orders: [order('http-01'), order('tls-alpn-01'), order('dns-01')],
  });
  assert.deepEqual(
    share.certificates.map(({ cert }) => cert),
    ['b.org', 'a.org'],
  );
  assert.deepEqual(share.challenges, {
    http: [{ token: 't', answer: 't.p' }],
    tls: [{ host: 'a.org', cert: 'c', key: 'k' }],
  });
  assert.equal(forGateways({ certificates: [], orders: [] }).challenges, undefined);
});

test('keys of tickets are made twice a day, and the former ones are kept for a while', () => {
  let made = 0;
  const next = (keys: Parameters<typeof nextTicketKeys>[0], nowMs: number): typeof keys =>
    nextTicketKeys(keys, nowMs, () => `k${++made}`);
  let keys = next([], NOW);
  assert.equal(next(keys, NOW + TICKET_KEY_LIFE_MS - 1), keys);
  assert.equal(next(keys, NOW - DAY), keys, 'a clock that went back');
  for (let round = 1; round <= 4; round++) keys = next(keys, NOW + round * TICKET_KEY_LIFE_MS);
  assert.deepEqual(
    keys.map(({ key }) => key),
    ['k5', 'k4', 'k3'],
  );
});

test('what an authority says comes through: problems, their parts, and when to come back', () => {
  const parts = {
    detail: 'both failed',
    subproblems: [{ detail: 'a.org: no' }, { detail: 'b.org: no' }],
  };
  assert.deepEqual(problemOf(parts), { detail: 'both failed; a.org: no; b.org: no' });
  assert.deepEqual(problemOf('not JSON'), {});
  assert.equal(retryAfterMs('120', NOW), 120_000);
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 0), 60_000);
  assert.equal(retryAfterMs('soon', NOW), undefined);
  const said = {
    url: 'https://ca/new',
    detail: 'too many',
    type: 'rateLimited',
    status: 429,
    retryAfterMs: 5,
  };
  const limited = refused(said);
  assert.equal(limited.code, 'CERTS_RATE_LIMITED');
  assert.deepEqual(limited.details, { retryAfterMs: 5 });
  assert.equal(
    limited.message,
    'The certificate authority at https://ca/new asks to wait: too many (rateLimited)',
  );
  assert.equal(refused({ ...said, type: 'rejectedIdentifier', status: 400 }).code, 'CERTS_REFUSED');
  assert.equal(refused({ ...said, type: 'serverInternal', status: 500 }).code, 'CERTS_UNREACHABLE');
});
