/** How an etcd member is started. Pure; every flag that is not etcd's default has its reason here. */
import type { EtcdMemberOptions } from './member.ts';

/** `3.4.23` as numbers. */
export type EtcdVersion = readonly [major: number, minor: number, patch: number];

export const CLIENT_PORT = 7421;
export const PEER_PORT = 7422;
/** etcd's advice for its maximum; commit logs of databases live here too. */
export const QUOTA_BYTES: number = 8 * 1024 * 1024 * 1024;
/** etcd keeps so many entries in memory: its 100,000 would be 0.8 GB at 8 KiB each. 3.6 has 10,000. */
const SNAPSHOT_COUNT = 5000;
/** Above our own limit of a commit, with room for its framing. */
const REQUEST_BYTES_MAX: number = 4 * 1024 * 1024;
/** Must be equal on all members. Our commits keep to the default of 128; logs of many stripes do not. */
const TXN_OPS_MAX = 512;
/** For members in one place; between data centres 300 and 3000. */
const HEARTBEAT_MS = 100;
const ELECTION_MS = 1000;

export function clientUrl(options: Pick<EtcdMemberOptions, 'address' | 'ports' | 'tls'>): string {
  return url(options.tls === undefined, options.address, options.ports?.client ?? CLIENT_PORT);
}

export function peerUrl(options: Pick<EtcdMemberOptions, 'address' | 'ports' | 'tls'>): string {
  return url(options.tls === undefined, options.address, options.ports?.peer ?? PEER_PORT);
}

export function etcdFlags(options: EtcdMemberOptions, version: EtcdVersion): string[] {
  const { name, folder, members, tls } = options;
  const [major, minor] = version;
  const flags: Record<string, string | number | boolean> = {
    name: name,
    'data-dir': `${folder}/data`,
    'listen-client-urls': clientUrl(options),
    'advertise-client-urls': clientUrl(options),
    'listen-peer-urls': peerUrl(options),
    'initial-advertise-peer-urls': peerUrl(options),
    'initial-cluster': members.map((one) => `${one.name}=${one.peerUrl}`).join(','),
    'initial-cluster-state': options.joins ? 'existing' : 'new',
    'initial-cluster-token': options.clusterToken,
    'heartbeat-interval': options.timing?.heartbeatMs ?? HEARTBEAT_MS,
    'election-timeout': options.timing?.electionMs ?? ELECTION_MS,
    'snapshot-count': SNAPSHOT_COUNT,
    'quota-backend-bytes': options.quotaBytes ?? QUOTA_BYTES,
    'max-request-bytes': REQUEST_BYTES_MAX,
    'max-txn-ops': TXN_OPS_MAX,
    // Compaction is ours (`upkeep.ts`), which knows what watchers need.
    'auto-compaction-retention': 0,
    // A member that comes back must not unseat a leader that works. The default only from 3.5 on.
    'pre-vote': true,
    logger: 'zap',
    'log-level': 'warn',
  };
  // Compares its data with the others' before it serves; 3.6 has a feature gate for it.
  if (major === 3 && minor < 6) flags['experimental-initial-corrupt-check'] = true;
  if (tls !== undefined) {
    for (const side of ['', 'peer-']) {
      flags[`${side}cert-file`] = tls.certificateFile;
      flags[`${side}key-file`] = tls.keyFile;
      flags[`${side}trusted-ca-file`] = tls.caFile;
      flags[`${side}client-cert-auth`] = true;
    }
    if (tls.crlFile !== undefined) {
      flags['client-crl-file'] = tls.crlFile;
      flags['peer-crl-file'] = tls.crlFile;
    }
  }
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}

/** From `etcd --version`: `etcd Version: 3.4.23`. Undefined when it says something else. */
export function parseVersion(text: string): EtcdVersion | undefined {
  const match = /\b(\d+)\.(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

function url(isPlain: boolean, address: string, port: number): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `${isPlain ? 'http' : 'https'}://${host}:${port}`;
}
