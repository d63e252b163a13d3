import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkField, datetime, fromColumn } from './fields.ts';

test('a time without a zone is UTC, in whatever zone the machine is', async () => {
  const zone = process.env['TZ'];
  process.env['TZ'] = 'Asia/Tokyo';
  try {
    const given = async (text: string): Promise<unknown> => await checkField(datetime(), text);
    // As browsers send `datetime-local`, and as SQLite's own functions write times.
    for (const text of ['2027-01-31T12:00', '2027-01-31T12:00:00.000', '2027-01-31 12:00:00'])
      assert.deepEqual(await given(text), { value: new Date('2027-01-31T12:00:00Z') }, text);
    assert.deepEqual(await given('2027-01-31T12:00+02:00'), {
      value: new Date('2027-01-31T10:00:00Z'),
    });
    assert.deepEqual(
      fromColumn(datetime(), '2027-01-31 12:00:00'),
      new Date('2027-01-31T12:00:00Z'),
    );
  } finally {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  }
});
