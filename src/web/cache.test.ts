import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cached, forgetCached } from './cache.ts';
import { rowsChanged, transaction, useDatabase } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

test('work is done once for all who ask, until its rows change, it is over or it fails', async () => {
  forgetCached();
  let times = 0;
  const posts = { table: 'posts' };
  const ask = (seconds = 60) => cached('n', { seconds, of: [posts] }, async () => ++times);
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [1, 1, 1]);
  rowsChanged('users');
  assert.equal(await ask(), 1);
  rowsChanged('posts');
  assert.equal(await ask(0), 2);
  assert.equal(await ask(), 3);

  await using database = new SqliteDatabase(':memory:');
  useDatabase(database);
  assert.equal(await transaction(() => ask()), 4);
  assert.equal(await ask(), 3);

  const failing = () =>
    cached('bad', { seconds: 60 }, () => Promise.reject(new Error(`${++times}`)));
  await assert.rejects(failing(), /5/);
  await assert.rejects(failing(), /6/);

  // A change while it is made: what comes of it is not kept.
  const slow = cached('slow', { seconds: 60, of: [posts] }, async () => {
    rowsChanged('posts');
    return 'old';
  });
  assert.equal(await slow, 'old');
  assert.equal(await cached('slow', { seconds: 60 }, () => 'new'), 'new');
});
