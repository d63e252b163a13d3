import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../base/time.ts';
import { Connection } from './connection.ts';

/** Turns of the event loop between the member's good-bye and ours: one of them meets the connection half closed. */
const TURNS = 40;

test('a member that says good-bye on an idle connection breaks nothing, whenever we close it', async () => {
  const sessions: ServerHttp2Session[] = [];
  const server = createServer();
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' });
    stream.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (let turns = 0; turns < TURNS; turns++) {
    const connection = new Connection(`http://127.0.0.1:${port}`, { clock: systemClock });
    assert.equal(await connection.open(), undefined);
    await assert.rejects(connection.kv.range({}));
    sessions.at(-1)?.goaway(0);
    for (let at = 0; at < turns; at++) await turn();
    connection.close();
  }
  for (const session of sessions) session.destroy();
  server.close();
  await once(server, 'close');
});
