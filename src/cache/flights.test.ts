import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedOf } from '../../testing/tier-conformance.ts';
import { decide } from './decide.ts';
import { FieldList, type FieldLine } from './fields.ts';
import { ALONE_MS, flightOf, Flights, WAITERS_MAX, WAITS_MAX, type Waiter } from './flights.ts';
import { CacheRequest } from './request.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import type { Stored } from './tier.ts';

class Waiting implements Waiter {
  waits = 0;
  readonly passesOn: boolean;
  readonly landings: string[] = [];
  constructor(passesOn = false) {
    this.passesOn = passesOn;
  }
  wake(landing: string): void {
    this.landings.push(landing);
  }
}

test('one leads, the others wait and are woken once, and then the next one leads', () => {
  const flights = new Flights();
  const [leader, second, third] = [new Waiting(), new Waiting(), new Waiting()];
  assert.equal(flights.enter('f', 'k', leader, 0), 'lead');
  assert.equal(flights.enter('f', 'k', second, 0), 'wait');
  assert.equal(flights.enter('f', 'k', third, 0), 'wait');
  assert.equal(flights.enter('g', 'k', new Waiting(), 0), 'lead');
  flights.leave('f', third);
  flights.landed('f', 'settled');
  flights.landed('f', 'settled');
  assert.deepEqual([leader.landings, second.landings, third.landings], [[], ['settled'], []]);
  assert.equal(flights.enter('f', 'k', second, 0), 'lead');
  flights.landed('f', 'failed');
  flights.landed('g', 'failed');
  assert.equal(flights.size, 0);
});

test('those for whom others wait are woken first, and the crowd in a moment', () => {
  const flights = new Flights();
  const [near, gone, far] = [new Waiting(), new Waiting(), new Waiting(true)];
  const all = [near, gone, far];
  for (const one of [new Waiting(), ...all]) flights.enter('f', 'k', one, 0);
  const wakeCrowd = flights.landed('f', 'settled');
  assert.deepEqual(
    all.map(({ landings }) => landings),
    [[], [], ['settled']],
  );
  assert.equal(flights.isAwaited('f'), true);
  flights.leave('f', gone);
  wakeCrowd?.();
  assert.deepEqual([near.landings, gone.landings], [['settled'], []]);
  assert.equal(flights.isAwaited('f'), false);
  // The one who led may be such a one himself.
  for (const one of [new Waiting(true), near]) flights.enter('f', 'k', one, 0);
  assert.notEqual(flights.landed('f', 'settled', true), undefined);
});

test('who enters anew while being woken does not wake himself', () => {
  const flights = new Flights();
  flights.enter('f', 'k', new Waiting(), 0);
  const turns: string[] = [];
  const eager = {
    waits: 0,
    wake: () => turns.push(flights.enter('f', 'k', eager, 0)),
  };
  flights.enter('f', 'k', eager, 0);
  flights.landed('f', 'settled');
  assert.deepEqual(turns, ['lead']);
});

test('nobody waits for a third flight, nor behind too many', () => {
  const flights = new Flights();
  const patient = new Waiting();
  for (let count = 0; count < WAITS_MAX; count++) {
    flights.enter('f', 'k', new Waiting(), 0);
    assert.equal(flights.enter('f', 'k', patient, 0), 'wait');
    flights.landed('f', 'settled');
  }
  flights.enter('f', 'k', new Waiting(), 0);
  assert.equal(flights.enter('f', 'k', patient, 0), 'alone');
  for (let count = 0; count < WAITERS_MAX; count++) {
    assert.equal(flights.enter('f', 'k', new Waiting(), 0), 'wait');
  }
  assert.equal(flights.enter('f', 'k', new Waiting(), 0), 'alone');
});

test('after an answer that nobody else can use, requests go side by side for a while', () => {
  const flights = new Flights();
  flights.enter('f', 'k', new Waiting(), 1000);
  flights.unshared('k', 1000);
  flights.landed('f', 'settled');
  assert.equal(flights.enter('f', 'k', new Waiting(), 1000), 'alone');
  assert.equal(flights.enter('f', 'k', new Waiting(), 999 + ALONE_MS), 'alone');
  assert.equal(flights.enter('f', 'k', new Waiting(), 1000 + ALONE_MS), 'lead');
  flights.unshared('l', 1000);
  flights.shared('l');
  assert.equal(flights.enter('l', 'l', new Waiting(), 1000), 'lead');
  flights.unshared('m', 1_000_000);
  assert.equal(flights.enter('m', 'm', new Waiting(), 0), 'lead', 'the clock was set back');
});

const flight = (
  lines: readonly FieldLine[],
  candidates: Stored | undefined,
  { method = 'GET' } = {},
): string | undefined => {
  const fields = new FieldList(lines);
  const request = new CacheRequest().read({ method, key: 'k', fields });
  // Long after everything that the tests store went stale.
  const decision = decide(request, candidates, 2e12, DEFAULT_SETTINGS);
  return flightOf(request, decision, candidates);
};

test('requests share a flight when one answer may do for all', () => {
  const plain = flight([], undefined);
  assert(plain !== undefined);
  assert.equal(flight([['Accept', 'text/html']], undefined), plain);
  assert.equal(flight([['Cookie', 'a=b']], undefined), plain);
  assert.notEqual(flight([['Range', 'bytes=0-1']], undefined), plain);
  assert.notEqual(
    flight([['Range', 'bytes=0-1']], undefined),
    flight([['Range', 'bytes=2-3']], undefined),
  );
  assert.equal(flight([], undefined, { method: 'HEAD' }), undefined);
  assert.equal(flight([], undefined, { method: 'POST' }), undefined);
  assert.equal(flight([['Authorization', 'x']], undefined), undefined);
  assert.equal(flight([['Cache-Control', 'no-store']], undefined), undefined);
});

test('what the answer depends on keeps flights apart as soon as it is known', () => {
  const varied = storedOf('k', Buffer.from('x'), {
    varyNames: ['accept-language'],
    varyValues: 'de\n',
  });
  const german = flight([['Accept-Language', 'de']], varied);
  const english = flight([['Accept-Language', 'en']], varied);
  assert.notEqual(german, english);
  assert.equal(flight([['Accept-Language', 'EN']], varied), english);
  assert.notEqual(german, flight([['Accept-Language', 'de']], undefined), 'a lock of its own');
});
