import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appPath, bucketPath, nodePath, pageOf, recordPath } from './router.ts';

test('paths name pages', () => {
  assert.deepEqual(pageOf('/'), { kind: 'overview' });
  assert.deepEqual(pageOf('/apps/guestbook'), { kind: 'app', name: 'guestbook' });
  assert.deepEqual(pageOf(appPath('a b')), { kind: 'app', name: 'a b' });
  assert.deepEqual(pageOf('/nodes'), { kind: 'nodes' });
  assert.deepEqual(pageOf(nodePath('a.b')), { kind: 'node', name: 'a.b' });
  assert.deepEqual(pageOf('/nodes/%E0%A4'), { kind: 'unknown', path: '/nodes/%E0%A4' });
  assert.deepEqual(pageOf('/events'), { kind: 'events' });
  assert.deepEqual(pageOf('/storage'), { kind: 'storage' });
  assert.deepEqual(pageOf(bucketPath('photos')), { kind: 'bucket', name: 'photos' });
  assert.deepEqual(pageOf('/routes'), { kind: 'routes' });
  assert.deepEqual(pageOf(recordPath('route', 'shop')), { kind: 'route', name: 'shop' });
  assert.deepEqual(pageOf('/listeners/imap'), { kind: 'listener', name: 'imap' });
  assert.deepEqual(pageOf('/gateway'), { kind: 'gateway' });
  assert.deepEqual(pageOf('/settings'), { kind: 'settings' });
  assert.deepEqual(pageOf('/apps/a/b'), { kind: 'unknown', path: '/apps/a/b' });
  assert.deepEqual(pageOf('/apps/%E0%A4'), { kind: 'unknown', path: '/apps/%E0%A4' });
});
