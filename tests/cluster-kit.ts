/** Nodes of a cluster without the rest of Moln: identity, registry, doors on a real port. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { ManualClock } from '../testing/manual-clock.ts';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { type Clock, systemClock } from '../src/base/time.ts';
import {
  Admission,
  ClusterServer,
  connectNode,
  encodeInvite,
  type Identity,
  type InviteRole,
  Invites,
  type JoinOptions,
  memberCertificateOf,
  Members,
  RotationRecords,
  type NodeAddress,
  openIdentity,
} from '../src/cluster/cluster.ts';
import { FirstByteListener, type RpcStreamMethod } from '../src/net/net.ts';
import { openSqliteRegistry, type Registry } from '../src/registry/registry.ts';
import type { Member } from '../src/cluster/cluster.ts';

const ADDRESS = '127.0.0.1';
export const VERSION = '0.1.0';
export const REGISTRY_PLACE = {
  endpoints: ['https://127.0.0.1:7421'],
  prefix: '/moln/',
  epoch: 1,
} as const;

export interface Founder extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly identity: Identity;
  readonly registry: Registry;
  readonly invites: Invites;
  readonly members: Members;
  readonly admission: Admission;
  readonly server: ClusterServer;
  readonly port: number;
  /** The line to paste. */
  invite(options?: {
    readonly ttlMs?: number;
    readonly uses?: number;
    readonly role?: InviteRole;
    readonly port?: number;
  }): Promise<string>;
}

/** The first node of a cluster, on the sqlite engine unless another registry is given. */
export async function founder(
  options: {
    readonly name?: string;
    readonly registry?: Registry;
    readonly streams?: Readonly<Record<string, RpcStreamMethod<Member>>>;
    /** Of the doors; default: the system's. */
    readonly serverClock?: Clock;
    /** After a joiner's certificate was signed, before it is a member. */
    readonly whileJoining?: () => Promise<void>;
  } = {},
): Promise<Founder> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'moln-founder-'));
  const clock = new ManualClock(systemClock.now());
  const log = silentLogger;
  const nodeName = options.name ?? 'one';
  const identity = await openIdentity({ dataFolder, nodeName, clock, log });
  const registry =
    options.registry ??
    (await openSqliteRegistry({ path: join(dataFolder, 'registry.sqlite'), clock, log }));
  const invites = new Invites({ registry, clock, log });
  const members = new Members({ registry, clock, log });
  const admission = new Admission({
    identity,
    invites,
    members,
    rotations: new RotationRecords(registry),
    clock,
    log,
    version: VERSION,
    region: 'local',
    openRegistry: async () => {
      await options.whileJoining?.();
      return REGISTRY_PLACE;
    },
  });
  const server = new ClusterServer({
    identity,
    members,
    admission,
    log,
    version: VERSION,
    clock: options.serverClock ?? systemClock,
    ...(options.streams === undefined ? {} : { streams: options.streams }),
  });
  const { certificatePem: cert, keyPem: key } = identity.certificate;
  const listener = new FirstByteListener({
    clock: systemClock,
    log,
    tls: { key, cert },
    onConnection: (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n'),
  });
  server.start(listener);
  await listener.listen({ address: ADDRESS, port: 0 });
  const port = listener.address()?.port ?? 0;
  await members.register({
    ...identity.node,
    region: 'local',
    labels: {},
    address: ADDRESS,
    addresses: [ADDRESS],
    port,
    gatewayPort: 7423,
    memoryMiB: 1024,
    isDraining: false,
    roles: ['manager'],
    joinedAt: clock.now(),
    certificate: memberCertificateOf(cert),
  });
  return {
    clock,
    identity,
    registry,
    invites,
    members,
    admission,
    server,
    port,
    async invite({ port: other, ...wanted } = {}) {
      const { secret, detail } = await invites.create(wanted);
      const addresses = [{ host: ADDRESS, port: other ?? port }];
      return encodeInvite({ pin: identity.fingerprint, addresses, id: detail.id, secret });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await rm(dataFolder, { recursive: true });
    },
  };
}

/** A machine that may join: an empty data folder and what `joinCluster` wants. */
export interface Machine extends AsyncDisposable {
  readonly dataFolder: string;
  readonly clock: ManualClock;
  options(invite: string, changes?: Partial<JoinOptions>): JoinOptions;
  open(): Promise<Identity>;
}

export async function machine(name = 'two'): Promise<Machine> {
  const parent = await mkdtemp(join(tmpdir(), 'moln-machine-'));
  const dataFolder = join(parent, 'data');
  const clock = new ManualClock(systemClock.now());
  return {
    dataFolder,
    clock,
    options: (invite, changes = {}) => ({
      invite,
      dataFolder,
      name,
      addresses: [ADDRESS],
      port: 0,
      gatewayPort: 7423,
      memoryMiB: 1024,
      listenAddress: ADDRESS,
      version: VERSION,
      clock,
      log: silentLogger,
      ...changes,
    }),
    open: () => openIdentity({ dataFolder, clock, log: silentLogger }),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  };
}

/** That error, with a sentence that matches. */
export async function refuses(
  promise: Promise<unknown>,
  code: string,
  words: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isMolnError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  });
}

export function nodeOf(one: Founder): NodeAddress {
  return { id: one.identity.node.id, address: '127.0.0.1', port: one.port };
}

/** One call of `method` on a connection of its own. */
export async function call(identity: Identity, one: Founder, method: string): Promise<unknown> {
  await using client = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  return await client.call(method, {});
}
