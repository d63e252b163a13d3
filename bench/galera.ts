/** Three nodes of MariaDB with Galera on this machine; inserts are sent to the first by `mysqlslap`, MariaDB's own load tool. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { freePorts } from '../testing/free-ports.ts';
import type { Peer } from './database-peers.ts';
import { output, serverFolder, startServer } from './peer-programs.ts';
import { stop } from './tools.ts';

const USER = 'mysql';
const NODES = [0, 1, 2] as const;
const PROVIDER = '/usr/lib/galera/libgalera_smm.so';
const INSERT = "INSERT INTO item (name, n) VALUES ('name 123456', 123456)";
const TABLE =
  'CREATE DATABASE bench; CREATE TABLE bench.item (id BIGINT AUTO_INCREMENT PRIMARY KEY, name TEXT, n BIGINT)';
/** Of these for each client, the first run tells how many make the time that is asked for. */
const FIRST_INSERTS = 20;

/** Every commit is on the disk of the node that was asked, and was received and certified by all. `folder` may be entered by everybody. */
export async function startGalera(folder: string): Promise<Peer> {
  const all = await freePorts('127.0.0.1', 4 * NODES.length);
  const ports = NODES.map((node) => all.slice(4 * node, 4 * node + 4));
  const members = ports.map(([, group]) => `127.0.0.1:${group}`).join(',');
  const servers: ChildProcess[] = [];
  const client = (program: string, node: number, ...args: readonly string[]): Promise<string> => {
    const where = [
      '--no-defaults',
      '--protocol=tcp',
      '--host=127.0.0.1',
      `--port=${ports[node]?.[0]}`,
    ];
    return output({ program, args: [...where, '--user=root', ...args] });
  };
  const query = (node: number, sql: string): Promise<string> =>
    client('mariadb', node, '--skip-column-names', `--execute=${sql}`);
  const startNode = async (node: number): Promise<void> => {
    const [port, group, step, state] = ports[node] ?? [];
    const data = await serverFolder(join(folder, `galera-${node}`), USER);
    const where = ['--no-defaults', `--datadir=${data}`];
    if (node === 0) {
      const more = ['--auth-root-authentication-method=normal', '--skip-test-db'];
      await output({ program: 'mariadb-install-db', args: [...where, ...more], user: USER });
    }
    const args = [
      ...where,
      `--socket=${data}/socket`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      '--binlog-format=ROW',
      '--innodb-autoinc-lock-mode=2',
      '--innodb-flush-log-at-trx-commit=1',
      '--wsrep-on=ON',
      `--wsrep-provider=${PROVIDER}`,
      '--wsrep-cluster-name=bench',
      `--wsrep-cluster-address=gcomm://${members}`,
      `--wsrep-node-address=127.0.0.1:${group}`,
      '--wsrep-slave-threads=4',
      '--wsrep-sst-method=rsync',
      `--wsrep-sst-receive-address=127.0.0.1:${state}`,
      `--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:${group};ist.recv_addr=127.0.0.1:${step}`,
      ...(node === 0 ? ['--wsrep-new-cluster'] : []),
    ];
    const isReady = async (): Promise<boolean> =>
      (await query(node, "SHOW STATUS LIKE 'wsrep_local_state_comment'")).includes('Synced');
    servers.push(
      await startServer(
        { program: 'mariadbd', args, user: USER },
        join(folder, `galera-${node}.log`),
        isReady,
      ),
    );
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(servers.toReversed().map(stop));
  };
  try {
    for (const node of NODES) await startNode(node);
    const size = await query(0, "SHOW STATUS LIKE 'wsrep_cluster_size'");
    if (!size.trim().endsWith(`\t${NODES.length}`))
      throw new Error(`Galera has not ${NODES.length} nodes: ${size}`);
    await query(0, TABLE);
  } catch (error) {
    await dispose();
    throw error;
  }
  const run = async (clients: number, inserts: number): Promise<number> => {
    const load = ['--create-schema=bench', '--no-drop', `--concurrency=${clients}`];
    const said = await client(
      'mysqlslap',
      0,
      ...load,
      `--number-of-queries=${inserts}`,
      `--query=${INSERT}`,
    );
    return inserts / Number(/Average number of seconds[^:]*: ([\d.]+)/.exec(said)?.[1]);
  };
  return {
    name: 'MariaDB Galera, 3 nodes',
    async insert({ clients, seconds }) {
      const rate = await run(clients, clients * FIRST_INSERTS);
      return await run(clients, clients * Math.ceil((rate * seconds) / clients));
    },
    [Symbol.asyncDispose]: dispose,
  };
}
