/**
 * Before an address moves by intention: no new connection is begun to it, and those under way may finish. A client whose first
 * packet is dropped sends it again a second later (RFC 6298 §2), and finds the next holder.
 *
 * The kernel drops first packets for a listener whose queue is full. So a listener of the very address, which comes before the
 * gateway's of all addresses, is opened in a thread that never accepts, and its queue is filled from here. It ends with the thread.
 */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { hasConnections } from './links.ts';
import { QUIET_MS, QUIET_POLL_MS } from './limits.ts';

/** Listening, filling and then standing still are one turn of the thread: hardly anybody gets in between. */
const SILENT_LISTENERS = `
const { workerData, parentPort } = require('node:worker_threads');
const net = require('node:net');
const { address, ports, fillers } = workerData;
let waiting = 0;
const full = () => {
  parentPort.postMessage('full');
  process.nextTick(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
};
for (const port of ports) {
  net.createServer().on('error', () => {}).listen({ host: address, port, backlog: 1, reusePort: true });
  for (let one = 0; one < fillers; one++) net.connect(port, address).on('error', () => {});
}
process.nextTick(() => process.nextTick(full));
`;
/** The kernel takes one more than the backlog says. */
const FILLERS = 3;
const READY_WITHIN_MS = 400;

export interface QuietOptions {
  /** Of the gateway, over TCP. */
  readonly ports: () => readonly number[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Dispose of it when the address is gone. It never fails: what is under way breaks then. */
export async function quiet(address: string, options: QuietOptions): Promise<AsyncDisposable> {
  const { ports, clock, log } = options;
  const untilMs = clock.monotonicMs() + QUIET_MS;
  const worker = new Worker(SILENT_LISTENERS, {
    eval: true,
    workerData: { address, ports: ports(), fillers: FILLERS },
    stdout: true,
    stderr: true,
  });
  worker.unref();
  const { promise: isReady, resolve } = Promise.withResolvers<void>();
  using _late = clock.after(READY_WITHIN_MS, resolve);
  worker.once('message', () => resolve());
  worker.once('error', (error) => {
    log.warn('New connections are not held back while an address moves', { address, error });
    resolve();
  });
  await isReady;
  try {
    while (clock.monotonicMs() < untilMs && (await hasConnections(address))) {
      await clock.sleep(QUIET_POLL_MS);
    }
  } catch (error) {
    log.warn('Cannot see which connections are under way', { address, error });
  }
  return {
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}
