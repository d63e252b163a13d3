import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTraceParent, traceOf } from './trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const fixed = {
  ids: (bytes: number): string => 'ab'.repeat(bytes),
  draw: (): number => 0.5,
  sample: 0.4,
};

test('what is no parent by the letter of the standard is none', () => {
  const parent = { traceId: TRACE, parentId: PARENT, isSampled: true };
  const table: readonly (readonly [string, object | undefined])[] = [
    [`00-${TRACE}-${PARENT}-01`, parent],
    [`00-${TRACE}-${PARENT}-00`, { ...parent, isSampled: false }],
    [`00-${TRACE}-${PARENT}-ff`, parent],
    [`cc-${TRACE}-${PARENT}-01-later`, parent],
    [`00-${TRACE}-${PARENT}-01-later`, undefined],
    [`ff-${TRACE}-${PARENT}-01`, undefined],
    [`00-${TRACE.toUpperCase()}-${PARENT}-01`, undefined],
    [`00-${'0'.repeat(32)}-${PARENT}-01`, undefined],
    [`00-${TRACE}-${'0'.repeat(16)}-01`, undefined],
    [`00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`, undefined],
    ['', undefined],
  ];
  for (const [value, wanted] of table) assert.deepEqual(parseTraceParent(value), wanted, value);
  assert.equal(parseTraceParent(undefined), undefined);
});

test('who comes with a trace has decided whether it is sampled', () => {
  const trace = traceOf({ traceId: TRACE, parentId: PARENT, isSampled: true }, fixed);
  assert.deepEqual(trace, {
    traceId: TRACE,
    spanId: 'abababababababab',
    parentId: PARENT,
    isSampled: true,
    change: { drop: ['traceparent'], lines: `traceparent: 00-${TRACE}-abababababababab-01\r\n` },
  });
});

test('a trace that begins here is drawn, and a state of another one does not go on', () => {
  const { isSampled, parentId, change } = traceOf(undefined, fixed);
  assert.deepEqual([isSampled, parentId], [false, undefined]);
  assert.deepEqual(change.drop, ['traceparent', 'tracestate']);
  assert.match(change.lines, /^traceparent: 00-(ab){16}-(ab){8}-00\r\n$/);
  assert.equal(traceOf(undefined, { ...fixed, sample: 1 }).isSampled, true);
});
