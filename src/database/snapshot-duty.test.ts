/** When a snapshot is due. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  SNAPSHOT_AFTER_BYTES,
  SNAPSHOT_AFTER_ENTRIES,
  SNAPSHOT_AFTER_MS_MAX,
  SNAPSHOT_AFTER_MS_MIN,
  SNAPSHOT_BYTES_MAX,
} from './limits.ts';
import { isSnapshotDue } from './snapshot-duty.ts';

test('a snapshot is due after so many entries or bytes, whichever comes first', () => {
  const table: readonly (readonly [number, number, boolean])[] = [
    [0, 0, false],
    [SNAPSHOT_AFTER_ENTRIES - 1, SNAPSHOT_AFTER_BYTES - 1, false],
    [SNAPSHOT_AFTER_ENTRIES, 0, true],
    [1, SNAPSHOT_AFTER_BYTES, true],
  ];
  for (const [entries, bytes, due] of table)
    assert.equal(isSnapshotDue({ entries, bytes }, undefined), due);
});

test('where snapshots outlive the cluster one is due when the newest is old, later for a large stripe', () => {
  const hour = SNAPSHOT_AFTER_MS_MIN;
  const table: readonly (readonly [number, number, number, boolean])[] = [
    [1, hour - 1, 0, false],
    [1, hour, 0, true],
    [0, 10 * hour, 0, false],
    [1, 3 * hour - 1, 3 * SNAPSHOT_BYTES_MAX, false],
    [1, 3 * hour, 3 * SNAPSHOT_BYTES_MAX, true],
    [1, SNAPSHOT_AFTER_MS_MAX, 1000 * SNAPSHOT_BYTES_MAX, true],
  ];
  for (const [entries, ms, bytes, due] of table) {
    assert.equal(isSnapshotDue({ entries, bytes: 0 }, { ms, bytes }), due);
    assert.equal(isSnapshotDue({ entries, bytes: 0 }, undefined), false);
  }
});
