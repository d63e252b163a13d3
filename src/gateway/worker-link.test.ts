import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import type { GatewayCommand, GatewayReply } from './config.ts';
import { MessageChannel } from './control-protocol.ts';
import { GATEWAY_WORKER_FAILED } from './errors.ts';
import type { GatewayQuestion } from './gateway-question.ts';
import { WorkerLink } from './worker-link.ts';

type Ask = GatewayCommand & { readonly kind: 'ask' };
type Channel = MessageChannel<GatewayCommand, GatewayReply>;

const PATIENCE_MS = 10_000;

/** A worker that does with questions what the test says. */
async function linkTo(
  t: TestContext,
  onAsk: (ask: Ask, channel: Channel) => void,
): Promise<WorkerLink> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-link-'));
  const path = join(folder, 's');
  const server = createServer((socket) => {
    const channel: Channel = new MessageChannel(socket, {
      onMessage: (command) => {
        if (command.kind === 'ask') onAsk(command, channel);
      },
      onClose: () => undefined,
    });
    channel.send({ kind: 'hello', pid: 1, protocol: 1, version: 0 });
  });
  server.listen(path);
  await once(server, 'listening');
  const { link } = await WorkerLink.connect(path, systemClock);
  t.after(async () => {
    link.close();
    server.close();
    await rm(folder, { recursive: true });
  });
  return link;
}

function top(durationMs: number): GatewayQuestion & { readonly kind: 'top' } {
  return { kind: 'top', durationMs };
}

test('answers find their questions, in whatever order they come', async (t) => {
  const asked: Ask[] = [];
  const link = await linkTo(t, (ask, channel) => {
    asked.push(ask);
    if (asked.length < 2) return;
    for (const { id, question } of asked.toReversed()) {
      const seconds = question.kind === 'top' ? question.durationMs / 1000 : 0;
      const answer = { kind: 'top', top: { seconds, routes: [], urls: [] } } as const;
      channel.send({ kind: 'answer', id, answer });
    }
  });
  const [one, two] = await Promise.all([
    link.question(top(1000), PATIENCE_MS),
    link.question(top(2000), PATIENCE_MS),
  ]);
  assert.deepEqual([one.top.seconds, two.top.seconds], [1, 2]);
});

test('what a worker says is wrong comes out as it says it', async (t) => {
  const link = await linkTo(t, ({ id }, channel) =>
    channel.send({ kind: 'failed', id, code: 'CONFIG_INVALID', message: 'No URL' }),
  );
  const failure = await link.question(top(1), PATIENCE_MS).catch((error: unknown) => error);
  assert.ok(isMolnError(failure, 'CONFIG_INVALID'));
});

test('a question ends with the connection, and with its time', async (t) => {
  const gone = await linkTo(t, (_ask, channel) => channel.destroy());
  const isFailed = (error: unknown): boolean => isMolnError(error, GATEWAY_WORKER_FAILED);
  await assert.rejects(gone.question(top(1), PATIENCE_MS), isFailed);
  const mute = await linkTo(t, () => undefined);
  await assert.rejects(mute.question(top(1), 20), /did not answer in 20 ms/);
});
