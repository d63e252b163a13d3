/**
 * `npm run bench -- database-peers`: single-row durable inserts beside MariaDB Galera (three nodes) and PostgreSQL (two standbys), all of them on this machine at a time,
 * asked in turn by clients written in C, with their files side by side on one disk. Moln is the process that a node runs, with its log in three etcd members, asked over HTTP by its port.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEtcd } from '../testing/etcd-kit.ts';
import { serve } from './database-process.ts';
import { startGalera } from './galera.ts';
import { insertByWrk } from './hrana-wrk.ts';
import { startPostgres } from './postgres.ts';
import { median, requirePrograms, versionOf } from './tools.ts';

export interface InsertLoad {
  readonly clients: number;
  readonly seconds: number;
}

/** A database that inserts are sent to, each client its next one when the last is answered. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** Inserts a second. */
  insert(load: InsertLoad): Promise<number>;
}

const NEEDED = {
  mariadbd: 'mariadb-server',
  mysqlslap: 'mariadb-client',
  pgbench: 'postgresql',
  wrk: 'wrk',
};

export async function benchDatabasePeers(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      clients: { type: 'string', default: '1,64' },
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
    },
  });
  requirePrograms(NEEDED);
  const folder = await mkdtemp(join(tmpdir(), 'moln-peers-'));
  await chmod(folder, 0o755);
  try {
    await using stack = new AsyncDisposableStack();
    const peers: Peer[] = [];
    for (const start of [startMoln, startGalera, startPostgres]) {
      peers.push(stack.use(await start(folder)));
    }
    const versions = ['mariadbd', 'postgres', 'etcd'].map(
      (name) => `${name} ${versionOf(name, ['--version'])}`,
    );
    console.log(versions.join(', '));
    for (const clients of values.clients.split(',').map(Number)) {
      await compare(peers, { clients, seconds: Number(values.seconds) }, Number(values.rounds));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function compare(peers: readonly Peer[], load: InsertLoad, rounds: number): Promise<void> {
  const rates = new Map(peers.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) rates.get(peer.name)?.push(await peer.insert(load));
  }
  const [own = Number.NaN, ...others] = [...rates.values()].map(median);
  console.log(
    `\n${load.clients} clients, inserts a second, median of ${rounds} rounds of ${load.seconds} s`,
  );
  for (const [name, all] of rates) {
    console.log(
      `  ${name.padEnd(26)} ${String(Math.round(median(all))).padStart(6)}   (${all.map(Math.round).join(', ')})`,
    );
  }
  const ratios = others.map((other, at) => `${(own / other).toFixed(2)} × ${peers[at + 1]?.name}`);
  console.log(`  ${peers[0]?.name}: ${ratios.join('; ')}`);
}

async function startMoln(folder: string): Promise<Peer> {
  const etcd = await startEtcd(3, { within: folder });
  const served = await serve({ etcd });
  await served.database.script('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)');
  return {
    name: 'Moln, 3 etcd members',
    insert: (load) => insertByWrk(served, folder, load),
    async [Symbol.asyncDispose]() {
      await served[Symbol.asyncDispose]();
      await etcd[Symbol.asyncDispose]();
    },
  };
}
