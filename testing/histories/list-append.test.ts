/** Every anomaly by name, as small as it can be, and histories without any. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elleJson, type Step, type Transaction } from './history.ts';
import { checkListAppend } from './list-append.ts';

const append = (key: number, value: number): Step => ['append', key, value];
const read = (key: number, ...list: readonly number[]): Step => ['r', key, list];

/** All overlap, each in a process of its own, so that only data orders them. */
function of(...transactions: readonly (readonly Step[])[]): readonly Transaction[] {
  return transactions.map((steps, process) => ({
    process,
    type: 'ok',
    steps,
    began: 0,
    ended: 1000,
  }));
}

function names(history: readonly Transaction[]): readonly string[] {
  return checkListAppend(history)
    .map(({ name, needs }) => (needs === undefined ? name : `${name} ${needs}`))
    .toSorted();
}

test('good histories', () => {
  assert.deepEqual(names([]), []);
  assert.deepEqual(
    names(
      of([append(1, 1), append(2, 1)], [read(1, 1), append(1, 2)], [read(1, 1, 2), read(2, 1)]),
    ),
    [],
  );
  assert.deepEqual(names(of([append(1, 1), append(1, 2), read(1, 1, 2)], [read(1)])), []);
  // Not read by anybody, and of unknown outcome.
  assert.deepEqual(
    names([
      ...of([append(1, 1)], [read(1)]),
      { process: 9, type: 'info', steps: [append(1, 2)], began: 0, ended: 1 },
    ]),
    [],
  );
});

test('one transaction by itself', () => {
  assert.deepEqual(names(of([append(1, 1), read(1)])), ['internal']);
  assert.deepEqual(names(of([append(1, 5)], [read(1), read(1, 5)])), ['G-single', 'internal']);
  assert.deepEqual(names(of([append(1, 1)], [read(1, 1, 1)])), ['duplicate']);
});

test('G1a: reading what was rolled back, or never written', () => {
  const failed: Transaction = {
    process: 5,
    type: 'fail',
    steps: [append(1, 1)],
    began: 0,
    ended: 1,
  };
  assert.deepEqual(names([failed, ...of([read(1, 1)])]), ['G1a']);
  assert.deepEqual(names(of([read(1, 7)])), ['G1a']);
});

test('G1b: reading the middle of a transaction', () => {
  assert.deepEqual(names(of([append(1, 1), append(1, 2)], [read(1, 1)], [read(1, 1, 2)])), [
    'G-single',
    'G1b',
  ]);
});

test('lists in two orders', () => {
  const found = names(of([append(1, 1)], [append(1, 2)], [read(1, 1, 2)], [read(1, 2)]));
  assert.ok(found.includes('incompatible-order'));
});

test('G0: two writers take turns', () => {
  assert.deepEqual(
    names(
      of(
        [append(1, 1), append(2, 1)],
        [append(1, 2), append(2, 2)],
        [read(1, 1, 2)],
        [read(2, 2, 1)],
      ),
    ),
    ['G0'],
  );
});

test('G1c: each sees the other', () => {
  assert.deepEqual(names(of([append(1, 1), read(2, 1)], [append(2, 1), read(1, 1)])), ['G1c']);
});

test('G-single: read skew', () => {
  assert.deepEqual(names(of([append(1, 1), append(2, 1)], [read(1), read(2, 1)], [read(1, 1)])), [
    'G-single',
  ]);
});

test('G2: write skew', () => {
  assert.deepEqual(
    names(of([read(1), append(2, 1)], [read(2), append(1, 1)], [read(1, 1), read(2, 1)])),
    ['G2'],
  );
});

test('long fork', () => {
  const history = of([append(1, 1)], [append(2, 1)], [read(1, 1), read(2)], [read(1), read(2, 1)]);
  assert.deepEqual(names(history), ['G2']);
});

test('what only time or the order of a process shows', () => {
  const one = (process: number, began: number, ...steps: readonly Step[]): Transaction => ({
    process,
    type: 'ok',
    steps,
    began,
    ended: began + 1,
  });
  assert.deepEqual(names([one(1, 0, append(1, 1)), one(2, 5, read(1)), one(3, 9, read(1, 1))]), [
    'G-single realtime',
  ]);
  assert.deepEqual(names([one(1, 0, append(1, 1)), one(1, 5, read(1)), one(3, 9, read(1, 1))]), [
    'G-single process',
  ]);
  // Written, acknowledged, and never seen by a later read: lost.
  assert.deepEqual(names([one(1, 0, append(1, 1)), one(2, 5, read(1))]), ['G-single realtime']);
});

test('long histories take no time', () => {
  const list: number[] = [];
  const history = Array.from({ length: 3000 }, (_, at): Transaction => {
    const seen = [...list].slice(0);
    const steps: Step[] = at % 2 === 0 ? [append(1, at)] : [read(1, ...seen)];
    if (at % 2 === 0 && at < 400) list.push(at);
    return {
      process: at % 8,
      type: 'ok',
      steps: at % 2 === 0 && at >= 400 ? [read(1, ...seen)] : steps,
      began: at,
      ended: at + 0.5,
    };
  });
  assert.deepEqual(names(history), []);
});

test('histories in the form that Elle reads', () => {
  const history: Transaction = {
    process: 3,
    type: 'ok',
    steps: [append(1, 2), read(1, 2)],
    began: 1,
    ended: 2,
  };
  assert.deepEqual(
    elleJson([history])
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      {
        index: 0,
        type: 'invoke',
        process: 3,
        value: [
          ['append', 1, 2],
          ['r', 1, null],
        ],
        f: 'txn',
        time: 1e6,
      },
      {
        index: 1,
        type: 'ok',
        process: 3,
        value: [
          ['append', 1, 2],
          ['r', 1, [2]],
        ],
        f: 'txn',
        time: 2e6,
      },
    ],
  );
});
