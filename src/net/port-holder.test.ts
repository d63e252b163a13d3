import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listeningInodes, programName } from './port-holder.ts';

test('the kernel table is read: state and port', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 20
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100
`;
  assert.deepEqual(listeningInodes(table, 8080, '127.0.0.1'), ['111']);
  assert.deepEqual(listeningInodes(table, 80, '127.0.0.1'), []);
  assert.deepEqual(listeningInodes('', 80, '127.0.0.1'), []);
});

test('only what is in the way counts: the same address, or a wildcard on either side', () => {
  const four = `  sl  local_address
   0: 1600007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 0 100
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100
`;
  const six = `  sl  local_address
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 61 1 0 100
   1: 0000000000000000FFFF00001600007F:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 62 1 0 100
   2: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 66 1 0 100
`;
  assert.deepEqual(listeningInodes(four, 8080, '127.0.0.22'), ['22']);
  assert.deepEqual(listeningInodes(four, 8080, '127.0.0.20'), []);
  assert.deepEqual(listeningInodes(four, 8080, '::'), ['22']);
  assert.deepEqual(listeningInodes(four, 8081, '127.0.0.20'), ['333']);
  assert.deepEqual(listeningInodes(six, 8080, '::1'), ['61']);
  assert.deepEqual(listeningInodes(six, 8080, '127.0.0.22'), ['62']);
  assert.deepEqual(listeningInodes(six, 8081, '127.0.0.1'), ['66']);
});

test('programs are named so that a person knows them', () => {
  for (const [command, name] of [
    [['/usr/bin/node', '--flag', '/srv/app/server.js', 'x', ''], 'node server.js'],
    [['nginx: master process /usr/sbin/nginx', ''], 'nginx'],
    [['python3.11', '-m', 'http.server'], 'python3.11 http.server'],
    [['/usr/sbin/haproxy', '-f', 'x'], 'haproxy'],
    [[''], 'unknown'],
  ] as const) {
    assert.equal(programName(command), name);
  }
});
