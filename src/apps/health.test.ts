import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { probe, type ProbeResult } from './health.ts';
import { PROBE_STALL_MS, PROBE_TIMEOUT_MS } from './run-limits.ts';

/** Its timers come late, as in a process that was held up. */
class LateClock extends ManualClock {
  lateMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.lateMs;
  }
}

/** What a probe of a silent server says when the agent gets to its time-out so much too late. */
async function probeWithDelay(t: TestContext, lateMs: number): Promise<ProbeResult> {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clock = new LateClock();
  const target = { socket: undefined, port, path: '/', host: 'x', uid: undefined, clock };
  const result = probe(target, new AbortController().signal);
  const [socket] = (await once(server, 'connection')) as [{ destroy(): void }];
  clock.lateMs = lateMs;
  clock.advance(PROBE_TIMEOUT_MS);
  const found = await result;
  socket.destroy();
  return found;
}

test('a time-out counts as silence, unless the agent itself was held up', async (t) => {
  assert.equal((await probeWithDelay(t, 0)).kind, 'silent');
  assert.equal((await probeWithDelay(t, PROBE_STALL_MS + 1)).kind, 'unknown');
});
