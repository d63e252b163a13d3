/** Real etcd members for tests, each its own process on free ports of 127.0.0.1, in a temporary folder. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import {
  type EtcdAdmin,
  EtcdMember,
  type EtcdMemberOptions,
  type EtcdTls,
  openEtcdAdmin,
} from '../src/registry/registry.ts';
import { freePorts } from './free-ports.ts';
import { until } from './until.ts';

export interface EtcdUnderTest extends AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly endpoints: readonly string[];
  readonly admin: EtcdAdmin;
  /** Kills a member at once, as a power cut would. */
  kill(member: EtcdMember): Promise<void>;
  /** A new member in the place of one that was removed: nothing of the old one is left, and it is not started. */
  replace(member: EtcdMember): Promise<EtcdMember>;
  /** The member that leads now. */
  leader(): Promise<EtcdMember>;
}

type Changes = Partial<Pick<EtcdMemberOptions, 'quotaBytes' | 'timing' | 'tls' | 'onSpawn'>> & {
  /** Where the members' folders are made: in memory unless said. */
  readonly within?: string;
};

/** In memory where the system has such a folder: members that are killed, not machines, need no disk. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** Waits until there is a leader. `tls` is for the admin client, where the members want certificates. */
export async function startEtcd(
  count: number,
  { within = FOLDER, ...changes }: Changes = {},
  tls?: () => EtcdTls,
): Promise<EtcdUnderTest> {
  const folder = await mkdtemp(join(within, 'moln-etcd-'));
  const options = await optionsOf(folder, count, changes);
  const members = options.map((one) => new EtcdMember(one));
  const endpoints = members.map((member) => member.endpoint);
  const admin = await openEtcdAdmin({
    endpoints,
    clock: systemClock,
    log: silentLogger,
    ...(tls === undefined ? {} : { tls }),
  });
  const leader = async (): Promise<EtcdMember> => {
    const leading = await until('a leader', async () => {
      const alive = members.filter((member) => member.isRunning);
      const all = await Promise.all(alive.map((member) => admin.status(member.endpoint)));
      const [first] = all.filter((status) => status.isLeader);
      return all.every(({ leaderId }) => leaderId === first?.id) ? first : undefined;
    });
    const found = members.find((member) => member.endpoint === leading.endpoint);
    if (found === undefined) throw new Error(`${leading.endpoint} is none of ours`);
    return found;
  };
  const replace = async (member: EtcdMember): Promise<EtcdMember> => {
    await kill(member);
    const at = members.indexOf(member);
    const old = options[at];
    if (old === undefined) throw new Error(`${member.endpoint} is none of ours`);
    await rm(old.folder, { recursive: true });
    const next = new EtcdMember({ ...old, joins: true });
    members[at] = next;
    return next;
  };
  const dispose = async (): Promise<void> => {
    admin[Symbol.dispose]();
    await Promise.all(members.map((member) => kill(member)));
    await rm(folder, { recursive: true });
  };
  try {
    await Promise.all(members.map((member) => member.start()));
    await leader();
  } catch (error) {
    const said = await Promise.all(members.map((member) => member.logTail()));
    await dispose();
    throw new Error(`etcd did not start:\n${said.join('\n')}`, { cause: error });
  }
  return { members, endpoints, admin, kill, replace, leader, [Symbol.asyncDispose]: dispose };
}

async function kill(member: EtcdMember): Promise<void> {
  const { pid } = member;
  if (pid === undefined) return;
  process.kill(pid, 'SIGKILL');
  await until('it is gone', () => !member.isRunning);
}

async function optionsOf(
  folder: string,
  count: number,
  changes: Omit<Changes, 'within'>,
): Promise<readonly EtcdMemberOptions[]> {
  const address = '127.0.0.1';
  const ports = await freePorts(address, 2 * count);
  const names = Array.from({ length: count }, (_, index) => `m${index + 1}`);
  const scheme = changes.tls === undefined ? 'http' : 'https';
  const peers = names.map((name, at) => ({
    name,
    peerUrl: `${scheme}://${address}:${ports[2 * at + 1]}`,
  }));
  return names.map((name, at) => ({
    folder: join(folder, name),
    name,
    address,
    ports: { client: ports[2 * at] ?? 0, peer: ports[2 * at + 1] ?? 0 },
    members: peers,
    joins: false,
    clusterToken: 'test',
    clock: systemClock,
    log: silentLogger,
    ...changes,
  }));
}
