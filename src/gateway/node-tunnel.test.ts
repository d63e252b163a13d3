/** A tunnel over real sockets and TLS, between sides that read slowly: nothing is lost, and each end comes behind the last byte. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { until } from '../../testing/until.ts';
import { systemClock } from '../base/time.ts';
import { proveHandles } from '../net/net.ts';
import { NodeTunnel } from './node-tunnel.ts';

const LENGTH: number = 8 * 1024 * 1024;
const ciphers = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;

/** What is at both ends: the gateway of another node, which has been told that the instance is there, and the instance. */
async function tunnel(t: TestContext): Promise<{ readonly far: TLSSocket; readonly near: Socket }> {
  const instance = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  // Its kernel holds little, so that bytes wait in the tunnel.
  const path = `\0moln-tunnel-${randomBytes(12).toString('hex')}`;
  await once(instance.listen(path), 'listening');
  const key = { identity: 'node', psk: Buffer.alloc(16, 7) };
  const door = createTlsServer({ ...ciphers, allowHalfOpen: true, pskCallback: () => key.psk });
  const came = once(door, 'connection') as Promise<[Socket]>;
  door.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    void came.then(([raw]) => {
      const find = () => ({ kind: 'socket', path }) as const;
      new NodeTunnel({ socket, raw, node: 'one', find, clock: systemClock }).start();
    });
  });
  await once(door.listen(0, '127.0.0.1'), 'listening');
  const connected = once(instance, 'connection') as Promise<[Socket]>;
  const options = {
    ...ciphers,
    allowHalfOpen: true,
    host: '127.0.0.1',
    port: (door.address() as AddressInfo).port,
    pskCallback: () => key,
    checkServerIdentity: () => undefined,
  };
  const far = connectTls(options);
  far.on('error', () => undefined);
  far.write('app\n');
  const [near] = await connected;
  near.on('error', () => undefined);
  t.after(() => {
    for (const one of [far, near]) one.destroy();
    for (const one of [door, instance]) one.close();
  });
  await once(far, 'readable');
  assert.equal(far.read(1)?.toString(), '+');
  return { far, near };
}

/** So many bytes, or all to its end, piece after piece with a rest behind each. */
async function slowly(socket: Socket, length = Infinity): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let got = 0;
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    pieces.push(piece as Buffer);
    got += (piece as Buffer).length;
    if (got >= length) break;
    for (let n = 0; n < 3; n += 1) await turn();
  }
  return Buffer.concat(pieces);
}

test('what goes both ways at once to slow readers comes whole, and each side ends by itself', async (t) => {
  assert.ok(await proveHandles());
  const { far, near } = await tunnel(t);
  const [there, back] = [randomBytes(LENGTH), randomBytes(LENGTH)];
  // Nobody ends before he has all, so that nothing is sent on in the wake of an end.
  far.write(there);
  near.write(back);
  const both = [slowly(near, LENGTH), slowly(far, LENGTH)];
  const got = await Promise.all(both);
  assert.deepEqual(
    got.map((bytes, at) => bytes.equals([there, back][at] ?? bytes.subarray(0, 0))),
    [true, true],
  );
  far.end();
  assert.equal((await slowly(near)).length, 0);
  near.end();
  assert.equal((await slowly(far)).length, 0);
});

test('what waits goes on though nothing comes behind it, or its end', async (t) => {
  assert.ok(await proveHandles());
  // From what the kernel holds to what waits before the tunnel too.
  for (let length = 3 * 65_536; length < 12 * 65_536; length += 40_007) {
    const { far, near } = await tunnel(t);
    for (const mayEnd of [false, true]) {
      const there = randomBytes(length);
      if (mayEnd) far.end(there);
      else far.write(there);
      let before = -1;
      await until('nothing more goes', () => {
        const taken = far.bytesWritten - far.writableLength;
        const isFull = taken === before;
        before = taken;
        return isFull;
      });
      assert.ok((await slowly(near, mayEnd ? Infinity : length)).equals(there), `${length}`);
    }
  }
});
