import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SqliteDatabase } from '../web/web.ts';
import { dashboard } from './dev-dashboard.ts';
import { DevMails } from './dev-mails.ts';
import { DevRecorder } from './dev-recorder.ts';

test('only who sits at this machine sees what the app did, by a name that nobody else can give', async () => {
  await using database = new SqliteDatabase(':memory:');
  const mails = new DevMails('/nowhere');
  const parts = { recorder: new DevRecorder(), mails, database, routes: [] };
  const status = async (url: string, visitor: string): Promise<number | undefined> =>
    (await dashboard(new URL(url), visitor, parts))?.status;
  assert.equal(await status('http://localhost:3000/_moln', '::1'), 200);
  assert.equal(await status('http://blog.localhost/_moln/mails', '127.0.0.1'), 200);
  assert.equal(await status('http://[::1]:3000/_moln', '::ffff:127.0.0.1'), 200);
  assert.equal(await status('http://evil.example/_moln', '127.0.0.1'), 403);
  assert.equal(await status('http://evillocalhost/_moln', '127.0.0.1'), 403);
  assert.equal(await status('http://localhost:3000/_moln/mails', '192.0.2.7'), 403);
  assert.equal(await status('http://evil.example/posts', '192.0.2.7'), undefined);
});
