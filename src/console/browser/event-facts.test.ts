import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDetail } from '../../api/model.ts';
import { byDay, EVENTS_KEPT, filterEvents, linkNames, mergeEvents } from './event-facts.ts';

function event(number: number, kind = 'node', text = `event ${number}`): EventDetail {
  return {
    id: String(number).padStart(6, '0'),
    at: number,
    kind,
    text,
    node: undefined,
    app: undefined,
  };
}

test('events are merged in order, once, and the oldest go', () => {
  const merged = mergeEvents([event(1), event(3)], [event(2), event(3)]);
  assert.deepEqual(
    merged.map((one) => one.at),
    [1, 2, 3],
  );
  assert.equal(mergeEvents(merged, [event(2)]), merged);
  const many = Array.from({ length: EVENTS_KEPT + 5 }, (_, index) => event(index));
  assert.equal(mergeEvents([], many).length, EVENTS_KEPT);
  assert.equal(mergeEvents([], many)[0]?.at, 5);
});

test('filters by kind and text', () => {
  const events = [event(1, 'node', 'two joined'), event(2, 'leader', 'two leads')];
  const ats = (kind: string, text: string): readonly number[] =>
    filterEvents(events, { kind, text }).map((one) => one.at);
  assert.deepEqual(ats('', ''), [1, 2]);
  assert.deepEqual(ats('leader', ''), [2]);
  assert.deepEqual(ats('', ' JOINED '), [1]);
  assert.deepEqual(ats('leader', 'joined'), []);
});

test('days and their events come newest first', () => {
  const days = byDay([event(1), event(2), event(11)], (at) => (at < 10 ? 'before' : 'today'));
  assert.deepEqual(
    days.map(({ day, events }) => [day, ...events.map((one) => one.at)]),
    [
      ['today', 11],
      ['before', 2, 1],
    ],
  );
});

test('names in a sentence lead somewhere, once, as words of their own', () => {
  assert.deepEqual(linkNames('two joined', { two: '/nodes/two' }), [
    { text: 'two', href: '/nodes/two' },
    { text: ' joined', href: undefined },
  ]);
  assert.deepEqual(linkNames('web-two of two: two waits', { two: '/nodes/two' }), [
    { text: 'web-two of ', href: undefined },
    { text: 'two', href: '/nodes/two' },
    { text: ': two waits', href: undefined },
  ]);
  assert.deepEqual(linkNames('nothing of it', { two: '/nodes/two' }), [
    { text: 'nothing of it', href: undefined },
  ]);
});
