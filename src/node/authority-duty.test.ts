/** The leader's part and one node's part of a rotation, with a real registry and identity. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { until } from '../../testing/until.ts';
import { createLogger, type LogRecord, silentLogger } from '../base/log.ts';
import { type Clock, systemClock } from '../base/time.ts';
import {
  Events,
  fingerprintOf,
  type Identity,
  type LeaderTerm,
  memberCertificateOf,
  Members,
  openIdentity,
  RotationRecords,
} from '../cluster/cluster.ts';
import { openSqliteRegistry, type Registry } from '../registry/registry.ts';
import { AuthorityDuty } from './authority-duty.ts';
import { AuthorityFollower } from './authority-follower.ts';

const YEAR_MS = 365 * 24 * 3600_000;

interface Ground {
  readonly identity: Identity;
  readonly registry: Registry;
  readonly records: RotationRecords;
  /** Leads until the test ends. */
  readonly lead: (clock?: Clock) => void;
  /** As far as `rotation` says. */
  readonly follow: (more?: { readonly isManager?: boolean }) => AuthorityFollower;
  readonly told: () => Promise<readonly string[]>;
  /** What the follower could not do. */
  readonly troubles: readonly string[];
}

async function prepare(context: TestContext): Promise<Ground> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'moln-duty-'));
  const [clock, log] = [systemClock, silentLogger];
  const identity = await openIdentity({ dataFolder, nodeName: 'one', clock, log });
  const path = join(dataFolder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock, log });
  const members = new Members({ registry, clock, log });
  await members.register({
    ...identity.node,
    region: 'home',
    labels: {},
    address: '127.0.0.1',
    addresses: ['127.0.0.1'],
    port: 7420,
    gatewayPort: 7423,
    memoryMiB: 1024,
    isDraining: false,
    roles: ['manager'],
    joinedAt: clock.now(),
    certificate: memberCertificateOf(identity.certificate.certificatePem),
  });
  const events = new Events({ registry, clock, log });
  const troubles: string[] = [];
  const note = ({ level, fields }: LogRecord): void => {
    if (level === 'warn') troubles.push(String(fields['reason']));
  };
  const stop = new AbortController();
  const works: Promise<void>[] = [];
  // Nobody else is there to be asked.
  const fetchAuthorityKey = (of: string): Promise<void> =>
    identity.authorities.holdsKeyOf(of) ? Promise.resolve() : Promise.reject(new Error('alone'));
  context.after(async () => {
    stop.abort();
    await Promise.all(works);
    await registry[Symbol.asyncDispose]();
    await rm(dataFolder, { recursive: true });
  });
  return {
    identity,
    registry,
    records: new RotationRecords(registry),
    lead: (own = clock) => {
      const term: LeaderTerm = {
        token: 0,
        signal: stop.signal,
        commit: (conditions, operations) => registry.commit(conditions, operations),
      };
      const nodeRegistry = { live: registry };
      const cluster = { peers: { get: () => undefined }, fetchAuthorityKey };
      const duty = new AuthorityDuty({ identity, nodeRegistry, cluster, events, clock: own, log });
      works.push(duty.lead(term));
    },
    follow: ({ isManager = true } = {}) => {
      const follower = new AuthorityFollower({
        identity,
        registry,
        etcd: { authoritiesAtStart: () => Promise.resolve(undefined) },
        gateways: { isApplied: true },
        fetchKey: fetchAuthorityKey,
        isManager: () => isManager,
        clock,
        log: createLogger({ part: 'test', now: () => 0, sinks: [note] }),
      });
      follower.start();
      return follower;
    },
    troubles,
    told: async () => (await events.list()).map(({ text }) => text),
  };
}

async function ask({ records }: Ground): Promise<void> {
  const view = await records.view();
  assert.ok(await records.move(view, { step: 'asked', why: 'a test', startedAt: 1 }));
}

async function isDone({ records, identity }: Ground, former: string): Promise<boolean> {
  const rotation = await records.rotation();
  return rotation?.step === 'done' && !identity.authorities.trusted.includes(former);
}

test('a rotation that is asked for goes to its end', async (context) => {
  const ground = await prepare(context);
  const { fingerprint } = ground.identity;
  ground.lead();
  await using _follower = ground.follow();
  assert.equal(await ground.records.rotation(), undefined, 'it is young');
  await ask(ground);
  await until('the end', () => isDone(ground, fingerprint));
  const said = await until('all is told', async () => {
    const texts = await ground.told();
    return texts.length === 4 ? texts : undefined;
  });
  assert.match(said[0] ?? '', /because a test/);
});

test('it begins by itself when a third of the authority is left', async (context) => {
  const ground = await prepare(context);
  const { fingerprint } = ground.identity;
  const later = Object.create(systemClock, {
    now: { value: () => systemClock.now() + 7 * YEAR_MS },
  }) as Clock;
  ground.lead(later);
  await using _follower = ground.follow();
  await until('the end', () => isDone(ground, fingerprint));
});

test('a new authority whose key died with its leader is given up for another', async (context) => {
  const ground = await prepare(context);
  const { identity, records } = ground;
  const from = identity.authorityPem;
  const lost = await identity.createSuccessor();
  await records.move(await records.view(), {
    step: 'trust',
    why: 'a test',
    startedAt: 1,
    certificates: { from, to: lost.authorityPem, endorsement: lost.endorsementPem },
  });
  await using _follower = ground.follow();
  const mark = fingerprintOf(lost.authorityPem);
  await until('it is trusted', () => identity.authorities.trusted.includes(mark));
  ground.lead();
  await until('the end', () => isDone(ground, fingerprintOf(from)));
  assert.notEqual(identity.fingerprint, mark);
  assert.equal(identity.authorities.trusted.length, 1);
});

test('a node trusts nobody for whom its authority has not signed', async (context) => {
  const ground = await prepare(context);
  const stranger = await prepare(context);
  const { identity, records } = ground;
  const { authorityPem, endorsementPem } = await stranger.identity.createSuccessor();
  const propose = async (
    from: string,
    endorsement: string,
    step: 'trust' | 'drop',
  ): Promise<void> => {
    await records.move(await records.view(), {
      step,
      why: 'an attack',
      startedAt: 1,
      certificates: { from, to: authorityPem, endorsement },
    });
  };
  await using _follower = ground.follow();
  const before = identity.authorities.trusted;
  const refusals: string[] = [];
  const refuses = async (from: string, step: 'trust' | 'drop', why: string): Promise<void> => {
    await propose(from, endorsementPem, step);
    refusals.push(why);
    await until('it is refused', () => ground.troubles.length >= refusals.length);
    assert.deepEqual(ground.troubles, refusals);
    assert.deepEqual(identity.authorities.trusted, before);
  };
  for (const step of ['trust', 'drop'] as const) {
    await refuses(
      identity.authorityPem,
      step,
      'the former authority has not signed for the new one',
    );
    await refuses(
      stranger.identity.authorityPem,
      step,
      'the rotation is from an authority that this node does not know',
    );
  }
  assert.deepEqual(await records.acknowledgements(), new Map());
});
