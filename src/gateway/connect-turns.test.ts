/** Who gets a turn to connect, with sockets that only say that they are there or gone. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ConnectTurns } from './connect-turns.ts';
import { NODE_CONNECTING_MAX } from './limits.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

const users = new Map<UpstreamUser, string>();

function userCalled(name: string): UpstreamUser {
  const user = {} as UpstreamUser;
  users.set(user, name);
  return user;
}

test('upstreams take turns, who leaves gets none, and a turn comes back however a handshake ends', () => {
  const turns = new ConnectTurns();
  const sockets: EventEmitter[] = [];
  const given: (string | undefined)[] = [];
  const begin = (): void => {
    const socket = new EventEmitter();
    sockets.push(socket);
    turns.began(socket as TLSSocket);
  };
  const upstream = (): Upstream =>
    ({
      giveTurn: (user: UpstreamUser) => {
        given.push(users.get(user));
        begin();
      },
    }) as unknown as Upstream;
  while (!turns.isFull) begin();
  assert.equal(sockets.length, NODE_CONNECTING_MAX);
  const [crowded, other] = [upstream(), upstream()];
  const gone = userCalled('gone');
  for (const user of [gone, ...['a', 'b', 'c'].map(userCalled)]) turns.wait(crowded, user);
  turns.wait(other, userCalled('alone'));
  turns.leave(crowded, gone);
  for (const event of ['close', 'secureConnect', 'close']) sockets.shift()?.emit(event);
  assert.deepEqual(given, ['a', 'alone', 'b']);
  assert.deepEqual([...turns.upstreams], [crowded]);
  // What somebody else needs no longer takes no turn.
  assert.equal(users.get(turns.takeFor(crowded) ?? gone), 'c');
  assert.deepEqual([turns.takeFor(crowded), [...turns.upstreams]], [undefined, []]);
  const [socket] = sockets;
  for (const event of ['secureConnect', 'close']) socket?.emit(event);
  assert.equal(given.length, 3);
  begin();
  assert.equal(turns.isFull, true, 'one turn came back, and not two');
});
