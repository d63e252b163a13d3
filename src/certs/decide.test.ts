import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, type Held, nextFailure, renewalOf, type Situation } from './decide.ts';
import { ORDERS_AT_ONCE_MAX, ORDERS_PER_WINDOW_MAX } from './limits.ts';
import type { Failure } from './model.ts';

const HOUR = 3_600_000;
const DAY: number = 24 * HOUR;
const NOW: number = 1000 * DAY;

function held(host: string, more: Partial<Held> = {}): Held {
  const life = { notBefore: NOW - 10 * DAY, notAfter: NOW + 80 * DAY, addedAt: NOW - 10 * DAY };
  return { host, source: 'acme', names: [host], ...life, ...more };
}

function failure(host: string, more: Partial<Failure> = {}): Failure {
  return {
    host,
    count: 1,
    at: NOW - HOUR,
    retryAt: NOW + HOUR,
    code: 'CERTS_CHALLENGE_FAILED',
    message: 'no',
    ...more,
  };
}

function decided(more: Partial<Situation>): ReturnType<typeof decide> {
  return decide({
    nowMs: NOW,
    wanted: [],
    held: [],
    orders: [],
    failures: [],
    hasDns: false,
    ...more,
  });
}

test('what is missing is ordered, what is good is left alone', () => {
  assert.deepEqual(decided({ wanted: ['a.org', 'b.org'], held: [held('a.org')] }).work, ['b.org']);
  assert.deepEqual(decided({}), { work: [], drop: [], lookAt: Infinity });
});

test('two thirds into its life it is renewed, those of one day not at one moment', () => {
  const late = held('a.org', { notBefore: NOW - 61 * DAY, notAfter: NOW + 29 * DAY });
  assert.deepEqual(decided({ wanted: ['a.org'], held: [late] }).work, ['a.org']);
  const early = held('a.org');
  const { work, lookAt } = decided({ wanted: ['a.org'], held: [early] });
  assert.deepEqual(work, []);
  assert.equal(lookAt, renewalOf(early));
  assert.ok(lookAt > NOW + 44 * DAY && lookAt <= NOW + 50 * DAY);
  assert.notEqual(renewalOf(held('a.org')), renewalOf(held('b.org')));
  const day = held('a.org', { notBefore: NOW - 17 * HOUR, notAfter: NOW + 7 * HOUR });
  assert.deepEqual(decided({ wanted: ['a.org'], held: [day] }).work, ['a.org'], 'short ones too');
});

test('what somebody brought, and what a wildcard serves, is not ordered', () => {
  const own = held('a.org', { source: 'own', names: ['a.org', '*.b.org'], notAfter: NOW - DAY });
  assert.deepEqual(decided({ wanted: ['a.org', 'x.b.org', 'y.x.b.org'], held: [own] }).work, [
    'y.x.b.org',
  ]);
  const wanted = ['*.c.org', 'c.org', 'x.c.org'];
  assert.deepEqual(decided({ wanted, hasDns: true }).work, ['*.c.org', 'c.org']);
  assert.deepEqual(decided({ wanted }).work, ['c.org', 'x.c.org'], 'no hook, no wildcard');
});

test('a failure is waited for, an order under way is gone on with, and both are dropped when nobody wants them', () => {
  const { work, lookAt } = decided({ wanted: ['a.org'], failures: [failure('a.org')] });
  assert.deepEqual([work, lookAt], [[], NOW + HOUR]);
  const over = failure('a.org', { retryAt: NOW });
  assert.deepEqual(decided({ wanted: ['a.org'], failures: [over] }).work, ['a.org']);
  const orders = [{ host: 'a.org', startedAt: NOW }];
  assert.deepEqual(decided({ wanted: ['a.org'], held: [held('a.org')], orders }).work, ['a.org']);
  assert.deepEqual(decided({ orders, failures: [failure('b.org')] }).drop, ['a.org', 'b.org']);
});

test('never more than an authority takes', () => {
  const many = Array.from({ length: 500 }, (_, at) => `h${at}.org`);
  assert.equal(decided({ wanted: many }).work.length, ORDERS_AT_ONCE_MAX);
  const begun = many
    .slice(0, ORDERS_PER_WINDOW_MAX)
    .map((host) => held(host, { addedAt: NOW - HOUR }));
  const full = decided({ wanted: many, held: begun });
  assert.deepEqual([full.work, full.lookAt], [[], NOW + 2 * HOUR]);
  for (const code of ['CERTS_RATE_LIMITED', 'CERTS_UNREACHABLE']) {
    const tired = failure('h1.org', { code, at: NOW - 10_000 });
    const wait = decided({ wanted: many, failures: [tired] });
    assert.deepEqual([wait.work, wait.lookAt], [[], NOW + 50_000], code);
    const later = failure('h1.org', { code, at: NOW - 60_000 });
    assert.equal(decided({ wanted: many, failures: [later] }).work.length, 1, 'one asks for all');
  }
});

test('what ends first comes first', () => {
  const soon = held('z.org', { notBefore: NOW - 89 * DAY, notAfter: NOW + DAY });
  const later = held('a.org', { notBefore: NOW - 70 * DAY, notAfter: NOW + 20 * DAY });
  assert.deepEqual(decided({ wanted: ['a.org', 'z.org'], held: [later, soon] }).work, [
    'z.org',
    'a.org',
  ]);
});

test('pauses grow, with a spread, and an authority that asks to wait is obeyed', () => {
  const fail = (
    before: Failure | undefined,
    code = 'X',
    retryAfterMs?: number,
    random = 0,
  ): Failure =>
    nextFailure(before, { host: 'a.org', at: NOW, code, message: 'no', retryAfterMs }, random);
  const pauses: number[] = [];
  let last: Failure | undefined;
  for (let count = 0; count < 9; count++) {
    last = fail(last);
    pauses.push((last.retryAt - NOW) / 60_000);
  }
  assert.deepEqual(pauses, [2, 10, 40, 120, 360, 720, 1440, 1440, 1440]);
  assert.equal(fail(undefined, 'CERTS_RATE_LIMITED').retryAt, NOW + HOUR);
  assert.equal(fail(undefined, 'CERTS_RATE_LIMITED', 5 * HOUR).retryAt, NOW + 5 * HOUR);
  assert.equal(fail(undefined, 'X', undefined, 1).retryAt, NOW + 2 * 60_000 * 1.2);
});
