/** The etcd engine on one real member: the same conformance suite as the embedded engine. */
import { after, before } from 'node:test';
import { type EtcdUnderTest, startEtcd } from '../testing/etcd-kit.ts';
import { makeOn } from '../testing/etcd-registry-kit.ts';
import { testRegistry } from '../testing/registry-conformance.ts';

let etcd: EtcdUnderTest;
before(async () => {
  etcd = await startEtcd(1);
});
after(() => etcd[Symbol.asyncDispose]());

testRegistry('etcd, one member', () => makeOn(etcd));
