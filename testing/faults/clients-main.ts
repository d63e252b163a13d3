/**
 * Clients of the fault runs, as one process that can be killed: each does one thing after another, over stripes wherever they are led,
 * and says what it saw. It ends when its input does. Usage: `node clients-main.ts JSON`, see `ClientsSetup`.
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { systemCode } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/time.ts';
import { type CommitLog, RegistryLog, type StripeClient } from '../../src/database/database.ts';
import { openEtcdRegistry } from '../../src/registry/registry.ts';
import { seeded } from '../seeded.ts';
import type { Observation } from './observation.ts';
import { WireConnection, WireStripe } from './wire.ts';
import { Worker } from './worker.ts';

export interface ClientsSetup {
  readonly prefix: string;
  readonly endpoints: readonly string[];
  readonly stripes: readonly string[];
  /** Of the nodes, by way of their proxies. */
  readonly ports: readonly number[];
  readonly workers: number;
  /** The first number that its processes may have. */
  readonly first: number;
  readonly seed: number;
  readonly patienceMs: number;
  /** Told apart, so that each round judges what is its own. */
  readonly round: number;
  readonly accounts: number;
}

const setup = JSON.parse(process.argv[2] ?? '{}') as ClientsSetup;
const { prefix, endpoints, patienceMs } = setup;
const registry = await openEtcdRegistry({
  endpoints,
  prefix,
  client: `clients-${setup.first}`,
  clock: systemClock,
  log: silentLogger,
});
const log: CommitLog = new RegistryLog({ registry, database: 'shop', clock: systemClock });
const connections = new Map(
  setup.ports.map((port) => [port, new WireConnection(port, patienceMs)]),
);
const stop = new AbortController();
process.stdin.on('end', () => stop.abort());
process.stdin.resume();

const connectionTo = (port: number): WireConnection => {
  const found = connections.get(port);
  if (found === undefined) throw new Error(`No node has port ${port}`);
  return found;
};
const leaders = setup.stripes.map((name): StripeClient => {
  let known: { readonly at: number; readonly port: number } | undefined;
  return new WireStripe(name, async () => {
    const now = systemClock.monotonicMs();
    // Whoever leads tells so at once when it does not; this is only about whom to ask.
    if (known === undefined || now - known.at > 100) {
      const primary = await log.primary(name);
      known = { at: now, port: Number(primary?.address ?? setup.ports[0]) };
    }
    return connectionTo(known.port);
  });
});
const copies = setup.stripes.map((name) =>
  setup.ports.map((port) => new WireStripe(name, async () => connectionTo(port))),
);
await Promise.all(
  Array.from({ length: setup.workers }, async (_, at) => {
    const worker = new Worker({
      log,
      leaders,
      copies,
      random: seeded(setup.seed + at),
      process: setup.first + at,
      processStep: setup.workers,
      round: setup.round,
      accounts: setup.accounts,
      say,
    });
    while (!stop.signal.aborted) await worker.next();
  }),
);
for (const connection of connections.values()) connection.close();
await registry[Symbol.asyncDispose]();
await pause(50);
process.exit();

function say(observation: Observation): void {
  const line = Buffer.from(`${JSON.stringify(observation)}\n`);
  for (let from = 0; from < line.length;) {
    try {
      from += writeSync(1, line, from);
    } catch (error) {
      // The pipe is full: whoever reads is busy.
      if (systemCode(error) !== 'EAGAIN') throw error;
    }
  }
}
