/** PostgreSQL with two standbys on this machine, of which one has to confirm each commit; inserts by `pgbench`, its own load tool. */
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../testing/free-ports.ts';
import { until } from '../testing/until.ts';
import type { Peer } from './database-peers.ts';
import { output, serverFolder, startServer } from './peer-programs.ts';
import { stop } from './tools.ts';

const USER = 'postgres';
const INSERT = "INSERT INTO item (name, n) VALUES ('name 123456', 123456);\n";
const TABLE =
  'CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, n bigint)';
const STANDBYS = ['a', 'b'] as const;
/** A majority of three has it on the disk, as with three members of etcd. */
const CONFIRMED = `ANY 1 (${STANDBYS.join(', ')})`;

const CONFIRMING = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'";

/** `folder` may be entered by everybody. */
export async function startPostgres(folder: string): Promise<Peer> {
  const ports = await freePorts('127.0.0.1', 1 + STANDBYS.length);
  const servers: ChildProcess[] = [];
  const where = (at: number): string[] => [
    '--host=127.0.0.1',
    `--port=${ports[at]}`,
    '--username=postgres',
  ];
  const query = (at: number, sql: string): Promise<string> =>
    output({
      program: 'psql',
      args: [...where(at), '--no-align', '--tuples-only', '--command', sql],
    });
  const start = async (at: number, data: string): Promise<void> => {
    const settings = {
      port: ports[at],
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: 300,
    };
    const args = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    const isReady = async (): Promise<boolean> => (await query(at, 'SELECT 1')).startsWith('1');
    const server = { program: 'postgres', args: ['-D', data, ...args], user: USER };
    servers.push(await startServer(server, `${data}.log`, isReady));
  };
  const standby = async (at: number, name: string): Promise<void> => {
    const data = await serverFolder(join(folder, `postgres-${name}`), USER);
    const from = `host=127.0.0.1 port=${ports[0]} user=postgres application_name=${name}`;
    const args = ['--dbname', from, '--pgdata', data, '--write-recovery-conf', '--checkpoint=fast'];
    await output({ program: 'pg_basebackup', args, user: USER });
    await start(at, data);
  };
  const dispose = async (): Promise<void> => {
    // The standbys first: the primary waits for them.
    for (const server of servers.toReversed()) await stop(server);
  };
  const script = join(folder, 'insert.sql');
  try {
    const data = await serverFolder(join(folder, 'postgres'), USER);
    await output({
      program: 'initdb',
      args: ['-D', data, '--auth=trust', '--username=postgres'],
      user: USER,
    });
    await start(0, data);
    for (const [at, name] of STANDBYS.entries()) await standby(at + 1, name);
    await query(0, `ALTER SYSTEM SET synchronous_standby_names = '${CONFIRMED}'`);
    await query(0, 'SELECT pg_reload_conf()');
    await until('both standbys confirm', async () => (await query(0, CONFIRMING)).startsWith('2'));
    await query(0, TABLE);
    await writeFile(script, INSERT);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    name: 'PostgreSQL, 2 standbys',
    async insert({ clients, seconds }) {
      const load = [`--client=${clients}`, '--jobs=1', `--time=${seconds}`, '--protocol=prepared'];
      const args = [...where(0), ...load, '--no-vacuum', `--file=${script}`, 'postgres'];
      return Number(/tps = ([\d.]+)/.exec(await output({ program: 'pgbench', args }))?.[1]);
    },
    [Symbol.asyncDispose]: dispose,
  };
}
