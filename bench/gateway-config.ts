/**
 * `npm run bench -- gateway-config`: what one change among many routes costs: from `apply` to the word of every gateway process
 * that it is in use, with two processes; the processor's time and the bytes read are those of one of them.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { RouteConfig } from '../src/gateway/config.ts';
import { DEFAULT_GATEWAY_LIMITS, GatewaySupervisor } from '../src/gateway/gateway.ts';
import { freePorts } from '../testing/free-ports.ts';
import { cpuSeconds, median } from './tools.ts';

const WARM_UP = 20;

export async function benchGatewayConfig(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      routes: { type: 'string', default: '1000' },
      changes: { type: 'string', default: '100' },
    },
  });
  const routes = Array.from({ length: Number(values.routes) }, (_, at) => routeOf(at, 0));
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-'));
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const gateway = new GatewaySupervisor({
    runFolder: join(folder, 'run'),
    logFolder: join(folder, 'logs'),
    workers: 2,
    clock: systemClock,
    log: silentLogger,
  });
  const apply = async (): Promise<void> => {
    await gateway.apply({
      listeners: [{ id: 'http', address: '127.0.0.1', port, protocol: 'http' }],
      // As the node does it: made anew each time.
      routes: structuredClone(routes),
      limits: DEFAULT_GATEWAY_LIMITS,
    });
  };
  try {
    await gateway.start();
    const pid = gateway.workers()[0]?.pid ?? 0;
    const tookMs: number[] = [];
    let before = { cpu: 0, bytes: 0 };
    for (let change = 0; change < WARM_UP + Number(values.changes); change++) {
      if (change === WARM_UP) before = { cpu: cpuSeconds(pid), bytes: bytesRead(pid) };
      routes[change % routes.length] = routeOf(change % routes.length, change + 1);
      const began = performance.now();
      await apply();
      if (change >= WARM_UP) tookMs.push(performance.now() - began);
    }
    const count = tookMs.length;
    const cpuMs = ((cpuSeconds(pid) - before.cpu) * 1000) / count;
    const bytes = (bytesRead(pid) - before.bytes) / count;
    console.log(
      `One of ${routes.length} routes changes, ${count} times: median ${median(tookMs).toFixed(1)} ms until it is in use, ` +
        `${cpuMs.toFixed(1)} ms of the processor and ${Math.round(bytes)} bytes for each gateway process`,
    );
    await gateway.stop({ drainMs: 0 });
  } finally {
    await gateway[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Two upstreams, a cookie for each, fields for the answer: what an ordinary app has. */
function routeOf(at: number, change: number): RouteConfig {
  const upstreams = [1, 2].map((one) => ({
    id: `app-${at}-${one}`,
    address: { kind: 'socket', path: `/tmp/none/app-${at}-${one}.sock` } as const,
  }));
  return {
    id: `app/${at}`,
    hosts: [`app-${at}.test`, `www.app-${at}.test`],
    path: '/',
    target: { kind: 'upstreams', upstreams },
    balance: { algorithm: 'least' },
    site: { headers: { response: { set: { 'X-Change': String(change) } } } },
  };
}

function bytesRead(pid: number): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0);
}
