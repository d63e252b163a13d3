/** What members keep of certificates, so that forgetting a node revokes all of them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import { FORMER_CERTIFICATES_MAX, REVOKED_KEPT_MS } from './limits.ts';
import { type Member, type MemberCertificate, Members } from './members.ts';

const LIFE_MS = 1_000_000;

interface Ground {
  readonly clock: ManualClock;
  readonly members: Members;
  readonly certificate: (serial: string) => MemberCertificate;
}

async function prepare(context: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-members-'));
  const clock = new ManualClock(5_000_000_000);
  const common = { clock, log: silentLogger };
  const registry = await openSqliteRegistry({ path: join(folder, 'registry.sqlite'), ...common });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const certificate = (serial: string): MemberCertificate => ({
    serial,
    sha256: '',
    keySha256: 'key',
    notAfter: clock.now() + LIFE_MS,
  });
  return { clock, members: new Members({ registry, ...common }), certificate };
}

function member(certificate: MemberCertificate): Member {
  return {
    id: 'n1',
    name: 'one',
    region: 'home',
    labels: {},
    address: '127.0.0.1',
    addresses: ['127.0.0.1'],
    port: 7420,
    gatewayPort: 7423,
    memoryMiB: 1024,
    isDraining: false,
    roles: [],
    joinedAt: 1,
    certificate,
  };
}

test('whatever a node was issued is revoked with it, unless it has ended', async (context) => {
  const { clock, members, certificate } = await prepare(context);
  await members.register(member(certificate('01')));
  clock.advance(LIFE_MS / 2);
  await members.setCertificate('n1', certificate('02'));
  await members.change('one', (known) => ({ ...known, isDraining: true }));
  // A manager enters itself again, at a start and after a renewal.
  await members.register(member(certificate('02')));
  clock.advance(LIFE_MS / 2 + 1);
  await members.register(member(certificate('03')));
  await members.forget('one');
  const revoked = { id: 'n1', name: 'one', at: clock.now(), serials: ['02', '03'] };
  assert.deepEqual(await members.revoked(), [{ ...revoked, isCutOff: false }]);

  assert.equal(await members.setCutOff('n1'), true);
  assert.equal(await members.setCutOff('n1'), false, 'known already');
  assert.equal(await members.setCutOff('n2'), false, 'nobody');
  assert.deepEqual(await members.revoked(), [{ ...revoked, isCutOff: true }]);
  clock.advance(REVOKED_KEPT_MS + 1);
  await members.sweeper().step(new AbortController().signal);
  assert.deepEqual(await members.revoked(), []);
});

test('a node that joins again keeps what it was issued before', async (context) => {
  const { members, certificate } = await prepare(context);
  await members.register(member(certificate('01')));
  const again = await members.admission(member(certificate('02')));
  assert.ok(again.operations.some((one) => one.kind === 'put'));
  const [put] = again.operations;
  assert.ok(put?.kind === 'put');
  const { record } = JSON.parse(Buffer.from(put.value).toString()) as { record: Member };
  assert.deepEqual(record.formerCertificates, [
    { serial: '01', notAfter: certificate('01').notAfter },
  ]);
});

test('a node that asks for certificate after certificate is refused', async (context) => {
  const { members, certificate } = await prepare(context);
  const { notAfter } = certificate('');
  const many = Array.from({ length: FORMER_CERTIFICATES_MAX }, (_, at) => ({
    serial: `a${at}`,
    notAfter,
  }));
  await members.register({ ...member(certificate('01')), formerCertificates: many });
  await assert.rejects(members.setCertificate('n1', certificate('02')), (error) =>
    isMolnError(error, 'CLUSTER_CERTIFICATES_TOO_MANY'),
  );
  await members.setCertificate('n1', certificate('01'));
});
