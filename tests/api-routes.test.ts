/** Routes over the API: what is taken, of whom, and what the document says of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiUnderTest } from './api-client.ts';

test('a route comes in keys and values or as text, and its shape is in the document', async () => {
  await using api = await ApiUnderTest.start();
  const set = (body: unknown, token = 'admin-token'): ReturnType<typeof api.ask> =>
    api.ask({ path: '/api/routes/docs', method: 'PUT', body, token });
  assert.equal((await set({ written: { host: 'a' } }, 'deploy-token')).status, 403);
  for (const bad of [{}, { written: { host: 'a' }, yaml: 'host: a' }, { route: {} }]) {
    assert.equal((await set(bad)).status, 400, JSON.stringify(bad));
  }
  assert.equal((await set({ written: { host: 'a' }, revision: 7 })).status, 200);
  assert.equal((await set({ yaml: 'host: a' })).status, 200);
  const change = { written: { host: 'a' }, ifRevision: 7 };
  assert.deepEqual(api.cloud.calls, [
    { setRoute: ['docs', change, 'boss'] },
    { setRoute: ['docs', { written: { yaml: 'host: a' } }, 'boss'] },
  ]);
  const document = await api.ask({ path: '/api/openapi.json', token: 'read-token' });
  assert.match(document.text, /"staleUnreachable"/);
});
