/** What is broken in a fault run, one thing at a time, and mended again. */
import { setTimeout as pause } from 'node:timers/promises';
import type { EtcdMember } from '../../src/registry/registry.ts';
import type { Seeded } from '../seeded.ts';
import { until } from '../until.ts';
import type { FaultCluster, NodeNetwork } from './cluster.ts';
import type { FaultNode } from './processes.ts';

export interface Fault {
  readonly name: string;
  /** Breaks it, and resolves to what mends it. */
  readonly begin: (on: FaultCluster, random: Seeded) => Promise<() => Promise<void> | void>;
}

type Victim = (on: FaultCluster, random: Seeded) => Promise<number>;

const primary: Victim = async (on, random) => await on.leaderOf(random.pick(on.stripes));
const mirror: Victim = async (on, random) => {
  const leads = await on.leaderOf(random.pick(on.stripes));
  return (leads + 1 + random.below(on.nodes.length - 1)) % on.nodes.length;
};

function nodeOf(on: FaultCluster, at: number): FaultNode {
  const node = on.nodes[at];
  if (node === undefined) throw new Error(`There is no node ${at}`);
  return node;
}

function networkOf(on: FaultCluster, at: number): NodeNetwork {
  const network = on.networks[at];
  if (network === undefined) throw new Error(`There is no node ${at}`);
  return network;
}

function killed(what: string, victim: Victim): Fault {
  return {
    name: `kill -9 of ${what}`,
    begin: async (on, random) => {
      const node = nodeOf(on, await victim(on, random));
      await node.kill();
      return () => node.start();
    },
  };
}

function stopped(what: string, victim: Victim): Fault {
  return {
    name: `SIGSTOP of ${what}`,
    begin: async (on, random) => {
      const node = nodeOf(on, await victim(on, random));
      node.signal('SIGSTOP');
      return () => node.signal('SIGCONT');
    },
  };
}

async function memberOf(on: FaultCluster, random: Seeded): Promise<EtcdMember> {
  return random.chance(0.5) ? await on.etcd.leader() : random.pick(on.etcd.members);
}

function network(
  name: string,
  spoil: (of: NodeNetwork) => void,
  mend: (of: NodeNetwork) => void,
): Fault {
  return {
    name,
    begin: async (on, random) => {
      const of = networkOf(on, await primary(on, random));
      spoil(of);
      return () => mend(of);
    },
  };
}

const DELAY_MS = 150;
const JUMP_MS = 3_600_000;
/** For a pause that a lease does not survive; the faults last so long anyway. */
const STOP_MS = 4500;

export const FAULTS: readonly Fault[] = [
  killed('a primary', primary),
  killed('a mirror', mirror),
  stopped('a primary', primary),
  stopped('a mirror', mirror),
  {
    name: 'kill -9 of an etcd member',
    begin: async (on, random) => {
      const member = await memberOf(on, random);
      await on.etcd.kill(member);
      return () => member.start();
    },
  },
  {
    name: 'SIGSTOP of an etcd member',
    begin: async (on, random) => {
      const { pid } = await memberOf(on, random);
      if (pid !== undefined) process.kill(pid, 'SIGSTOP');
      return () => void (pid !== undefined && process.kill(pid, 'SIGCONT'));
    },
  },
  {
    name: 'kill -9 of a coordinator',
    begin: async (on, random) => {
      const at = random.below(on.clients.length);
      await on.clients[at]?.end('kill');
      on.replaceClients(at);
      return () => {};
    },
  },
  {
    name: 'SIGSTOP of a coordinator',
    begin: async (on, random) => {
      const victim = random.pick(on.clients);
      victim.signal('SIGSTOP');
      await pause(STOP_MS);
      return () => victim.signal('SIGCONT');
    },
  },
  network(
    'a primary cut off from etcd',
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.cut({ refuse: true });
    },
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.accept();
    },
  ),
  network(
    'answers of etcd to a primary held back',
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.hold('answers');
    },
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.release();
    },
  ),
  network(
    'requests of a primary to etcd late, then all at once',
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.hold('requests');
    },
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.release();
    },
  ),
  network(
    'a slow way to etcd',
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.delay(DELAY_MS);
    },
    ({ toEtcd }) => {
      for (const proxy of toEtcd) proxy.delay(0);
    },
  ),
  network(
    'connections of clients reset',
    ({ fromClients }) => fromClients.cut(),
    () => {},
  ),
  network(
    'answers to clients held back',
    ({ fromClients }) => fromClients.hold('answers'),
    ({ fromClients }) => fromClients.release(),
  ),
  {
    name: 'etcd compacted and defragmented',
    begin: async (on) => {
      const { revision } = await on.registry.list('/none');
      await on.etcd.admin.compact(revision);
      for (const { endpoint } of on.etcd.members) await on.etcd.admin.defragment(endpoint);
      return () => {};
    },
  },
  {
    name: "etcd's leader moved",
    begin: async (on) => {
      const leader = await on.etcd.leader();
      const members = await on.etcd.admin.status(leader.endpoint);
      const other = (await on.etcd.admin.members()).find(({ id }) => id !== members.id);
      if (other !== undefined) await on.etcd.admin.moveLeader(leader.endpoint, other.id);
      return () => {};
    },
  },
  {
    name: 'a full disk',
    begin: (on) => {
      const { disk } = on;
      disk?.fill();
      return Promise.resolve(() => disk?.free());
    },
  },
  {
    name: 'clocks that jump',
    begin: async (on, random) => {
      const node = random.pick(on.nodes);
      const ms = random.pick([JUMP_MS, -JUMP_MS]);
      await node.jump(ms);
      return async () => await node.jump(-ms);
    },
  },
  {
    name: 'snapshots, and logs trimmed behind them',
    begin: async (on) => {
      for (const node of on.nodes) await node.snapshot();
      return () => {};
    },
  },
  {
    name: 'a stripe handed over',
    begin: async (on, random) => {
      const stripe = random.pick(on.stripes);
      await nodeOf(on, await on.leaderOf(stripe)).release(stripe);
      return () => {};
    },
  },
];

/** One fault, for so long; then until all is well again. */
export async function suffer(
  on: FaultCluster,
  fault: Fault,
  random: Seeded,
  ms: number,
): Promise<void> {
  const mend = await fault.begin(on, random);
  await pause(ms);
  await mend();
  const acknowledged = (): number =>
    on.observations.filter((one) => one.kind === 'end' && one.type === 'ok').length;
  const before = acknowledged();
  const from = on.observations.length;
  try {
    await until(`clients go on after "${fault.name}"`, () => acknowledged() > before + 10, {
      withinMs: 90_000,
    });
  } catch (error) {
    const said = on.observations.slice(from).map((one) => ('code' in one ? one.code : one.kind));
    const counts = Object.entries(Object.groupBy(said, (one) => one));
    const text = counts.map(([what, all]) => `${what} ${all?.length}`).join(', ');
    throw new Error(`${(error as Error).message}; meanwhile: ${text}`, { cause: error });
  }
}
