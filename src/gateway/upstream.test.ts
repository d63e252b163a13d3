import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Upstream, type UpstreamSocket, type UpstreamUser } from './upstream.ts';

/** A user that writes down what it hears. */
class Listener implements UpstreamUser {
  readonly heard: string[] = [];
  private wake: () => void = () => {};
  upstreamTurn(): void {}
  upstreamConnected(): void {
    this.hear('connected');
  }
  upstreamBytes(buffer: Buffer, from: number, to: number): void {
    this.hear(buffer.toString('latin1', from, to));
  }
  upstreamDrained(): void {}
  upstreamSilent(): void {
    this.hear('silent');
  }
  upstreamEnded(): void {
    this.hear('ended');
  }
  upstreamClosed(error: Error | undefined): void {
    this.hear(error === undefined ? 'closed' : 'failed');
  }
  async until(what: string): Promise<void> {
    while (!this.heard.includes(what)) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
  private hear(what: string): void {
    this.heard.push(what);
    this.wake();
  }
}

describe('an upstream', () => {
  let folder: string;
  let server: Server;
  let upstream: Upstream;
  const accepted: Socket[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'moln-upstream-'));
    server = createServer((socket) => accepted.push(socket));
    server.listen(join(folder, 's.sock'));
    await once(server, 'listening');
  });

  after(async () => {
    upstream.retire();
    for (const socket of accepted) socket.destroy();
    server.close();
    await rm(folder, { recursive: true });
  });

  async function connected(): Promise<UpstreamSocket> {
    const user = new Listener();
    const socket = upstream.connect(user);
    assert.ok(socket !== undefined, 'nobody waits for a unix socket');
    await user.until('connected');
    return socket;
  }

  function fresh(): void {
    upstream = new Upstream({ id: 'u', address: { kind: 'socket', path: join(folder, 's.sock') } });
  }

  test('gives the socket that became idle last', async () => {
    fresh();
    const [one, two] = [await connected(), await connected()];
    upstream.release(one, 1000);
    upstream.release(two, 2000);
    assert.equal(upstream.takeIdle(new Listener(), 2000, Infinity), two);
    assert.equal(two.reused, true);
    assert.equal(upstream.takeIdle(new Listener(), 2000, Infinity), one);
    assert.equal(upstream.takeIdle(new Listener(), 2000, Infinity), undefined);
    one.discard();
    two.discard();
  });

  test('gives no socket that has rested too long for the request, or for the server', async () => {
    fresh();
    const socket = await connected();
    socket.learnKeepAlive('timeout=5, max=100');
    upstream.release(socket, 0);
    assert.equal(upstream.takeIdle(new Listener(), 1500, 1000), undefined);
    assert.equal(upstream.idleSockets, 1);
    assert.equal(upstream.takeIdle(new Listener(), 4100, Infinity), undefined);
    assert.equal(upstream.idleSockets, 0);
    assert.equal(socket.socket.destroyed, true);
  });

  test('learns how long the server keeps connections', async () => {
    fresh();
    const socket = await connected();
    const usual = socket.idleMs;
    const table: readonly (readonly [string, number])[] = [
      ['max=100', usual],
      ['timeout=x', usual],
      ['timeout=5', 4000],
      ['max=5, timeout=75', 60_000],
      ['Timeout = 10', 9000],
      ['timeout=1', 0],
    ];
    for (const [value, wanted] of table) {
      socket.learnKeepAlive(value);
      assert.equal(socket.idleMs, wanted, value);
    }
    // A server that hardly waits gets a new connection each time.
    upstream.release(socket, 0);
    assert.equal(upstream.idleSockets, 0);
  });

  test('sweeps what is too old, and closes everything idle when it retires', async () => {
    fresh();
    const sockets = [await connected(), await connected(), await connected()];
    const [old, young, busy] = sockets;
    assert.ok(old && young && busy);
    upstream.release(old, 0);
    upstream.release(young, 3000);
    upstream.sweep(4500);
    assert.deepEqual(
      sockets.map((socket) => socket.socket.destroyed),
      [true, false, false],
    );
    upstream.retire();
    assert.equal(young.socket.destroyed, true);
    assert.equal(busy.socket.destroyed, false);
    upstream.release(busy, 5000);
    assert.equal(busy.socket.destroyed, true);
  });

  test('forgets idle sockets that the server closes or that speak unasked', async () => {
    fresh();
    accepted.length = 0;
    const sockets = [await connected(), await connected()];
    for (const socket of sockets) upstream.release(socket, 0);
    accepted[0]?.end();
    accepted[1]?.write('surprise');
    await Promise.all(sockets.map((socket) => once(socket.socket, 'close')));
    assert.equal(upstream.idleSockets, 0);
  });

  test('is passed over for longer each time that connecting fails', () => {
    fresh();
    const pauses: number[] = [];
    for (let time = 0; time < 7; time++) {
      upstream.connectFailed(0);
      pauses.push(upstream.downUntilMs);
    }
    assert.deepEqual(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    upstream.connectSucceeded();
    assert.equal(upstream.downUntilMs, 0);
  });
});
