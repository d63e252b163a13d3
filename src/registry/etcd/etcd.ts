/**
 * What the registry's door shows of etcd. The client is loaded when it is first used: it costs 30 MB of memory, which a
 * single machine has no use for.
 */
import type { Registry } from '../contract.ts';
import type { EtcdAdmin, EtcdAdminOptions } from './admin.ts';
import type { EtcdRegistryOptions } from './etcd-registry.ts';

/** Throws `REGISTRY_UNAVAILABLE` when no member answers, also when none trusts our certificate: the message says which. */
export async function openEtcdRegistry(options: EtcdRegistryOptions): Promise<Registry> {
  const { EtcdRegistry } = await import('./etcd-registry.ts');
  const registry = new EtcdRegistry(options);
  const { mustAnswer, signal } = options;
  if (mustAnswer === false) return registry;
  const hurry = (): void => registry.hurry();
  signal?.addEventListener('abort', hurry, { once: true });
  try {
    if (signal?.aborted === true) hurry();
    await registry.commit([], []);
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  } finally {
    signal?.removeEventListener('abort', hurry);
  }
}

/** Connects when it is first asked for something. */
export async function openEtcdAdmin(options: EtcdAdminOptions): Promise<EtcdAdmin> {
  const { EtcdAdmin } = await import('./admin.ts');
  return new EtcdAdmin(options);
}
