import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';
import { portUse } from '../net/net.ts';
import { requireFreePort } from './free-port.ts';

const NOBODY: ReadonlySet<number> = new Set();

async function takePort(t: TestContext, host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('a taken port names its holder', async (t) => {
  for (const [host, address] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['127.0.0.1', '::'],
  ] as const) {
    const port = await takePort(t, host);
    assert.ok(portUse(port, address).holders.some((holder) => holder.pid === process.pid));
    await assert.rejects(requireFreePort({ address, port, protocol: 'http' }, NOBODY), (error) => {
      assert.ok(isMolnError(error, GATEWAY_PORT_TAKEN));
      assert.match(
        error.message,
        new RegExp(`^Port ${port} is taken by .+ \\(pid ${process.pid}\\)$`),
      );
      assert.match(error.hint ?? '', /--http PORT/);
      return true;
    });
  }
});

test('a port held by our own workers is fine, and so is a free one', async (t) => {
  const port = await takePort(t, '127.0.0.1');
  await requireFreePort({ address: '127.0.0.1', port, protocol: 'http' }, new Set([process.pid]));
  await requireFreePort({ address: '127.0.0.1', port: 0, protocol: 'http' }, NOBODY);
});

test('a port of UDP is asked for among those of UDP', async (t) => {
  const port = await takePort(t, '127.0.0.1');
  const wanted = { address: '127.0.0.1', port, protocol: 'udp' } as const;
  await requireFreePort(wanted, NOBODY);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  await assert.rejects(requireFreePort(wanted, NOBODY), (error) => {
    assert.ok(isMolnError(error, GATEWAY_PORT_TAKEN));
    assert.match(error.hint ?? '', /ss -lunp .* in the file$/);
    return true;
  });
});

test('an address of another machine is said', async () => {
  const wanted = { address: '192.0.2.1', port: 0, protocol: 'https' } as const;
  await assert.rejects(requireFreePort(wanted, NOBODY), (error) =>
    isMolnError(error, GATEWAY_LISTEN_FAILED),
  );
});
