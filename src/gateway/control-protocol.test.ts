import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { MessageChannel } from './control-protocol.ts';
import { GATEWAY_PROTOCOL } from './errors.ts';

interface Message {
  readonly text: string;
}

async function socketPair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-control-'));
  const server = createServer();
  server.listen(join(folder, 's'));
  await once(server, 'listening');
  const left = connect(join(folder, 's'));
  const [right] = (await once(server, 'connection')) as [Socket];
  t.after(async () => {
    left.destroy();
    right.destroy();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return [left, right];
}

test('messages arrive whole and in order, however they were cut', async (t) => {
  const [left, right] = await socketPair(t);
  const seen: string[] = [];
  const closed = Promise.withResolvers<Error | undefined>();
  void new MessageChannel<Message, Message>(right, {
    onMessage: (message) => seen.push(message.text),
    onClose: closed.resolve,
  });
  const long = 'ö'.repeat(300_000);
  const texts = ['a', 'b\nc', long, ''];
  const bytes = Buffer.from(texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  for (let at = 0; at < bytes.length; at += 4099) left.write(bytes.subarray(at, at + 4099));
  left.end();
  assert.equal(await closed.promise, undefined);
  assert.deepEqual(seen, texts);
});

test('both sides talk', async (t) => {
  const [left, right] = await socketPair(t);
  const closed = Promise.withResolvers<Error | undefined>();
  const echo = new MessageChannel<Message, Message>(right, {
    onMessage: (message) => echo.send({ text: message.text.toUpperCase() }),
    onClose: () => {},
  });
  const seen: string[] = [];
  const client = new MessageChannel<Message, Message>(left, {
    onMessage: (message) => {
      seen.push(message.text);
      client.close();
    },
    onClose: closed.resolve,
  });
  assert.equal(client.send({ text: 'a' }), true);
  assert.equal(await closed.promise, undefined);
  assert.deepEqual(seen, ['A']);
  assert.equal(client.send({ text: 'b' }), false);
});

for (const [name, line] of [
  ['not JSON', '{"text"\n'],
  ['not an object', '7\n'],
] as const) {
  test(`a line that is ${name} ends the connection`, async (t) => {
    const [left, right] = await socketPair(t);
    const closed = Promise.withResolvers<Error | undefined>();
    void new MessageChannel<Message, Message>(right, {
      onMessage: () => assert.fail('no message'),
      onClose: closed.resolve,
    });
    left.write(line);
    assert.ok(isMolnError(await closed.promise, GATEWAY_PROTOCOL));
  });
}
