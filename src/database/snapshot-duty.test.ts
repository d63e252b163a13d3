/** When a snapshot is due. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SNAPSHOT_AFTER_BYTES, SNAPSHOT_AFTER_ENTRIES } from './limits.ts';
import { isSnapshotDue } from './snapshot-duty.ts';

test('a snapshot is due after so many entries or bytes, whichever comes first', () => {
  const table: readonly (readonly [number, number, boolean])[] = [
    [0, 0, false],
    [SNAPSHOT_AFTER_ENTRIES - 1, SNAPSHOT_AFTER_BYTES - 1, false],
    [SNAPSHOT_AFTER_ENTRIES, 0, true],
    [1, SNAPSHOT_AFTER_BYTES, true],
  ];
  for (const [entries, bytes, due] of table) assert.equal(isSnapshotDue({ entries, bytes }), due);
});
