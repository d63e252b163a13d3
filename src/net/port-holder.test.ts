import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listeningInodes } from './port-holder.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1CFC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1CFC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4343 1 0000000000000000 20 4 30 10 -1
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1 0000000000000000 100 0 0 10 0
`;

test('only listening sockets of the port count, not connections to it', () => {
  assert.deepEqual(listeningInodes(TABLE, 7420), ['4242']);
  assert.deepEqual(listeningInodes(TABLE, 8080), ['4444']);
  assert.deepEqual(listeningInodes(TABLE, 80), []);
});
