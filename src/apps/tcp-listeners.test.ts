import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { listenerUids, parseListeners } from './tcp-listeners.ts';

test('listeners are told by port and state', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000 61000        0 1 1',
    '   1: 0100007F:0FA0 0100007F:9999 01 00000000:00000000 00:00000000 00000000 61001        0 2 1',
    '   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1',
  ].join('\n');
  assert.deepEqual(parseListeners(table, 4000), [61_000]);
  assert.deepEqual(parseListeners(table, 80), [0]);
  assert.deepEqual(parseListeners(table, 81), []);
});

test('a real listener is found, and gone when it is closed', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.deepEqual([...listenerUids(port)], [process.geteuid?.()]);
  server.close();
  await once(server, 'close');
  assert.deepEqual([...listenerUids(port)], []);
});
