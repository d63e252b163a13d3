import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseState } from '../databases/databases.ts';
import { databaseTroubles } from './database-troubles.ts';

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;

test('a copy that was built anew is told for a day', () => {
  const copy = (number: number, rebuilt?: string, rebuiltAt?: number): object => ({
    number,
    rebuilt,
    rebuiltAt,
  });
  const state = {
    name: 'shop',
    stripes: [
      copy(0),
      copy(1, 'its file is damaged', NOW - 2 * HOUR),
      copy(2, 'its file is damaged', NOW - 25 * HOUR),
    ],
  } as unknown as DatabaseState;
  assert.deepEqual(databaseTroubles([['n2', state]], NOW), [
    'The copy of stripe 1 of database "shop" on n2 was put aside and built anew 2 h ago: its file is damaged. When it happens again, look at that machine\'s disk',
  ]);
});
