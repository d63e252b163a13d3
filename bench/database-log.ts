/**
 * `npm run bench -- database log-quota --minutes N`: rows are written as fast as one stripe takes them, and every ten seconds it is told how large etcd's file is
 * beside its quota. The process that a node runs makes snapshots and trims the log, and this one looks after etcd as a manager does.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { EtcdUpkeep } from '../src/registry/registry.ts';
import { type EtcdUnderTest, startEtcd } from '../testing/etcd-kit.ts';
import { serve } from './database-process.ts';
import { runClients } from './hrana-clients.ts';
import { mib } from './tools.ts';

const CLIENTS = 64;
const ROW_BYTES = 4096;
const LOOK_EVERY_MS = 10_000;
const MINUTE_SECONDS = 60;

export async function benchDatabaseLog(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    allowPositionals: true,
    options: { minutes: { type: 'string', default: '30' } },
  });
  await using etcd = await startEtcd(3);
  await using served = await serve({ etcd });
  const run = { isOver: false };
  const watched = Promise.all([keepInOrder(etcd, run), tell(etcd, run)]);
  await served.database.script('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)');
  const { measured } = await runClients(
    {
      at: served.ports.socket,
      base: '/db/bench/',
      token: served.token,
      kind: 'insert',
      clients: CLIENTS,
      warmSeconds: 0,
      seconds: Number(values.minutes) * MINUTE_SECONDS,
      rows: 0,
      rowBytes: ROW_BYTES,
    },
    [],
  );
  run.isOver = true;
  const [, most] = await watched;
  const { statements, seconds } = measured;
  const written = (statements * ROW_BYTES) / 2 ** 20;
  console.log(
    `${statements} rows, ${written.toFixed(0)} MiB in ${(seconds / MINUTE_SECONDS).toFixed(1)} minutes: ${(written / seconds).toFixed(1)} MiB/s; etcd's file had at most ${mib(most)} MiB`,
  );
}

interface Run {
  isOver: boolean;
}

/** What the manager's worker does on a node. */
async function keepInOrder({ admin }: EtcdUnderTest, run: Run): Promise<void> {
  const upkeep = new EtcdUpkeep({ admin, clock: systemClock, log: silentLogger });
  while (!run.isOver) {
    const done = await upkeep.step();
    if (done.kind === 'idle') await pause(done.retryInMs ?? LOOK_EVERY_MS);
  }
}

/** Resolves to the most that a member's file had, in bytes. */
async function tell({ admin, endpoints }: EtcdUnderTest, run: Run): Promise<number> {
  const began = performance.now();
  let most = 0;
  for (; !run.isOver; await pause(LOOK_EVERY_MS)) {
    const seconds = Math.round((performance.now() - began) / 1000);
    const asked = await Promise.allSettled(endpoints.map((endpoint) => admin.status(endpoint)));
    // On a machine with much else to do a member may not answer in time: it is asked again.
    const statuses = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const largest = Math.max(0, ...statuses.map(({ dbBytes }) => dbBytes));
    const used = Math.max(0, ...statuses.map(({ dbBytesInUse }) => dbBytesInUse));
    most = Math.max(most, largest);
    console.log(
      `${String(seconds).padStart(5)} s: file ${mib(largest)} MiB, in use ${mib(used)} MiB, ${statuses.length} members answer`,
    );
  }
  return most;
}
