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

test('a listener on another address does not get what is sent to 127.0.0.1', () => {
  const zeros = '0'.repeat(32);
  const table = [
    'head',
    `  0: ${'0'.repeat(31)}1:0FA0 ${zeros}:0000 0A 0:0 00:0 0 61000 0 1 1`,
    `  1: ${'0'.repeat(24)}0100A8C0:0FA0 ${zeros}:0000 0A 0:0 00:0 0 61001 0 1 1`,
    `  2: ${zeros}:0FA0 ${zeros}:0000 0A 0:0 00:0 0 61002 0 1 1`,
    `  3: 0000000000000000FFFF00000100007F:0FA0 ${zeros}:0000 0A 0:0 00:0 0 61003 0 1 1`,
  ].join('\n');
  assert.deepEqual(parseListeners(table, 4000), [61_002, 61_003]);
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
