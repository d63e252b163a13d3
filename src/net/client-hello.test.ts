/** What a client offers is read from its first message, however it is cut; nonsense offers nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { CLIENT_HELLO_BYTES_MAX, offeredProtocols, wantedServerName } from './client-hello.ts';

/** The first message of a real client. */
async function helloOffering(protocols: readonly string[], servername?: string): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const options = {
    ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
    ...(servername === undefined ? {} : { servername }),
  };
  const client = connect({ port, host: '127.0.0.1', ...options });
  client.on('error', () => client.destroy());
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  client.destroy();
  server.close();
  return bytes;
}

test('the offer of a real client is read', async () => {
  assert.deepEqual(offeredProtocols(await helloOffering(['http/1.1'])), ['http/1.1']);
  assert.deepEqual(offeredProtocols(await helloOffering(['moln-rpc/1', 'b'])), ['moln-rpc/1', 'b']);
  assert.deepEqual(offeredProtocols(await helloOffering([])), []);
});

test('a message that is cut anywhere is waited for', async () => {
  const hello = await helloOffering(['moln-rpc/1']);
  for (let length = 1; length < hello.length; length++) {
    assert.equal(offeredProtocols(hello.subarray(0, length)), undefined, `${length} bytes`);
  }
});

test('a message in several records is put together', async () => {
  const body = (await helloOffering(['moln-rpc/1'])).subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += 50) {
    const part = body.subarray(at, at + 50);
    records.push(Buffer.from([0x16, 3, 1, 0, part.length]), part);
  }
  assert.deepEqual(offeredProtocols(Buffer.concat(records)), ['moln-rpc/1']);
});

test('nonsense offers nothing and is never waited for without end', async () => {
  assert.deepEqual(offeredProtocols(Buffer.from('GET / HTTP/1.1\r\n')), []);
  assert.deepEqual(offeredProtocols(Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])), []);
  const endless = Buffer.alloc(CLIENT_HELLO_BYTES_MAX);
  endless.set([0x16, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff]);
  assert.deepEqual(offeredProtocols(endless), []);
  const hello = await helloOffering(['moln-rpc/1']);
  for (let at = 9; at < hello.length; at++) {
    const damaged = Buffer.from(hello);
    damaged[at] = 0xff;
    assert.ok(Array.isArray(offeredProtocols(damaged)), `byte ${at}`);
  }
});

test('the wanted name is read, whatever else is offered', async () => {
  const hello = await helloOffering(['http/1.1'], 'Mail.Example.org');
  assert.equal(wantedServerName(hello), 'mail.example.org');
  for (let length = 1; length < hello.length; length++) {
    assert.equal(wantedServerName(hello.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(wantedServerName(await helloOffering([])), '');
  assert.equal(wantedServerName(Buffer.from('SSH-2.0-x\r\n')), '');
  for (let at = 9; at < hello.length; at++) {
    const damaged = Buffer.from(hello);
    damaged[at] = 0xff;
    assert.equal(typeof wantedServerName(damaged), 'string', `byte ${at}`);
  }
});
