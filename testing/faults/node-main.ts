/**
 * One node of the fault runs: a copy of each stripe on a real etcd, each of which leads when nobody does, behind a TCP port. Told over
 * IPC what only a test asks. Usage: `node node-main.ts JSON`, see `NodeSetup`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../../src/base/ids.ts';
import { type Logger, silentLogger } from '../../src/base/log.ts';
import { type Clock, systemClock } from '../../src/base/time.ts';
import { type Loan, runCandidate, runSnapshots, type Stripe } from '../../src/database/database.ts';
import { openEtcdRegistry } from '../../src/registry/registry.ts';
import { startDatabase } from '../database-kit.ts';
import { failureOfError } from '../database-nodes.ts';
import { serve, WireConnection } from './wire.ts';

export interface NodeSetup {
  readonly folder: string;
  readonly name: string;
  readonly prefix: string;
  readonly endpoints: readonly string[];
  readonly stripes: readonly string[];
  readonly port: number;
  /** Where clients reach it. */
  readonly address: string;
  readonly ttlMs: number;
}

export type NodeAsk =
  | { readonly id: number; readonly ask: 'status' | 'digest' | 'snapshot' }
  | { readonly id: number; readonly ask: 'release'; readonly stripe: string }
  | { readonly id: number; readonly ask: 'jump'; readonly ms: number };

const SNAPSHOT_AFTER_ENTRIES = 1500;
const KEEP_ENTRIES = 300;
const PEER_PATIENCE_MS = 2000;

const setup = JSON.parse(process.argv[2] ?? '{}') as NodeSetup;
const { folder, name: node, prefix, endpoints, port, address, ttlMs } = setup;
let jumpedMs = 0;
/** The wall clock may jump; the monotonic one may not. */
const clock: Clock = { ...systemClock, now: () => systemClock.now() + jumpedMs };
const logger: Logger = silentLogger;

await mkdir(join(folder, node), { recursive: true });
const common = { client: node, areWatchesApart: true, clock, log: logger };
const registry = await openEtcdRegistry({ endpoints, prefix, ...common });
const on = await startDatabase({ registry, folder });
const record = { node, life: randomId(), address };
const stripes = new Map<string, Stripe>();
const never = new AbortController().signal;
/** To other nodes, by where they answer: the same way as clients come. */
const peers = new Map<string, WireConnection>();
const peer = (to: string): WireConnection => {
  const known = peers.get(to) ?? new WireConnection(Number(to), PEER_PATIENCE_MS);
  peers.set(to, known);
  return known;
};
for (const name of setup.stripes) {
  const borrow = (primary: { readonly address?: string }): Promise<Loan | undefined> =>
    peer(primary.address ?? '').call({ stripe: name, method: 'lend', args: [address] }) as Promise<
      Loan | undefined
    >;
  // Something is written all the time: what is lent is called back at once.
  const loans = { borrow, mayBeOut: () => true, quietMs: 0 };
  const stripe = await on.copy(node, { name, record, primaryTtlMs: ttlMs, clock, loans });
  stripes.set(name, stripe);
  void runCandidate({ stripe, record, clock, logger, everyMs: 500 }, never);
  void runSnapshots(
    {
      stripe,
      log: on.log,
      clock,
      logger,
      everyMs: 1000,
      afterEntries: SNAPSHOT_AFTER_ENTRIES,
      keepEntries: KEEP_ENTRIES,
    },
    never,
  );
}
await serve(stripes, port, (borrower, name, loan) =>
  peer(borrower).call({ stripe: name, method: 'recalled', args: [loan] }),
);
process.on('message', (message: NodeAsk) => {
  answer(message).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) => process.send?.({ id: message.id, error: failureOfError(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ id: -1, value: 'ready' });

async function answer(message: NodeAsk): Promise<unknown> {
  const all = [...stripes.values()];
  switch (message.ask) {
    case 'status':
      return all.map(({ status }) => status);
    case 'digest':
      for (const stripe of all) await stripe.catchUp();
      return await Promise.all(all.map((stripe) => stripe.digest()));
    case 'snapshot':
      for (const stripe of all) if (stripe.status.role === 'primary') await stripe.snapshot(0);
      return undefined;
    case 'release':
      return await stripes.get(message.stripe)?.release();
    case 'jump':
      jumpedMs += message.ms;
      return undefined;
  }
}
