import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { anything } from './wire.ts';
import { sendStream } from './answer-stream.ts';
import { Exchange } from './exchange.ts';
import { PROGRESS_STALL_MS } from './limits.ts';

/** A client that never reads of a stream that never ends: how many items were asked for, and whether it was cut. */
async function stalled(lateFailure: 'progress' | 'error'): Promise<{
  readonly clock: ManualClock;
  readonly items: () => number;
  readonly ended: () => boolean;
  readonly close: () => Promise<void>;
}> {
  const clock = new ManualClock();
  let count = 0;
  let ended = false;
  async function* source(): AsyncGenerator<string> {
    try {
      for (;;) {
        count++;
        yield 'x'.repeat(65_536);
      }
    } finally {
      ended = true;
    }
  }
  const server = createServer((request, response) => {
    const left = new AbortController();
    response.once('close', () => left.abort());
    const kind = {
      kind: 'ndjson',
      item: anything,
      whenClientLeaves: 'abort',
      lateFailure,
    } as const;
    const context = { kind, clock, log: silentLogger, signal: left.signal };
    void sendStream(new Exchange(request, response, { local: true }), source(), context);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return {
    clock,
    items: () => count,
    ended: () => ended,
    close: async () => {
      client.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Until no buffer takes any more. */
async function untilFull(items: () => number): Promise<void> {
  let before = -1;
  await until('all buffers are full', () => {
    const same = before === items() && before > 0;
    before = items();
    return same;
  });
}

test('a client that stops reading does not hold a deploy up for ever', async () => {
  const { clock, items, ended, close } = await stalled('progress');
  await untilFull(items);
  clock.advance(PROGRESS_STALL_MS - 1);
  assert.equal(ended(), false);
  clock.advance(1);
  await until('the source was told to end', ended);
  await close();
});

test('a client of logs may take all the time it wants', async () => {
  const { clock, items, ended, close } = await stalled('error');
  await untilFull(items);
  clock.advance(100 * PROGRESS_STALL_MS);
  const full = items();
  await untilFull(items);
  assert.deepEqual([items(), ended()], [full, false]);
  await close();
});
