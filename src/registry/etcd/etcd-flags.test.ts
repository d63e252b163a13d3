import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { systemClock } from '../../base/time.ts';
import { clientUrl, etcdFlags, parseVersion, peerUrl } from './etcd-flags.ts';
import type { EtcdMemberOptions } from './member.ts';

const OPTIONS: EtcdMemberOptions = {
  folder: '/data/etcd',
  name: 'one',
  address: '10.0.0.1',
  members: [
    { name: 'one', peerUrl: 'https://10.0.0.1:7422' },
    { name: 'two', peerUrl: 'https://10.0.0.2:7422' },
  ],
  joins: true,
  clusterToken: 'c1',
  tls: { caFile: '/ca', certificateFile: '/cert', keyFile: '/key', crlFile: '/crl' },
  clock: systemClock,
  log: silentLogger,
};

describe('flags of etcd', () => {
  test('a member with certificates lets nobody in without', () => {
    const flags = etcdFlags(OPTIONS, [3, 4, 23]);
    for (const flag of [
      '--listen-client-urls=https://10.0.0.1:7421',
      '--listen-peer-urls=https://10.0.0.1:7422',
      '--initial-cluster=one=https://10.0.0.1:7422,two=https://10.0.0.2:7422',
      '--initial-cluster-state=existing',
      '--client-cert-auth=true',
      '--peer-client-cert-auth=true',
      '--peer-trusted-ca-file=/ca',
      '--auto-compaction-retention=0',
      '--pre-vote=true',
      '--experimental-initial-corrupt-check=true',
      '--client-crl-file=/crl',
      '--peer-crl-file=/crl',
    ]) {
      assert.ok(flags.includes(flag), `${flag} is missing in ${flags.join(' ')}`);
    }
  });

  test('without certificates it speaks plainly, and addresses of IPv6 have brackets', () => {
    const { tls: _, ...plain } = { ...OPTIONS, address: 'fd00::1' };
    assert.equal(clientUrl(plain), 'http://[fd00::1]:7421');
    assert.equal(peerUrl(plain), 'http://[fd00::1]:7422');
    const flags = etcdFlags(plain, [3, 6, 1]);
    assert.ok(!flags.some((flag) => /cert|experimental/.test(flag)));
  });

  test('the version is read from what etcd prints', () => {
    assert.deepEqual(parseVersion('etcd Version: 3.4.23\nGit SHA: x\n'), [3, 4, 23]);
    assert.equal(parseVersion('bash: etcd: nothing'), undefined);
  });
});
