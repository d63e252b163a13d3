/** Registries on a real etcd, one after the other, each under a prefix of its own. */
import { setTimeout as wait } from 'node:timers/promises';
import { randomId } from '../src/base/ids.ts';
import { type Logger, silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { openEtcdRegistry, type Registry } from '../src/registry/registry.ts';
import type { EtcdUnderTest } from './etcd-kit.ts';
import type { RegistryUnderTest } from './registry-conformance.ts';

export async function openOn(
  endpoints: readonly string[],
  prefix: string,
  log: Logger = silentLogger,
): Promise<Registry> {
  return openEtcdRegistry({ endpoints, prefix, client: 'test', clock: systemClock, log });
}

/** For `testRegistry`. Nobody else may write to that etcd meanwhile, for the suite counts revisions. */
export async function makeOn(etcd: EtcdUnderTest): Promise<RegistryUnderTest> {
  const prefix = `/${randomId()}/`;
  let registry = await openOn(etcd.endpoints, prefix);
  return {
    registry,
    async reopen() {
      await registry[Symbol.asyncDispose]();
      registry = await openOn(etcd.endpoints, prefix);
      return registry;
    },
    async compact() {
      await etcd.admin.compact((await registry.list('')).revision);
    },
    async pass(ms) {
      await wait(ms);
    },
    async dispose() {
      await registry[Symbol.asyncDispose]();
      // What is left must not end in the middle of the next test, with its lease.
      registry = await openOn(etcd.endpoints, prefix);
      for (const { key } of (await registry.list('')).entries) {
        await registry.commit([], [{ kind: 'delete', key }]);
      }
      await registry[Symbol.asyncDispose]();
    },
  };
}
