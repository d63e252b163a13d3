import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listeningInodes, programName } from './port-holder.ts';

test('the kernel table is read: state and port', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 20
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100
`;
  assert.deepEqual(listeningInodes(table, 8080), ['111']);
  assert.deepEqual(listeningInodes(table, 80), []);
  assert.deepEqual(listeningInodes('', 80), []);
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
