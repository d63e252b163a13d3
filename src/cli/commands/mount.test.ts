/** What `moln mount` waits for before it mounts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../base/time.ts';
import { untilLetIn } from './mount.ts';

test('it waits until a new token is known to whoever serves WebDAV', async (t) => {
  const asked: string[] = [];
  let left = 3;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.headers.authorization}`);
    response.writeHead(left-- > 0 ? 401 : 207).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const who = { user: 'moln', password: 'secret', clock: systemClock };
  await untilLetIn(`http://127.0.0.1:${port}/`, who);
  assert.deepEqual(new Set(asked), new Set([`PROPFIND Basic ${btoa('moln:secret')}`]));
  assert.equal(asked.length, 4);
});
